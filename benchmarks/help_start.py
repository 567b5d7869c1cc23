"""`garret --help` against `python -c "import click"`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.report import Report

ROUNDS = 21


def measure() -> Report:
    """Start both in turns, so that a busy moment of the machine hits both."""
    garret = str(Path(sys.executable).with_name("garret"))
    # Compiled modules are what a user has after the first start.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    ours, theirs = [], []
    for round_number in range(ROUNDS + 2):
        first = _seconds([garret, "--help"], environment)
        second = _seconds([sys.executable, "-c", "import click"], environment)
        if round_number >= 2:  # the first two write and warm the compiled modules
            ours.append(first)
            theirs.append(second)
    return Report("help_start", "garret --help / python -c 'import click'", ours, theirs, at_most=1.6)


def _seconds(command: list[str], environment: dict[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started
