"""From a process's start to ready with a full-size SDXL, against a stock diffusers script; both read the same weights.

Ours is the whole service: `python -m garret.service_runtime` until `/readyz` answers 200. Theirs is a script that
imports a pipeline and loads it; it serves nobody. Warm page cache, half precision, on whatever device there is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.full_size import write_configuration, write_file, write_folder
from benchmarks.report import Report
from benchmarks.runtime import free_port
from garret.service_runtime.settings import ServiceSettings

ROUNDS = 5
# What the documentation of diffusers says to write; the second of each pair is the same from a folder.
FROM_FILE = """
import json, sys
import torch
from diffusers import StableDiffusionXLPipeline
weights, config = json.loads(sys.argv[1])
pipeline = StableDiffusionXLPipeline.from_single_file(
    weights, config=config, local_files_only=True, torch_dtype=torch.float16
)
if torch.cuda.is_available():
    pipeline.to("cuda")
print("ready", flush=True)
"""
FROM_FOLDER = """
import json, sys
import torch
from diffusers import StableDiffusionXLPipeline
weights, config = json.loads(sys.argv[1])
pipeline = StableDiffusionXLPipeline.from_pretrained(
    weights, local_files_only=True, torch_dtype=torch.float16, variant="fp16", use_safetensors=True
)
if torch.cuda.is_available():
    pipeline.to("cuda")
print("ready", flush=True)
"""


@dataclass
class Samples:
    """Seconds, in the order they were taken; `alive` is when /healthz first answered."""

    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    alive: list[float] = field(default_factory=list)


def measure() -> list[Report]:
    """Both in turns, ABBA, from the same file and the same folder, after one round that warms caches and bytecode."""
    with tempfile.TemporaryDirectory(prefix="garret-cold-start-") as name:
        folder = Path(name)
        configuration = write_configuration(folder / "configs" / "sdxl")
        checkpoints = folder / "models" / "Stable-diffusion"
        checkpoints.mkdir(parents=True)
        write_file(checkpoints / "full.safetensors", configuration)
        single = _rounds(folder, configuration, checkpoints / "full.safetensors", FROM_FILE)
        (checkpoints / "full.safetensors").unlink()
        write_folder(checkpoints / "full", configuration)
        whole = _rounds(folder, configuration, checkpoints / "full", FROM_FOLDER)
    return [_report("cold_start", "from_single_file", single), _report("cold_start_folder", "from_pretrained", whole)]


def _report(name: str, call: str, samples: Samples) -> Report:
    notes: dict[str, object] = {
        "unit": "seconds from exec to ready",
        "weights": "6.9 GB, half precision, random; page cache warm",
        "seconds until /healthz answers": samples.alive,
    }
    what = f"the service until /readyz / a stock script until {call} returns"
    return Report(name, what, samples.ours, samples.theirs, at_most=0.5, notes=notes)


def _rounds(folder: Path, configuration: Path, checkpoint: Path, program: str) -> Samples:
    samples = Samples()

    def ours(keep: bool) -> None:
        alive, ready = _service(folder, checkpoint)
        if keep:
            samples.alive.append(alive)
            samples.ours.append(ready)

    def theirs(keep: bool) -> None:
        seconds = _script(program, [str(checkpoint), str(configuration)])
        if keep:
            samples.theirs.append(seconds)

    for number in range(ROUNDS + 1):
        order: list[Callable[[bool], None]] = [ours, theirs] if number % 2 else [theirs, ours]
        for one in order:
            one(number > 0)
    return samples


def _environment() -> dict[str, str]:
    # Compiled modules are what a user has after the first start.
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _script(program: str, arguments: list[str]) -> float:
    command = [sys.executable, "-c", program, json.dumps(arguments)]
    started = time.perf_counter()
    done = subprocess.run(
        command, env=_environment(), check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    seconds = time.perf_counter() - started
    assert "ready" in done.stdout
    return seconds


def _service(folder: Path, checkpoint: Path) -> tuple[float, float]:
    """Return the seconds until the service answers at all, and until it can make a picture."""
    port = free_port()
    settings = ServiceSettings(
        port=port,
        state_dir=folder / "state",
        models_dir=folder / "models",
        embeddings_dir=folder / "embeddings",
        config_dir=folder / "configs",
        default_checkpoint=checkpoint.stem,
        precision="fp16",
    )
    command = [sys.executable, "-m", "garret.service_runtime"]
    with (folder / "runtime.log").open("ab") as log:
        started = time.perf_counter()
        service = subprocess.Popen(command, env=_environment() | settings.to_env(), stdout=log, stderr=log)
        try:
            alive = _wait(f"http://127.0.0.1:{port}/healthz", started)
            return alive, _wait(f"http://127.0.0.1:{port}/readyz", started)
        finally:
            service.terminate()
            service.wait(60)


def _wait(address: str, started: float) -> float:
    while time.perf_counter() - started < 300:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return time.perf_counter() - started
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.02)
    raise TimeoutError(address)
