"""256 jobs through the API against plain diffusers in one process: with the same batch, and batched against single.

Rates on a CPU swing with whatever else the machine does; both sides are measured in turns, in one run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.report import Report
from benchmarks.runtime import PROMPT, by_hand, picture, wait_for_picture

PICTURES = int(os.environ.get("GARRET_BENCH_PICTURES", "256"))
STEPS, CFG, SIZE, BATCH = 8, 3.0, 64, 8
CLIENTS = 2 * BATCH
ROUNDS = int(os.environ.get("GARRET_BENCH_ROUNDS", "3"))
# The loop that a person would write without garret; it writes PNG files as the service does.
PLAIN_LOOP = """
import io, json, sys, time
import torch
from diffusers import StableDiffusionXLPipeline
weights, config, prompt, pictures, steps, cfg, size, batch = json.loads(sys.argv[1])
pipeline = StableDiffusionXLPipeline.from_single_file(weights, config=config, local_files_only=True)
pipeline.set_progress_bar_config(disable=True)
def some(seeds):
    images = pipeline([prompt] * len(seeds), num_inference_steps=steps, guidance_scale=cfg, height=size, width=size,
                      generator=[torch.Generator().manual_seed(seed) for seed in seeds]).images
    for image in images:
        image.save(io.BytesIO(), "PNG")
some(range(batch))
started = time.perf_counter()
for first in range(0, pictures, batch):
    some(range(first, first + batch))
print(time.perf_counter() - started)
"""


def measure() -> list[Report]:
    """All in turns, each with one torch thread, warm, the same prompt, seeds, size, steps and guidance."""
    os.environ["OMP_NUM_THREADS"] = "1"
    plain, ours, single = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(ROUNDS):
            plain.append(PICTURES / _plain())
            ours.append(PICTURES / _http(Path(folder) / f"{number}-batched", BATCH))
            single.append(PICTURES / _http(Path(folder) / f"{number}-single", 1))
    notes: dict[str, object] = {
        "unit": "pictures per second",
        "pictures": PICTURES,
        "steps": STEPS,
        "size": SIZE,
        "clients": CLIENTS,
        "batch": BATCH,
    }
    return [
        Report("throughput", f"jobs through HTTP / plain diffusers in batches of {BATCH}", ours, plain, at_least=0.97,
               notes=notes),
        Report("batching", "jobs through HTTP, batched / one at a time", ours, single, at_least=1.3, notes=notes),
    ]  # fmt: skip


def _plain() -> float:
    from garret import demo_model

    arguments = [str(demo_model.WEIGHTS), str(demo_model.CONFIG), PROMPT, PICTURES, STEPS, CFG, SIZE, BATCH]
    command = [sys.executable, "-c", PLAIN_LOOP, json.dumps(arguments)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def _http(folder: Path, batch: int) -> float:
    folder.mkdir()
    fields = {"steps": STEPS, "cfg_scale": CFG, "width": SIZE, "height": SIZE, "sampler_name": "Euler"}
    with by_hand(folder, max_batch=batch) as endpoint, ThreadPoolExecutor(CLIENTS) as clients:
        wait_for_picture(endpoint)
        started = time.perf_counter()
        pictures = list(clients.map(lambda seed: picture(endpoint, **(fields | {"seed": seed})), range(PICTURES)))
        seconds = time.perf_counter() - started
    assert len(set(pictures)) == PICTURES, "every seed makes its own picture"
    return seconds
