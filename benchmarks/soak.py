"""2,000 jobs through the API with the demo model: does the memory of the service stay where it was?"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.report import Report
from benchmarks.runtime import by_hand, picture, processes_below, wait_for_picture

JOBS = int(os.environ.get("GARRET_BENCH_SOAK_JOBS", "2000"))
CLIENTS, SAMPLES = 8, 20


def measure() -> Report:
    """Resident memory of the API process and its worker, in MiB: of the second tenth of the jobs and of the last."""
    sizes = (64, 96, 128)
    memory: list[float] = []
    with tempfile.TemporaryDirectory() as folder, by_hand(Path(folder)) as endpoint:
        wait_for_picture(endpoint)
        began = time.monotonic()
        with ThreadPoolExecutor(CLIENTS) as clients:
            for part in range(SAMPLES):
                first = part * JOBS // SAMPLES
                seeds = range(first, (part + 1) * JOBS // SAMPLES)
                list(clients.map(lambda seed: _one(endpoint, seed, sizes[seed % 3]), seeds))
                memory.append(resident_mib())
        seconds = time.monotonic() - began
    early, late = memory[SAMPLES // 10 : SAMPLES // 5], memory[-(SAMPLES // 10) :]
    notes: dict[str, object] = {"unit": "MiB resident", "jobs": JOBS, "all": memory}
    notes["jobs per second"] = JOBS / seconds
    notes["growth per 1,000 jobs in MiB"] = (statistics.mean(late) - statistics.mean(early)) / JOBS * 1000
    return Report(
        "soak", "resident memory after the jobs / before most of them", late, early, at_most=1.05, notes=notes
    )


def _one(endpoint: str, seed: int, side: int) -> None:
    # So few texts that the cache of what was read, which has its bound, is full before it is counted.
    words = f"a red circle number {seed % 50} on a {'blue' if seed % 2 else 'green'} background"
    picture(endpoint, prompt=words, seed=seed, width=side, height=side, steps=2, cfg_scale=3.0)


def resident_mib() -> float:
    """Return what all processes below this one hold of memory."""
    total = 0
    for pid in processes_below(os.getpid()):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                total += int(line.split()[1])
    return total / 1024
