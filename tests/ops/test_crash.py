"""Crash points kill as `kill -9` does, where they are told to and nowhere else."""

from __future__ import annotations

import subprocess
import sys

import pytest

from garret.errors import UsageError
from garret.ops.crash import POINTS, Crash

PROGRAM = """
import os, sys
from garret.ops.crash import Crash
crash = Crash.from_environment(os.environ)
try:
    crash.point("deploy.waiting")
finally:
    print("still there", flush=True)
"""


def test_the_point_kills_without_a_last_word() -> None:
    """Neither `finally` nor buffers get their turn."""
    environment = {"GARRET_CRASH_AT": "deploy.waiting", "PYTHONPATH": ":".join(sys.path)}
    died = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, check=False)
    assert (died.returncode, died.stdout) == (-9, b"")
    environment["GARRET_CRASH_AT"] = "deploy.created"
    lived = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, check=False)
    assert (lived.returncode, lived.stdout) == (0, b"still there\n")


def test_a_point_that_is_none_is_refused() -> None:
    """The error names all points."""
    with pytest.raises(UsageError) as refused:
        Crash.from_environment({"GARRET_CRASH_AT": "deploy.nowhere"})
    for point in POINTS:
        assert point in refused.value.message
    Crash.from_environment({}).point("stop.sent")
    with pytest.raises(KeyError):
        Crash().point("deploy.nowhere")
