"""How long a node should wait before it stops, learned from how long it was left alone before."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from itertools import accumulate

SHORTEST_S = 30.0
"""A silence shorter than this is somebody who is thinking."""
KEPT = 160
FEW = 6
"""With fewer than these nothing is known yet."""
COMING_BACK_S = 360.0
"""What coming back counts: three minutes from start to picture are billed, and somebody waits as long."""
FLOOR_S = 120.0


class Gaps:
    """The last silences, in seconds, oldest first; those that a stop cut short with the whole time until the return."""

    def __init__(self, known: Iterable[float] = ()) -> None:
        self._kept: deque[float] = deque(known, KEPT)
        self._best: float | None = None

    def add(self, seconds: float) -> None:
        """Note a silence that has ended."""
        if seconds >= SHORTEST_S:
            self._kept.append(round(seconds, 1))
            self._best = None

    @property
    def kept(self) -> list[float]:
        """What is remembered."""
        return list(self._kept)

    def wait(self, most_s: float) -> float:
        """After how much silence a stop costs least, had it been done so in the past: never more than `most_s`.

        Until something is known it is what nobody can regret much: as long as coming back costs.
        """
        if len(self._kept) < FEW:
            return min(COMING_BACK_S, most_s)
        if self._best is None:
            self._best = _cheapest(sorted(self._kept))
        return min(most_s, self._best)


def _cheapest(gaps: list[float]) -> float:
    """The wait for which these silences, sorted, would have cost the fewest billed seconds."""
    sums = [0.0, *accumulate(gaps)]

    def cost(wait: float) -> float:
        within = bisect_right(gaps, wait)
        return sums[within] + (len(gaps) - within) * (wait + COMING_BACK_S)

    return min((FLOOR_S, *(gap + 1.0 for gap in gaps if gap >= FLOOR_S)), key=lambda wait: (cost(wait), wait))
