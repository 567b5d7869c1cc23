"""Arrival traces: when somebody asks for pictures, for weeks; each made from its seed, which stands here."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

HOUR, DAY = 3600.0, 86_400.0
WEEKS = 2
JOB_S = 12.0
"""How long a request keeps the GPU: a few pictures."""


@dataclass(frozen=True)
class Trace:
    """Arrivals in seconds from the beginning, sorted; what kind of use, and the seed it was made from."""

    name: str
    what: str
    seed: int
    arrivals: tuple[float, ...]

    @property
    def gaps(self) -> tuple[float, ...]:
        """After each request, how long nothing is asked once it is done; the last one is for ever."""
        done, found = 0.0, []
        for asked, following in zip(self.arrivals, (*self.arrivals[1:], math.inf), strict=True):
            done = max(done, asked) + JOB_S
            found.append(max(0.0, following - done))
        return tuple(found)


def studio(random_: random.Random) -> Iterator[float]:
    """Two people, weekdays from nine to seven: sessions of tries a minute or two apart, with meetings in between."""
    for day in _weekdays():
        for _ in range(2):
            at = day + random_.gauss(9.3 * HOUR, 0.4 * HOUR)
            while at < day + 19 * HOUR:
                over = at + random_.lognormvariate(math.log(40 * 60), 0.6)
                while at < over:
                    yield at
                    at += JOB_S + random_.lognormvariate(math.log(45), 0.9)
                at += random_.lognormvariate(math.log(50 * 60), 0.7)


def evening(random_: random.Random) -> Iterator[float]:
    """One person after work, most days: one long sitting."""
    for day in (number * DAY for number in range(7 * WEEKS)):
        if random_.random() < 0.7:
            at = day + random_.gauss(20.5 * HOUR, HOUR)
            over = at + random_.lognormvariate(math.log(90 * 60), 0.5)
            while at < over:
                yield at
                at += JOB_S + random_.expovariate(1 / 60)


def shop(random_: random.Random) -> Iterator[float]:
    """A shop's pictures over the API, day and night, more by day; a request in a minute at noon, in ten at night."""
    at = 0.0
    while at < 7 * WEEKS * DAY:
        by_day = 0.5 - 0.5 * math.cos(2 * math.pi * (at % DAY) / DAY)
        at += random_.expovariate(1 / (60 + 540 * (1 - by_day)))
        yield at


def sparse(random_: random.Random) -> Iterator[float]:
    """Now and then: five times a day, one to four pictures in a row."""
    at = 0.0
    while at < 7 * WEEKS * DAY:
        at += random_.expovariate(5 / DAY)
        for _ in range(random_.randint(1, 4)):
            yield at
            at += JOB_S + random_.uniform(10, 90)


def nightly(random_: random.Random) -> Iterator[float]:
    """A batch each night, as fast as the GPU makes them, and some looks at the result in the morning."""
    for day in (number * DAY for number in range(7 * WEEKS)):
        at = day + 1.5 * HOUR + random_.uniform(0, 600)
        for _ in range(random_.randint(300, 500)):
            yield at
            at += JOB_S + random_.uniform(0, 3)
        at = day + random_.gauss(9 * HOUR, 0.3 * HOUR)
        for _ in range(random_.randint(3, 15)):
            yield at
            at += JOB_S + random_.expovariate(1 / 120)


MAKERS: dict[str, tuple[int, Callable[[random.Random], Iterator[float]]]] = {
    "studio": (20261, studio),
    "evening": (20262, evening),
    "shop": (20263, shop),
    "sparse": (20264, sparse),
    "nightly": (20265, nightly),
}


def traces() -> list[Trace]:
    """All of them."""
    return [
        Trace(name, (make.__doc__ or "").split("\n")[0], seed, tuple(sorted(make(random.Random(seed)))))
        for name, (seed, make) in MAKERS.items()
    ]


def _weekdays() -> Iterator[float]:
    return (number * DAY for number in range(7 * WEEKS) if number % 7 < 5)
