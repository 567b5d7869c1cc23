"""Many jobs, one after another and side by side, leave the service as large as they found it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.service_runtime.living import Service, fake_settings, serving

PART = 250


def resident_kib(pid: int) -> int:
    """Return what a process holds of memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def some_jobs(service: Service, first: int) -> int:
    """Have jobs made by eight callers, then return the service's memory with its worker's."""
    with ThreadPoolExecutor(8) as callers:
        answers = list(
            callers.map(lambda seed: service.txt2img(seed=seed, prompt=f"{seed}").status, range(first, first + PART))
        )
    assert answers == [200] * PART
    return sum(resident_kib(pid) for pid in (service.process.pid, *service.workers()))


def test_memory_stays_flat_over_many_jobs(tmp_path: Path) -> None:
    """What a job needed is let go with it; the long run with the demo model is a benchmark."""
    with serving(fake_settings(tmp_path)) as service:
        some_jobs(service, 0)
        before = some_jobs(service, PART)
        after = some_jobs(service, 2 * PART)
        assert after - before < 3 << 10, f"{after - before} KiB more after {PART} more jobs"
        assert not list((tmp_path / "state").rglob("*.tmp"))
