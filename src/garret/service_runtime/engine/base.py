"""What the worker asks of an engine: set up once, then run batches as a generator of step, step, image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from garret.service_runtime.batch import Batch


@dataclass(frozen=True)
class Step:
    """So many of the batch's denoising steps are done."""

    done: int
    total: int


@dataclass(frozen=True)
class Image:
    """One finished picture: its place in the batch, rows of RGB bytes (height x width x 3), and what to say of it."""

    index: int
    width: int
    height: int
    rgb: bytes
    notes: dict[str, str] = field(default_factory=dict)


class Fatal(Exception):
    """The device is lost until the process starts anew."""


class Engine(Protocol):
    """One object that touches the device."""

    def setup(self, checkpoint: Path | None) -> str:
        """Load what the first batch will need and return the device's name."""
        ...

    def run(self, batch: Batch) -> Iterator[Step | Image]:
        """Make a batch; closing the generator stops the work at the next step."""
        ...
