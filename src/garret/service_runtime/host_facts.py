"""What this machine is: its memory, the disk of the models, how long it runs, and the versions of what works here."""

from __future__ import annotations

import os
import platform
import shutil
import time
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from garret import __version__

PACKAGES = ("torch", "diffusers", "transformers", "gradio")


def memory_and_disk(folder: Path) -> dict[str, Any]:
    """Return the machine's memory and the disk of a folder in bytes; null where the system does not tell."""
    memory_used, memory_total = _memory()
    disk_used, disk_total = _disk(folder)
    return {
        "memory_used": memory_used,
        "memory_total": memory_total,
        "disk_used": disk_used,
        "disk_total": disk_total,
    }


def uptime_s() -> float | None:
    """Return for how long the machine has been on (Linux): since its first process began, as a container's has too."""
    try:
        kernel = float(Path("/proc/uptime").read_text("ascii").split()[0])
        began = int(Path("/proc/1/stat").read_text("ascii", "replace").rpartition(")")[2].split()[19])
        return max(0.0, kernel - began / os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError):
        return None


def booted_at(now: float | None = None) -> float:
    """Return when the machine was switched on, in seconds since 1970; 0 when nobody knows."""
    uptime = uptime_s()
    return 0.0 if uptime is None else (time.time() if now is None else now) - uptime


@cache
def versions() -> dict[str, str | None]:
    """Return the versions of garret, Python and what pictures are made with, as they are installed; null without."""
    return {"garret": __version__, "python": platform.python_version(), **{name: _version(name) for name in PACKAGES}}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _disk(folder: Path) -> tuple[int | None, int | None]:
    try:
        disk = shutil.disk_usage(folder)
    except OSError:
        return None, None
    # What is kept back for root is no room for models either.
    return disk.total - disk.free, disk.total


def _memory() -> tuple[int | None, int | None]:
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text("ascii").splitlines())
        total, free = (int(lines[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))
    except (OSError, ValueError, KeyError, IndexError):
        return None, None
    return total - free, total
