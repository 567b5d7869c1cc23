"""A bounded queue of jobs, and the batches that come out of it: pictures of one shape, the oldest first."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from garret.service_runtime.batch import Batch
from garret.service_runtime.errors import Busy
from garret.service_runtime.prepare import Prepared
from garret.service_runtime.request import ImageRequest

# A batch holds at most as many pixels as four SDXL pictures, or one request for 2048 x 2048.
MAXIMUM_BATCH_PIXELS = 4 * 1024 * 1024


@dataclass(frozen=True)
class Task:
    """One picture of a job; `alone` once it did not fit in memory together with others."""

    job_id: str
    index: int
    prepared: Prepared
    alone: bool = False
    memory: str = "auto"

    @property
    def request(self) -> ImageRequest:
        """Return the request that it is a picture of."""
        return self.prepared.request

    @property
    def shape(self) -> tuple[object, ...]:
        """Return what pictures must share to be made in one batch."""
        return (self.prepared.used, self.memory, *self.request.shape)


@dataclass(frozen=True)
class Assignment:
    """A batch with the tasks it serves, in the same order."""

    number: int
    tasks: tuple[Task, ...]

    @property
    def batch(self) -> Batch:
        """Return what the engine is told."""
        first = self.tasks[0]
        pictures = tuple(task.prepared.picture(task.index) for task in self.tasks)
        memory = first.memory if first.memory != "auto" else first.request.memory
        return Batch(first.request, first.prepared.used, pictures, memory)


class Scheduler:
    """Who is made next. Counts jobs that are not over; never waits and never sleeps."""

    def __init__(self, limit: int, max_batch: int) -> None:
        self._limit = limit
        self._max_batch = max_batch
        self._waiting: deque[Task] = deque()
        self._open: set[str] = set()
        self._number = 0

    @property
    def waiting(self) -> int:
        """Return how many pictures have not been given to a worker."""
        return len(self._waiting)

    @property
    def open(self) -> int:
        """Return how many jobs were accepted and are not over."""
        return len(self._open)

    def reserve(self, job_id: str, *, over_limit: bool = False) -> None:
        """Take a place for a job, or say that there is none; jobs from before a restart have theirs."""
        if len(self._open) >= self._limit and not over_limit:
            raise Busy(f"{len(self._open)} jobs are waiting, as many as the queue holds", "Ask again", retry_after=5)
        self._open.add(job_id)

    def add(self, tasks: Iterable[Task]) -> None:
        """Queue the pictures of a job that has its place."""
        self._waiting.extend(tasks)

    def put_back(self, tasks: Iterable[Task]) -> None:
        """Queue pictures again, first in line and in their order."""
        self._waiting.extendleft(reversed([task for task in tasks if task.job_id in self._open]))

    def take(self) -> Assignment | None:
        """Return the oldest picture with others like it, or None when nothing waits."""
        if not self._waiting:
            return None
        first = self._waiting[0]
        area = first.request.width * first.request.height
        room = 1 if first.alone else max(1, min(self._max_batch, MAXIMUM_BATCH_PIXELS // area))
        chosen: list[Task] = []
        kept: deque[Task] = deque()
        for task in self._waiting:
            fits = len(chosen) < room and task.shape == first.shape and (not task.alone or task is first)
            (chosen if fits else kept).append(task)
        self._waiting = kept
        self._number += 1
        return Assignment(self._number, tuple(chosen))

    def close(self, job_id: str) -> None:
        """Forget a job that is over, with what of it still waits."""
        self._open.discard(job_id)
        self._waiting = deque(task for task in self._waiting if task.job_id != job_id)

    def is_open(self, job_id: str) -> bool:
        """Say whether a job is accepted and not over."""
        return job_id in self._open
