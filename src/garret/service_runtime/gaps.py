"""How long a node should wait before it stops, learned from how long it was left alone before."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

SHORTEST_S = 30.0
"""A silence shorter than this is somebody who is thinking."""
KEPT = 160
FEW = 6
"""With fewer than these nothing is known yet."""
RESTART_S = 180.0
"""What coming back costs: the seconds from the start of the machine to a picture are billed as well."""
FLOOR_S = 60.0


class Gaps:
    """The last silences, in seconds, oldest first; those that a stop cut short with the whole time until the return."""

    def __init__(self, known: Iterable[float] = ()) -> None:
        self._kept: deque[float] = deque(known, KEPT)

    def add(self, seconds: float) -> None:
        """Note a silence that has ended."""
        if seconds >= SHORTEST_S:
            self._kept.append(round(seconds, 1))

    @property
    def kept(self) -> list[float]:
        """What is remembered."""
        return list(self._kept)

    def wait(self, most_s: float) -> float:
        """After how much silence a stop costs least, had it been done so in the past: never more than `most_s`.

        Until something is known it is what nobody can regret much: as long as coming back costs.
        """
        if len(self._kept) < FEW:
            return min(RESTART_S, most_s)
        found = sorted(self._kept)
        candidates = [FLOOR_S, *(gap + 1.0 for gap in found if FLOOR_S <= gap + 1.0 < most_s), most_s]
        return min(most_s, min(candidates, key=lambda wait: (_cost(found, wait), wait)))


def _cost(gaps: list[float], wait: float) -> float:
    """What these silences would have cost in billed seconds."""
    return sum(gap if gap <= wait else wait + RESTART_S for gap in gaps)
