"""An engine without a model: pictures that follow from their words and seeds, and faults on demand."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

from garret.service_runtime.batch import Batch, Picture
from garret.service_runtime.engine.base import Event, Facts, Fatal, Image, Step
from garret.service_runtime.errors import OutOfMemory
from garret.service_runtime.request import ImageRequest

FAULTS = ("oom", "fatal", "die", "hang", "setup")


def parse_faults(text: str) -> dict[int, str]:
    """Read "oom@3,fatal@5" as {3: "oom", 5: "fatal"}: the fault at the engine's third and fifth picture.

    "setup@0" is the engine that never comes up.
    """
    faults: dict[int, str] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        kind, _, number = part.partition("@")
        if kind not in FAULTS or not number.isdigit():
            raise ValueError(f"{part!r} is not a fault; write one of {', '.join(FAULTS)} with @ and a number")
        faults[int(number)] = kind
    return faults


class FakeEngine:
    """Draws a gradient whose colours are a digest of what was asked; a picture takes `seconds` over all its steps."""

    def __init__(self, seconds: float = 0.0, faults: str = "") -> None:
        self._seconds = seconds
        self._faults = parse_faults(faults)
        self._count = 0
        self._loaded: tuple[str, ...] = ()

    def setup(self, checkpoint: Path | None) -> str:
        """Return the device's name."""
        if self._faults.get(0) == "setup":
            raise RuntimeError("the fake device is not there, as it was told to be")
        if checkpoint is not None:
            self._loaded = (str(checkpoint),)
        return "fake"

    def loaded(self) -> tuple[str, ...]:
        """Return the checkpoint of the last batch, as an engine with room for one."""
        return self._loaded

    def unload(self) -> None:
        """Forget the checkpoint."""
        self._loaded = ()

    def facts(self) -> Facts:
        """Return what an engine says of itself."""
        return {"device": "fake", "memory_used": 0, "memory_total": 0, "mode": "normal", "dtype": "", "compiled": False}

    def run(self, batch: Batch) -> Iterator[Event]:
        """Make the batch, one picture's time for all of it, as a device with room to spare would."""
        for _ in batch.pictures:
            self._count += 1
            self._fail(self._faults.get(self._count, ""))
        asked = batch.request
        self._loaded = (batch.used.checkpoint,)
        for step in range(asked.steps):
            time.sleep(self._seconds / asked.steps)
            yield Step(step + 1, asked.steps)
        for index, picture in enumerate(batch.pictures):
            yield Image(index, asked.width, asked.height, draw(picture, asked))

    def _fail(self, kind: str) -> None:
        if kind == "oom":
            raise OutOfMemory("the fake device is out of memory, as it was told to be")
        if kind == "fatal":
            raise Fatal("the fake device is lost, as it was told to be")
        if kind == "die":
            raise SystemExit(70)
        while kind == "hang":
            time.sleep(60)


def draw(picture: Picture, request: ImageRequest) -> bytes:
    """Return rows of RGB bytes that depend on every word of the request and on nothing else."""
    asked = (picture.prompt, picture.negative_prompt, picture.seed, request.steps, request.cfg_scale, request.sampler)
    digest = hashlib.sha256(repr(asked).encode("utf-8", "surrogatepass")).digest()
    top, bottom = digest[0:3], digest[3:6]
    rows = []
    for y in range(request.height):
        share = y / request.height
        colour = bytes(round(a + (b - a) * share) for a, b in zip(top, bottom, strict=True))
        rows.append(colour * request.width)
    return b"".join(rows)
