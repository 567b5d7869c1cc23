"""64 pictures through HTTP against the same 64 by a plain diffusers loop in one process."""

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

PICTURES, STEPS, CFG, SIZE = 64, 8, 3.0, 128
CLIENTS = 8
ROUNDS = 3
# The loop that a person would write without garret; it writes PNG files as the service does.
PLAIN_LOOP = """
import io, json, sys, time
import torch
from diffusers import StableDiffusionXLPipeline
weights, config, prompt, pictures, steps, cfg, size = json.loads(sys.argv[1])
pipeline = StableDiffusionXLPipeline.from_single_file(weights, config=config, local_files_only=True)
pipeline.set_progress_bar_config(disable=True)
def one(seed):
    image = pipeline(prompt, num_inference_steps=steps, guidance_scale=cfg, height=size, width=size,
                     generator=torch.Generator().manual_seed(seed)).images[0]
    image.save(io.BytesIO(), "PNG")
one(0)
started = time.perf_counter()
for seed in range(pictures):
    one(seed)
print(time.perf_counter() - started)
"""


def measure() -> Report:
    """Both in turns, each with one torch thread, warm, the same prompt, seeds, size, steps and guidance."""
    os.environ["OMP_NUM_THREADS"] = "1"
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        for round_number in range(ROUNDS):
            theirs.append(PICTURES / _plain())
            ours.append(PICTURES / _http(Path(folder) / str(round_number)))
    notes: dict[str, object] = {
        "unit": "pictures per second",
        "pictures": PICTURES,
        "steps": STEPS,
        "size": SIZE,
        "clients": CLIENTS,
        "one picture at a time is what the plain loop does; the service may batch requests that fit together": True,
    }
    return Report(
        "throughput", "pictures through HTTP / plain diffusers loop", ours, theirs, at_least=0.95, notes=notes
    )


def _plain() -> float:
    from garret import demo_model

    arguments = [str(demo_model.WEIGHTS), str(demo_model.CONFIG), PROMPT, PICTURES, STEPS, CFG, SIZE]
    command = [sys.executable, "-c", PLAIN_LOOP, json.dumps(arguments)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def _http(folder: Path) -> float:
    folder.mkdir()
    fields = {"steps": STEPS, "cfg_scale": CFG, "width": SIZE, "height": SIZE, "sampler_name": "Euler"}
    with by_hand(folder) as endpoint, ThreadPoolExecutor(CLIENTS) as clients:
        wait_for_picture(endpoint)
        started = time.perf_counter()
        pictures = list(clients.map(lambda seed: picture(endpoint, **(fields | {"seed": seed})), range(PICTURES)))
        seconds = time.perf_counter() - started
    assert len(set(pictures)) == PICTURES, "every seed makes its own picture"
    return seconds
