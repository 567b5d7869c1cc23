"""What the worker asks of an engine: set up once, then run batches as a generator of steps, previews and images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypedDict

from garret.service_runtime.batch import Batch


@dataclass(frozen=True)
class Step:
    """So many of the batch's steps are done, over all of its stages; `stage` is the one at work."""

    done: int
    total: int
    stage: str = "denoise"


@dataclass(frozen=True)
class Preview:
    """What there is of one picture before it is finished: small, rough and cheap; rows of RGB bytes."""

    index: int
    width: int
    height: int
    rgb: bytes = field(repr=False)


@dataclass(frozen=True)
class Image:
    """One finished picture: its place in the batch, rows of RGB bytes (height x width x 3), and what to say of it.

    Notes become a part of the infotext: how it was made where that is not what the request says.
    """

    index: int
    width: int
    height: int
    rgb: bytes = field(repr=False)
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Rest:
    """The last event of a batch whose denoising is over: `finish` yields its images from any one thread.

    The engine takes its next batch meanwhile. Only on a GPU; elsewhere images come as events.
    """

    finish: Callable[[], Iterator[Image]]


Event = Step | Preview | Image | Rest


class Facts(TypedDict, total=False):
    """What an engine says of itself; sizes are in bytes, `mode` is "normal" or "low-vram"."""

    device: str
    memory_used: int
    memory_total: int
    mode: str
    dtype: str
    compiled: bool
    torch: str
    cuda: str | None


class Fatal(Exception):
    """The device is lost until the process starts anew."""


class Engine(Protocol):
    """One object that touches the device."""

    def setup(self, checkpoint: Path | None) -> str:
        """Load what the first batch will need and return the device's name."""
        ...

    def run(self, batch: Batch) -> Iterator[Event]:
        """Make a batch; closing the generator stops the work at the next step.

        Raises:
            OutOfMemory: the batch does not fit; with `Batch.memory` "low" it may.
            Fatal: the device is lost.
        """
        ...

    def loaded(self) -> tuple[str, ...]:
        """Return the paths of the checkpoints in memory, the one used last at the end."""
        ...

    def unload(self) -> None:
        """Let everything leave the device; the next batch loads what it needs."""
        ...

    def facts(self) -> Facts:
        """Return what the engine says of itself, without waiting for the device."""
        ...
