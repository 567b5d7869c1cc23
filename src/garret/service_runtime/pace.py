"""How fast jobs end, learned from those that did; it says when there will be room for one more."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

_SHARE = 0.25
"""How much the latest job counts against all before it."""
_UNKNOWN_S = 5
_LONGEST_S = 600


class Pace:
    """Counts ends and refusals; `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seconds = 0.0
        self._busy_since: float | None = None
        self._refused = 0

    def began(self) -> None:
        """Note that a job was accepted; while there are any, the time between two ends is what one takes."""
        if self._busy_since is None:
            self._busy_since = self._clock()

    def ended(self, still_open: int) -> None:
        """Note that a job has ended, and how many have not."""
        now = self._clock()
        if self._busy_since is not None:
            took = now - self._busy_since
            self._seconds = took if not self._seconds else (1 - _SHARE) * self._seconds + _SHARE * took
        self._busy_since = now if still_open else None
        self._refused = max(0, self._refused - 1)

    def until_done(self, position: int) -> float | None:
        """Return about how many seconds the job at a place in line still takes, 0 the one at work; None: not known.

        Where several are made side by side, the time between two ends is shorter than what one takes.
        """
        if not self._seconds:
            return None
        since = self._clock() - self._busy_since if self._busy_since is not None else 0.0
        return round((position + 1) * self._seconds - min(since, self._seconds), 1)

    def until_room(self) -> int:
        """Return in how many whole seconds to ask again; whoever is refused first is told the least."""
        self._refused += 1
        if not self._seconds:
            return _UNKNOWN_S
        since = self._clock() - self._busy_since if self._busy_since is not None else 0.0
        seconds = self._refused * self._seconds - min(since, self._seconds)
        return max(1, min(_LONGEST_S, math.ceil(seconds)))
