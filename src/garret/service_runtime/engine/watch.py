"""What is told while a batch is made: steps over all of its stages, and small pictures of what there is.

On a GPU the host runs ahead of the device, at most by one step: a step is told when the device has done it, while the
next one is queued already. So the device never waits, and a batch that is stopped ends with what is queued.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from garret.service_runtime.engine.base import Preview, Step
from garret.service_runtime.engine.previews import preview
from garret.service_runtime.engine.stepping import Emit

PREVIEWS = 8
"""How often a batch is shown on its way."""


@dataclass(frozen=True)
class Told:
    """A step that the device may not have done yet, with the pictures to show of it."""

    step: Step
    shown: Tensor | None
    done: torch.cuda.Event | None


class Watch:
    """Counts the steps of a batch; that it is stopped is heard here. `colours` are those of `previews.Colours`."""

    def __init__(self, emit: Emit, total: int, device: torch.device, colours: Tensor | None = None) -> None:
        self._emit = emit
        self._total = total
        self._cuda = device.type == "cuda"
        self._colours = colours
        self._done = 0
        self._queued: deque[Told] = deque()
        self._every = max(1, -(-total // PREVIEWS))

    def step(self, stage: str, guess: Callable[[], Tensor]) -> None:
        """Note that one more step is queued; `guess` returns what the model takes the finished latents for."""
        self._done += 1
        shown = None
        if self._colours is not None and self._done % self._every == 0 and self._done < self._total:
            shown = self._moved(preview(guess(), self._colours))
        self._queued.append(Told(Step(self._done, self._total, stage), shown, self._mark()))
        while len(self._queued) > (1 if self._cuda else 0):
            self._tell(self._queued.popleft())

    def beat(self, stage: str) -> None:
        """Say once more how far it is: work goes on between two steps, and may be stopped there as well."""
        self._emit(Step(self._done, self._total, stage))

    def finish(self) -> None:
        """Tell the last step while the device is at it, so that what comes next can be made ready meanwhile."""
        for told in self._queued:
            self._emit(told.step)
        self._queued.clear()

    def _mark(self) -> torch.cuda.Event | None:
        if not self._cuda:
            return None
        # Blocking: the host sleeps until the device is there, and leaves its core to who encodes pictures.
        event = torch.cuda.Event(blocking=True)
        event.record()
        return event

    def _moved(self, shown: Tensor) -> Tensor:
        if not self._cuda:
            return shown
        return torch.empty(shown.shape, dtype=shown.dtype, pin_memory=True).copy_(shown, non_blocking=True)

    def _tell(self, told: Told) -> None:
        if told.done is not None:
            told.done.synchronize()
        self._emit(told.step)
        for index, one in enumerate(told.shown if told.shown is not None else ()):
            height, width = one.shape[:2]
            self._emit(Preview(index, width, height, one.numpy().tobytes()))
