"""A deployment on a warm machine, from the command to a picture, against the same runtime started by hand."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.report import Report
from benchmarks.runtime import by_hand, wait_for_picture

ROUNDS = 5
GARRET = str(Path(sys.executable).with_name("garret"))
DEPLOY = ["deploy", "--cloud", "local", "--region", "cn-hangzhou", "--instance-type", "ecs.gn7i-c16g1.4xlarge", "--yes"]


def measure() -> Report:
    """Deploy a node anew each round (the local cloud is up, the disk is warm), and start the runtime by hand."""
    ours, theirs, unchanged = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"GARRET_HOME": f"{folder}/home", "OMP_NUM_THREADS": "1"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        try:
            for round_number in range(ROUNDS + 1):
                fresh = _garret(environment, *DEPLOY)
                again = _garret(environment, *DEPLOY)
                _garret(environment, "delete", "garret", "--cloud", "local", "--yes")
                alone = _by_hand(Path(folder) / f"hand-{round_number}")
                if round_number:  # the first deploy starts the local cloud
                    ours.append(fresh)
                    unchanged.append(again)
                    theirs.append(alone)
        finally:
            _garret(environment, "local", "down")
    notes: dict[str, object] = {"deploy with nothing to change, seconds": unchanged}
    return Report(
        "deploy_again",
        "deploy of a new node, to a picture / runtime by hand, to a picture",
        ours,
        theirs,
        1.5,
        notes=notes,
    )


def _garret(environment: dict[str, str], *arguments: str) -> float:
    started = time.perf_counter()
    subprocess.run([GARRET, *arguments], env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def _by_hand(folder: Path) -> float:
    folder.mkdir()
    started = time.perf_counter()
    with by_hand(folder) as endpoint:
        wait_for_picture(endpoint)
        return time.perf_counter() - started
