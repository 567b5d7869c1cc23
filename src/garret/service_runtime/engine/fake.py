"""An engine without a model: pictures that follow from their words and seeds, and faults on demand."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from garret.service_runtime.asked import Upscale
from garret.service_runtime.batch import Batch, Picture
from garret.service_runtime.engine.base import Event, Facts, Fatal, Image, Preview, Rest, Step
from garret.service_runtime.errors import OutOfMemory
from garret.service_runtime.pictures.resize import covered
from garret.service_runtime.request import ImageRequest

FAULTS = ("oom", "fatal", "die", "hang", "stall", "setup")
DATED = "Shown at"
"""What notes call the moment at which a picture from a file was there, in seconds."""
HELD = 2
"""How many checkpoints it has room for."""


def parse_faults(text: str) -> dict[int, str]:
    """Read "oom@3,fatal@5" as {3: "oom", 5: "fatal"}: the fault at the engine's third and fifth picture.

    "hang" is before the picture's first step, "stall" after it; "setup@0" is the engine that never comes up.
    """
    faults: dict[int, str] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        kind, _, number = part.partition("@")
        if kind not in FAULTS or not number.isdigit():
            raise ValueError(f"{part!r} is not a fault; write one of {', '.join(FAULTS)} with @ and a number")
        faults[int(number)] = kind
    return faults


class FakeEngine:
    """Draws a gradient whose colours are a digest of what was asked.

    A batch takes `seconds` over all its steps, a checkpoint that it has not `load_s` more; with `finish_s` its pictures
    come so much later, while the next batch runs already. `shown` names a file of raw RGB pictures of one size, shown
    where that is the picture's: the seed says which one, and how many rows it is moved by.
    """

    def __init__(
        self, seconds: float = 0.0, faults: str = "", load_s: float = 0.0, finish_s: float = 0.0, shown: str = ""
    ) -> None:
        self._seconds = seconds
        self._faults = parse_faults(faults)
        self._load_s = load_s
        self._finish_s = finish_s
        self._count = 0
        self._loaded: list[str] = []
        self._mode = "normal"
        self._shown = Path(shown).read_bytes() if shown else b""

    def setup(self, checkpoint: Path | None) -> str:
        """Return the device's name."""
        if self._faults.get(0) == "setup":
            raise RuntimeError("the fake device is not there, as it was told to be")
        if checkpoint is not None:
            self._load(str(checkpoint))
        return "fake"

    def run(self, batch: Batch) -> Iterator[Event]:
        """Make the batch, one picture's time for all of it, as a device with room to spare would."""
        faults = []
        for _ in batch.pictures:
            self._count += 1
            faults.append(self._faults.get(self._count, ""))
        for fault in faults:
            self._fail(fault)
        if batch.request.paints:
            self._load(batch.used.checkpoint)
        self._mode = "low-vram" if batch.memory == "low" else "normal"
        asked, began = batch.request, time.monotonic()
        steps = asked.steps if asked.paints else 1
        stage = "denoise" if asked.paints else "upscale"
        images = [] if self._finish_s else list(self._images(batch))
        for step in range(steps):
            # What this process does meanwhile is a part of the device's time, not added to it.
            due = began + self._seconds * (step + 1) / steps
            time.sleep(max(0.0, due - time.monotonic()))
            yield Step(step + 1, steps, stage)
            if step < steps - 1:
                for index, picture in enumerate(batch.pictures):
                    yield Preview(index, 8, 8, draw(picture, asked, 8, 8))
            while "stall" in faults:
                time.sleep(60)
        if self._finish_s:
            yield Rest(lambda: self._finish(batch))
        else:
            yield from map(self._dated, images)

    def loaded(self) -> tuple[str, ...]:
        """Return the checkpoints that it has read, the one used last at the end."""
        return tuple(self._loaded)

    def unload(self) -> None:
        """Forget them."""
        self._loaded = []

    def facts(self) -> Facts:
        """Return what an engine says of itself; a checkpoint takes a gigabyte of its fake device."""
        used = len(self._loaded) << 30
        return {
            "device": "fake",
            "memory_used": used,
            "memory_total": 4 << 30,
            "mode": self._mode,
            "dtype": "uint8",
            "compiled": False,
        }

    def _load(self, path: str) -> None:
        if path in self._loaded:
            self._loaded.remove(path)
        else:
            time.sleep(self._load_s)
        self._loaded = [*self._loaded, path][-HELD:]

    def _dated(self, image: Image) -> Image:
        """Say of a picture that is shown when it was there, by the machine's own clock: its delivery begins now."""
        return replace(image, notes={**image.notes, DATED: f"{time.monotonic():.6f}"}) if self._shown else image

    def _finish(self, batch: Batch) -> Iterator[Image]:
        time.sleep(self._finish_s)
        yield from self._images(batch)

    def _images(self, batch: Batch) -> Iterator[Image]:
        asked = batch.request
        notes = {"Mode": "low-vram"} if batch.memory == "low" else {}
        for index, picture in enumerate(batch.pictures):
            if asked.upscale is not None:
                width, height = asked.final_size
                yield Image(index, width, height, self._larger(batch, picture, asked.upscale), dict(notes))
            else:
                yield Image(index, asked.width, asked.height, self._draw(picture, asked), dict(notes))

    def _larger(self, batch: Batch, picture: Picture, upscale: Upscale) -> bytes:
        """Return a picture made larger; a network's work is Pillow's here."""
        import PIL.Image

        asked = batch.request
        if asked.paints:
            small = PIL.Image.frombytes("RGB", (asked.width, asked.height), self._draw(picture, asked))
        else:
            small = PIL.Image.open(batch.used.picture, formats=("PNG",)).convert("RGB")
        whole = upscale.covering(*asked.painted_size)
        return covered(small, whole, asked.final_size, upscale.upscaler).tobytes()

    def _draw(self, picture: Picture, asked: ImageRequest) -> bytes:
        size = asked.width * asked.height * 3
        if not self._shown or len(self._shown) % size:
            return draw(picture, asked, asked.width, asked.height)
        turns, rows = divmod(picture.seed, asked.height)
        begin = turns * size % len(self._shown)
        at = begin + rows * asked.width * 3
        return self._shown[at : begin + size] + self._shown[begin:at]

    def _fail(self, kind: str) -> None:
        if kind == "oom":
            raise OutOfMemory("the fake device is out of memory, as it was told to be")
        if kind == "fatal":
            raise Fatal("the fake device is lost, as it was told to be")
        if kind == "die":
            raise SystemExit(70)
        while kind == "hang":
            time.sleep(60)


def draw(picture: Picture, request: ImageRequest, width: int, height: int) -> bytes:
    """Return rows of RGB bytes that depend on every word of the request and on nothing else."""
    asked = (
        picture.prompt,
        picture.negative_prompt,
        picture.seed,
        request.steps,
        request.cfg_scale,
        request.sampler,
    )
    digest = hashlib.sha256(repr(asked).encode("utf-8", "surrogatepass")).digest()
    top, bottom = digest[0:3], digest[3:6]
    rows = []
    for y in range(height):
        share = y / height
        colour = bytes(round(a + (b - a) * share) for a, b in zip(top, bottom, strict=True))
        rows.append(colour * width)
    return b"".join(rows)
