"""Whether a picture can be made now; while the first worker loads, about how long that will still take."""

from __future__ import annotations

import json
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from garret.service_runtime.files import write_atomically

_KEPT = 8
_RETRY_S = 5
_LONGEST_RETRY_S = 60


@dataclass(frozen=True)
class State:
    """One answer: `status` is "ready", "warming", "down" or "stopping"; times are seconds, None when not known."""

    status: str
    detail: str = ""
    remaining_s: int | None = None

    @property
    def retry_after(self) -> int:
        """Return when to ask again."""
        return min(max(self.remaining_s or _RETRY_S, 1), _LONGEST_RETRY_S)


class Readiness:
    """Knows how long the last starts took, from a file, and so how long this one will."""

    def __init__(self, file: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._clock = clock
        self._since = clock()
        self._was_there = False
        self._took = self._read()

    def ready(self) -> None:
        """Note that a worker is there, and keep how long that took."""
        self._took = [*self._took, round(self._clock() - self._since, 3)][-_KEPT:]
        write_atomically(self._file, json.dumps(self._took).encode(), 0o640)

    def look(self, ready: bool) -> None:
        """Note whether a worker is there now: of one that was there and is not, the next one is on its way."""
        if self._was_there and not ready:
            self._since = self._clock()
        self._was_there = ready

    def warming(self) -> State:
        """Return what to say until then."""
        if not self._took:
            return State("warming", "warming; this node does not know yet for how long")
        remaining = math.ceil(statistics.median(self._took) - (self._clock() - self._since))
        if remaining <= 0:
            return State("warming", "warming, any moment now", 1)
        return State("warming", f"warming, about {remaining} s", remaining)

    def _read(self) -> list[float]:
        try:
            found = json.loads(self._file.read_text("utf-8"))
            return [float(value) for value in found][-_KEPT:]
        except (OSError, ValueError, TypeError):
            return []
