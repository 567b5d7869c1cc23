"""Who fetches what: from the front on, everything once, nobody waited for."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as some

from garret.service_runtime.segments import Pace, Segment, Segments, gaps_of, merged

PACE = Pace(connections=4, first=10, least=4, most=50, slow_s=60.0)


@given(some.lists(some.tuples(some.integers(0, 99), some.integers(0, 99))))
def test_spans_and_gaps_make_up_the_whole(spans: list[tuple[int, int]]) -> None:
    """Whatever overlaps or is empty."""
    together = sorted([*merged(spans), *gaps_of(spans, 99)])
    there = {byte for begin, end in spans for byte in range(begin, end)}
    assert sum(end - begin for begin, end in merged(spans)) == len(there)
    assert [byte for begin, end in together for byte in range(begin, end)] == list(range(99))


@given(
    some.integers(1, 2000), some.integers(1, 8), some.lists(some.tuples(some.integers(0, 999), some.integers(1, 99)))
)
def test_every_byte_is_given_out_once(total: int, connections: int, done: list[tuple[int, int]]) -> None:
    """But for what is there already; from the front on."""
    there = [(begin, min(begin + size, total)) for begin, size in done if begin < total]
    segments, taken = Segments(total, there, PACE), []
    while segment := segments.take(connections):
        taken.append((segment.begin, segment.end))
        segments.advance(segment, segment.end - segment.position)
    assert taken == sorted(taken)
    assert all(end - begin >= 1 for begin, end in taken)
    assert [byte for span in sorted([*merged(there), *taken]) for byte in range(*span)] == list(range(total))
    assert segments.count() == segments.contiguous() == total


def test_segments_become_smaller_towards_the_end() -> None:
    """So that all connections come to it together; one alone takes all at once."""
    segments, sizes = Segments(1000, [], PACE), []
    while segment := segments.take(4):
        sizes.append(segment.end - segment.begin)
    assert sizes[:-1] == sorted(sizes[:-1], reverse=True)
    assert sizes[0] == PACE.most
    assert PACE.least <= sizes[-1] < 2 * PACE.least
    alone = Segments(1000, [], PACE).take(1)
    assert alone is not None
    assert alone.end == 1000


def test_what_is_given_back_comes_first() -> None:
    """The hash waits for it."""
    segments = Segments(1000, [], PACE)
    first, second = segments.take(4), segments.take(4)
    assert first
    assert second
    segments.advance(first, 7)
    segments.give_back(first)
    again = segments.take(4)
    assert again is not None
    assert (again.begin, again.end) == (7, 50)
    assert segments.contiguous() == 7


def waited(segment: Segment, seconds: float) -> None:
    """Let a segment be as old as that, and as silent."""
    segment.began = segment.last = time.monotonic() - seconds


def test_the_rest_of_somebody_slow_is_halved() -> None:
    """By the speed so far; a fast one is left alone."""
    segments = Segments(40, [], PACE)
    slow = segments.take(1)
    assert slow is not None
    assert segments.take(4) is None
    segments.advance(slow, 20)
    slow.began = time.monotonic() - 61
    half = segments.take(4)
    assert half is not None
    assert (slow.end, half.begin, half.end) == (30, 30, 40)


def test_the_rest_of_somebody_silent_is_taken_over() -> None:
    """However little it is: nobody waits for a dead connection's timeout."""
    segments = Segments(40, [], PACE)
    silent = segments.take(1)
    assert silent is not None
    segments.advance(silent, 38)
    waited(silent, 121)
    rest = segments.take(4)
    assert rest is not None
    assert (silent.end, rest.begin, rest.end) == (38, 38, 40)
    segments.advance(rest, 2)
    assert segments.contiguous() == 40
    never = Segments(40, [], PACE)
    waited(never.take(1) or Segment(0, 0, 0), 121)
    rest = never.take(4)
    assert rest is not None
    assert (rest.begin, rest.end) == (0, 40)
    never.advance(rest, 40)
    assert never.contiguous() == never.count() == 40


def test_whoever_hashes_waits_for_a_lump_or_the_end() -> None:
    """And is let go when all is over."""
    segments = Segments(100, [(0, 30)], PACE)
    assert segments.wait_beyond(0, 30) == 30
    segment = segments.take(1)
    assert segment is not None
    segments.advance(segment, 70)
    assert segments.wait_beyond(30, 1000) == 100
    segments.close()
    assert segments.wait_beyond(50, 1000) == 50


def test_bytes_that_come_after_a_take_over_are_counted_once() -> None:
    """A write that the disk kept for seconds ends when the rest is another connection's already."""
    segments = Segments(40, [], PACE)
    silent = segments.take(1)
    assert silent is not None
    segments.advance(silent, 20)
    waited(silent, 121)
    rest = segments.take(4)
    assert rest is not None
    segments.advance(silent, 5)
    assert segments.contiguous() == segments.count() == 20
    segments.advance(rest, 20)
    assert segments.contiguous() == segments.count() == 40
    never = Segments(40, [], PACE)
    late = never.take(1)
    assert late is not None
    waited(late, 121)
    rest = never.take(4)
    assert rest is not None
    never.advance(late, 5)
    never.give_back(late)
    never.advance(rest, 40)
    assert never.contiguous() == never.count() == 40
