"""When a worker's silence means that it hangs: a limit for a whole batch, and one between two steps of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

# A step may take so many times what the slowest one of its batch took.
SLOWER = 10.0


@dataclass(frozen=True)
class Limits:
    """Seconds: for a batch in all, and for silence once its first step is done.

    Before the first step a model is loaded or compiled, which is the whole batch's limit's to judge.
    """

    batch_s: float
    step_s: float


class Watch:
    """Counts the seconds since a batch began and since its last sign; calls `hangs` with the reason, once."""

    def __init__(self, limits: Limits, hangs: Callable[[str], None]) -> None:
        self._limits = limits
        self._hangs = hangs
        self._timer: asyncio.TimerHandle | None = None
        self._began = self._last = 0.0
        self._slowest: float | None = None

    def begin(self) -> None:
        """A batch begins."""
        self._began = self._last = time.monotonic()
        self._slowest = None
        self._arm()

    def sign(self, *, step: bool = False) -> None:
        """The worker has said something of a batch."""
        now = time.monotonic()
        if step:
            # The first step's time holds the loading of the model, and is no measure of the next one's.
            self._slowest = 0.0 if self._slowest is None else max(self._slowest, now - self._last)
        self._last = now
        if self._timer is not None:
            self._arm()

    def end(self) -> None:
        """Nothing runs any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        self.end()
        due, reason = self._began + self._limits.batch_s, f"the job ran longer than {self._limits.batch_s:g} s"
        if self._slowest is not None:
            silence = max(self._limits.step_s, SLOWER * self._slowest)
            if self._last + silence < due:
                due, reason = self._last + silence, f"the device said nothing for {silence:g} s in the middle of a job"
        delay = max(0.0, due - time.monotonic())
        self._timer = asyncio.get_running_loop().call_later(delay, self._hangs, reason)
