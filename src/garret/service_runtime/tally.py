"""What a service has done since it started, counted where it happens; `metrics` tells it in Prometheus' words."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from garret.service_runtime.job_watcher import JobWatcher

if TYPE_CHECKING:
    from garret.service_runtime.live import Live
    from garret.service_runtime.scheduler import Assignment

BUCKETS_S = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0)
# Batches whose end nobody tells (cancelled ones) are forgotten when so many came after them.
_REMEMBERED = 256


@dataclass
class Histogram:
    """Durations in seconds: how many fell into each bucket, the last one without a bound, and their sum."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(BUCKETS_S, seconds)] += 1
        self.total += seconds


class Tally(JobWatcher):
    """Counts ends of jobs, and the time of jobs and pictures; `clock` is the wall's, as jobs' records have it."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._began: dict[int, float] = {}
        self.ends: Counter[str] = Counter()
        self.ends_of: Counter[str] = Counter()
        self.job_seconds = Histogram()
        self.picture_seconds = Histogram()

    def ended(self, live: Live, end: str, why: str) -> None:  # noqa: ARG002  (a watcher's shape)
        """Note that a job is over, whose it was, and how."""
        self.ends[end] += 1
        self.ends_of[live.owner] += 1
        self.job_seconds.add(max(0.0, self._clock() - live.began))

    def began(self, assignment: Assignment) -> None:
        """Note that a worker begins a batch."""
        self._began[assignment.number] = self._clock()
        if len(self._began) > _REMEMBERED:
            del self._began[next(iter(self._began))]

    def made(self, assignment: Assignment) -> None:
        """Note a picture: its share of the time since its batch began."""
        began = self._began.get(assignment.number)
        if began is not None:
            self.picture_seconds.add(max(0.0, self._clock() - began) / len(assignment.tasks))
