"""A deployment from an own image against a plain one, both from the command to a picture, side by side in one run."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.report import Report

ROUNDS = 3
AT_MOST = {"namespace": 0.35, "process": 1.0}
"""A node that is a folder borrows the operator's own packages: there an image saves the runtime's way onto it only."""
GARRET = str(Path(sys.executable).with_name("garret"))
WHERE = ["--cloud", "local", "--region", "cn-hangzhou", "--instance-type", "ecs.gn7i-c16g1.4xlarge", "--yes"]
_STEP = re.compile(r"[✓-] (?:\x1b\[0m )?(ensure_\w+)(?:\s+(\d+\.\d) s)?")


def measure() -> Report:
    """Bake once on whatever boots nodes here, which also warms every cache, then deploy by turns."""
    plain, own = [], []
    stages: dict[str, list[dict[str, float]]] = {"plain": [], "own image": []}
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"GARRET_HOME": f"{folder}/home", "OMP_NUM_THREADS": "1"}
        try:
            baked, _ = _timed(environment, "image", "bake", *WHERE)
            driver = json.loads(_garret(environment, "local", "status", "--json"))["driver"]
            for number in range(ROUNDS):
                for image, times, kept in (("base", plain, "plain"), ("", own, "own image")):
                    chosen = ["--image-id", image] if image else []
                    seconds, said = _timed(environment, "deploy", *WHERE, *chosen)
                    _garret(environment, "delete", "garret", "--cloud", "local", "--yes")
                    times.append(seconds)
                    stages[kept].append(said)
                    print(_line(number, kept, seconds, said), flush=True)
        finally:
            _garret(environment, "local", "down")
    notes: dict[str, object] = {
        "driver": driver,
        "bake, seconds": baked,
        "stages, median seconds": {kept: _medians(rounds) for kept, rounds in stages.items()},
    }
    what = f"deploy from an own image, to a picture / plain deploy, to a picture ({driver} nodes)"
    return Report("bake", what, own, plain, AT_MOST[driver], notes=notes)


def _timed(environment: dict[str, str], *arguments: str) -> tuple[float, dict[str, float]]:
    """How long a command took, and each step of the node in it."""
    started = time.perf_counter()
    said = _garret(environment, *arguments)
    seconds = time.perf_counter() - started
    return seconds, {name: float(took or 0) for name, took in _STEP.findall(said)}


def _garret(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run([GARRET, *arguments], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"garret {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def _line(number: int, kept: str, seconds: float, said: dict[str, float]) -> str:
    longest = sorted(said.items(), key=lambda pair: -pair[1])[:5]
    steps = ", ".join(f"{name.removeprefix('ensure_')} {took:.1f}" for name, took in longest if took >= 0.05)
    return f"round {number + 1}, {kept:<9} {seconds:6.1f} s   ({steps})"


def _medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for one in rounds for name in one)
    return {name: statistics.median(one.get(name, 0.0) for one in rounds) for name in names}
