"""Which connection fetches which bytes: from the front on, so that hashing can follow, and all done at one time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

OPEN_END = 1 << 62
"""The end of a file of unknown size."""

Span = tuple[int, int]
"""The first byte and the one after the last."""


@dataclass(frozen=True)
class Pace:
    """How a file is cut up, in bytes: small enough that hashing keeps up, large enough that asking costs nothing.

    A segment that needs longer than `slow_s` for its rest is halved when another connection has nothing to do.
    """

    connections: int = 4
    first: int = 8 << 20
    least: int = 4 << 20
    most: int = 64 << 20
    slow_s: float = 2.0


@dataclass(eq=False)
class Segment:
    """Bytes that one connection fetches; those before `position` are in the file."""

    begin: int
    end: int
    position: int
    slot: int = -1
    began: float = field(default_factory=time.monotonic)
    last: float = field(default_factory=time.monotonic)

    def rest_s(self, now: float) -> float:
        """Return how many seconds the rest will take, going by those so far."""
        came = self.position - self.begin
        return (self.end - self.position) * (now - self.began) / came if came else float("inf")


def merged(spans: Iterable[Span]) -> list[Span]:
    """Return spans in order, without gaps of nothing between them."""
    found: list[Span] = []
    for begin, end in sorted(spans):
        if begin >= end:
            continue
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return found


def gaps_of(spans: Iterable[Span], end: int) -> list[Span]:
    """Return what lies between spans and before the end."""
    gaps, at = [], 0
    for begin, after in merged(spans):
        gaps.append((at, begin))
        at = after
    return [gap for gap in [*gaps, (at, end)] if gap[0] < gap[1]]


class Segments:
    """The state of a file's bytes, shared by the connections and the one that hashes."""

    def __init__(self, total: int | None, done: Iterable[Span], pace: Pace) -> None:
        self.end = OPEN_END if total is None else total
        self.pace = pace
        self._changed = threading.Condition()
        self._all = {begin: Segment(begin, end, end) for begin, end in merged(done)}
        self._gaps = gaps_of(done, self.end)
        self._edge = 0
        self._closed = False

    def take(self, connections: int, size: int | None = None) -> Segment | None:
        """Give out the first bytes that nobody fetches, else half of what somebody slow has left, else None."""
        with self._changed:
            if not self._gaps:
                return self._split() if connections > 1 else None
            begin, end = self._gaps.pop(0)
            after = min(end, begin + (size or self._size(connections, end - begin)))
            if after < end:
                self._gaps.insert(0, (after, end))
            return self._add(begin, after)

    def _size(self, connections: int, gap: int) -> int:
        """Ever smaller towards the end, so that all connections come to it together."""
        if connections == 1:
            return gap
        left = gap + sum(end - begin for begin, end in self._gaps)
        size = min(max(left // (2 * connections), self.pace.least), self.pace.most)
        return gap if gap - size < self.pace.least else size

    def _split(self) -> Segment | None:
        """Hand over the rest of somebody silent, else half of somebody slow: what is on its way to them is lost."""
        now, slow_s = time.monotonic(), self.pace.slow_s
        unfinished = [one for one in self._all.values() if one.position < one.end]
        silent = [one for one in unfinished if now - one.last >= 2 * slow_s]
        large = [one for one in unfinished if one.end - one.position >= 2 * self.pace.least]
        slow = [one for one in large if min(now - one.began, one.rest_s(now)) >= slow_s]
        if not silent and not slow:
            return None
        slowest = silent[0] if silent else max(slow, key=lambda one: one.rest_s(now))
        left = 0 if silent else (slowest.end - slowest.position) // 2
        end, slowest.end = slowest.end, slowest.position + left
        if slowest.begin == slowest.end:
            del self._all[slowest.begin]
        return self._add(slowest.end, end)

    def _add(self, begin: int, end: int) -> Segment:
        self._all[begin] = Segment(begin, end, begin)
        return self._all[begin]

    def give_back(self, segment: Segment) -> None:
        """Let another connection have what this one did not fetch."""
        with self._changed:
            if segment.position < segment.end:
                self._gaps = sorted([*self._gaps, (segment.position, segment.end)])
                segment.end = segment.position
            # Whoever took it over before it had a byte begins at the same one.
            if segment.begin == segment.end and self._all.get(segment.begin) is segment:
                del self._all[segment.begin]

    def give_all_back(self) -> None:
        """Let others have everything that was not fetched."""
        with self._changed:
            unfinished = [segment for segment in self._all.values() if segment.position < segment.end]
        for segment in unfinished:
            self.give_back(segment)

    def advance(self, segment: Segment, count: int) -> None:
        """Note that bytes are in the file."""
        with self._changed:
            # Its end may have been given away during the write; those bytes, the same, are counted with the other.
            segment.position = min(segment.position + count, segment.end)
            segment.last = time.monotonic()
            self._changed.notify_all()

    def finish(self, total: int) -> None:
        """Note the size of a file that did not announce it; all of it has come."""
        with self._changed:
            self.end, self._gaps = total, []
            for segment in self._all.values():
                segment.end = min(segment.end, total)
            self._changed.notify_all()

    def close(self) -> None:
        """Let nobody wait any longer."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def wait_beyond(self, at: int, lump: int) -> int:
        """Wait until a lump of bytes follows without a gap, or the last ones; return up to where, `at` when closed."""
        with self._changed:
            while True:
                edge = self._contiguous()
                if self._closed:
                    return at
                if edge - at >= lump or edge >= self.end:
                    return edge
                self._changed.wait()

    def contiguous(self) -> int:
        """Return how many bytes from the beginning on are there without a gap."""
        with self._changed:
            return self._contiguous()

    def _contiguous(self) -> int:
        while (segment := self._all.get(self._edge)) is not None and segment.position == segment.end > self._edge:
            self._edge = segment.end
        return self._edge if segment is None else segment.position

    def spans(self) -> list[Span]:
        """Return what is in the file."""
        with self._changed:
            return merged((segment.begin, segment.position) for segment in self._all.values())

    def count(self) -> int:
        """Return how many bytes are in the file."""
        with self._changed:
            return sum(segment.position - segment.begin for segment in self._all.values())
