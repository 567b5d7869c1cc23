"""The invisible watermark beside the library that defined it: its own decoder reads both, in seconds it is the slower.

The library goes into an environment of its own for the time of the measurement (it wants OpenCV and PyWavelets).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy

from benchmarks.report import Report
from garret.service_runtime.pictures.watermark import BITS, bits_in, watermarked

PEER = Path(__file__).parent / "peers/watermark_library.py"
SIDE = 1024


def measure() -> Report:
    """Mark eight pictures with both, and let both read both."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours = [_marked(folder, what, pixels) for what, pixels in _pictures().items()]
        python = _environment(folder)
        bits = "".join(map(str, BITS))
        said = subprocess.run([python, PEER, folder, bits], check=True, capture_output=True, text=True).stdout
        read: dict[str, dict[str, Any]] = json.loads(said)
        notes: dict[str, object] = {
            "unit": f"seconds for one picture of {SIDE} x {SIDE}; bits of {len(BITS)} that are read rightly",
            "bits": {what: _counts(folder, what, one) for what, one in read.items()},
        }
        theirs = [one["seconds"] for one in read.values()]
    return Report("watermark", "seconds for the mark, ours / the library's", ours, theirs, at_most=0.5, notes=notes)


def _environment(folder: Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", folder / "peer"], check=True)
    python = folder / "peer/bin/python"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "numpy", "PyWavelets", "opencv-python-headless"], check=True)
    # Without what its other methods want: torch, and OpenCV with a window system.
    subprocess.run([*pip, "--no-deps", "invisible-watermark"], check=True)
    return python


def _pictures() -> dict[str, numpy.ndarray[Any, Any]]:
    y, x = numpy.mgrid[0:SIDE, 0:SIDE]
    noise = numpy.random.default_rng(1)
    soft = numpy.stack([x * 200 / SIDE + 20, y * 180 / SIDE + 30, 128 + 60 * numpy.sin(x / 40 + y / 60)], -1)
    cells = noise.integers(0, 255, (SIDE // 16, SIDE // 16, 3)).repeat(16, 0).repeat(16, 1)
    flat = {f"flat {colour}": numpy.full((SIDE, SIDE, 3), colour) for colour in _COLOURS}
    made = {"soft colours": soft, "soft, grainy": soft + noise.normal(0, 4, soft.shape), "cells": cells, **flat}
    return {name: numpy.clip(picture, 0, 255).astype(numpy.uint8) for name, picture in made.items()}


_COLOURS = ((128, 128, 128), (200, 30, 30), (30, 30, 220), (250, 240, 20), (255, 255, 255))


def _marked(folder: Path, what: str, pixels: numpy.ndarray[Any, Any]) -> float:
    rgb = pixels.tobytes()
    started = time.perf_counter()
    marked = watermarked(rgb, SIDE, SIDE)
    seconds = time.perf_counter() - started
    numpy.save(folder / f"{what}.before.npy", pixels)
    numpy.save(folder / f"{what}.ours.npy", numpy.frombuffer(marked, numpy.uint8).reshape(pixels.shape))
    return seconds


def _counts(folder: Path, what: str, read: dict[str, Any]) -> dict[str, object]:
    right = "".join(map(str, BITS))
    found: dict[str, object] = {
        f"{kind}, read by the library": sum(a == b for a, b in zip(read[kind], right, strict=True))
        for kind in ("ours", "theirs", "before")
    }
    before = numpy.load(folder / f"{what}.before.npy").astype(float)
    for kind in ("ours", "theirs"):
        picture = numpy.load(folder / f"{what}.{kind}.npy")
        bits = bits_in(picture.tobytes(), SIDE, SIDE)
        found[f"{kind}, read by us"] = sum(a == b for a, b in zip(bits, BITS, strict=True))
        distance = ((picture - before) ** 2).mean()
        found[f"{kind}, PSNR in dB"] = round(float(10 * numpy.log10(255**2 / distance)), 1)
    return found
