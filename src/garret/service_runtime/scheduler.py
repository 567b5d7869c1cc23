"""A bounded queue of jobs, and the batches that come out of it: pictures of one shape, fair between their owners.

Each owner has used so much of the devices, in pixels times steps. Whose turn it is has used least; an owner who comes
back after a while begins where the others are, and so can neither save turns up nor be made to wait for old ones.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from garret.service_runtime.batch import Batch
from garret.service_runtime.errors import Busy
from garret.service_runtime.prepare import Prepared
from garret.service_runtime.request import ImageRequest

# A batch holds at most as many pixels as four SDXL pictures, or one request for 2048 x 2048.
MAXIMUM_BATCH_PIXELS = 4 * 1024 * 1024
# So many batches may go before the picture whose turn it is, because a worker has their model and not its own.
PATIENCE = 4


@dataclass(frozen=True)
class Task:
    """One picture of a job; `alone` once it did not fit in memory together with others, `memory` as a batch's."""

    job_id: str
    index: int
    prepared: Prepared
    owner: str = ""
    alone: bool = False
    memory: str = "auto"

    @property
    def request(self) -> ImageRequest:
        """Return the request that it is a picture of."""
        return self.prepared.request

    @property
    def model(self) -> str:
        """Return the path of the checkpoint that a worker needs for it."""
        return self.prepared.used.checkpoint

    @cached_property
    def shape(self) -> tuple[object, ...]:
        """Return what pictures must share to be made in one batch."""
        return (self.prepared.used, self.memory, *self.request.shape)

    @property
    def pixels(self) -> int:
        """Return the size of the largest picture that a model sees on its way, in pixels."""
        width, height = self.request.painted_size
        return max(self.request.width * self.request.height, width * height)

    @property
    def work(self) -> float:
        """Return what it takes of a device, in megapixels times steps."""
        return self.pixels * self.request.steps / 1e6


@dataclass(frozen=True)
class Assignment:
    """A batch with the tasks it serves, in the same order."""

    number: int
    tasks: tuple[Task, ...]

    @property
    def alone(self) -> bool:
        """Say whether it is one picture that is tried again, by itself."""
        return self.tasks[0].alone

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
        self._queues: dict[str, deque[Task]] = {}
        self._spent: dict[str, float] = {}
        self._open: dict[str, str] = {}
        self._number = 0
        self._passed_over = 0

    @property
    def waiting(self) -> int:
        """Return how many pictures have not been given to a worker."""
        return sum(map(len, self._queues.values()))

    @property
    def open(self) -> int:
        """Return how many jobs were accepted and are not over."""
        return len(self._open)

    def check_room(self, owner: str = "", entering: Collection[str] = ()) -> None:
        """Say so when there is no place for a job; who has none open has one also beside those who filled the queue.

        `entering` are the owners of requests that are no jobs yet, and have been let in before this one.
        """
        count = len(self._open) + len(entering)
        if count >= self._limit and (not owner or owner in self._open.values() or owner in entering):
            raise Busy(f"{count} jobs are waiting, as many as the queue holds", "Ask again", retry_after=5)

    def reserve(self, job_id: str, owner: str = "", *, over_limit: bool = False) -> None:
        """Take a place for a job, or say that there is none; jobs from before a restart have theirs."""
        if not over_limit:
            self.check_room(owner)
        self._open[job_id] = owner

    def add(self, tasks: Iterable[Task]) -> None:
        """Queue the pictures of a job that has its place."""
        for task in tasks:
            self._queue(task.owner).append(task)

    def put_back(self, tasks: Iterable[Task]) -> None:
        """Queue pictures again, before their owners' others and in their order."""
        for task in reversed([task for task in tasks if task.job_id in self._open]):
            self._queue(task.owner).appendleft(task)
            self._spent[task.owner] -= task.work

    def take(self, held: Collection[str] = (), elsewhere: Collection[str] = ()) -> Assignment | None:
        """Return the next batch for a worker that holds these models, or None when nothing waits for it.

        What needs a model that is only held elsewhere, by a worker with nothing to do, is left to that one.
        """
        first = self._choose(held, set(elsewhere).difference(held))
        if first is None:
            return None
        room = 1 if first.alone else max(1, min(self._max_batch, MAXIMUM_BATCH_PIXELS // first.pixels))
        chosen = [first]
        if room > 1:
            shape = first.shape
            others = (task for task in self._in_turn(first.owner) if task is not first and not task.alone)
            for task in others:
                if len(chosen) == room:
                    break
                if task.shape == shape:
                    chosen.append(task)
        for task in chosen:
            self._queues[task.owner].remove(task)
            self._spent[task.owner] += task.work
        self._forget_idle()
        self._number += 1
        return Assignment(self._number, tuple(chosen))

    def close(self, job_id: str) -> None:
        """Forget a job that is over, with what of it still waits."""
        self._open.pop(job_id, None)
        for owner, queue in self._queues.items():
            if any(task.job_id == job_id for task in queue):
                self._queues[owner] = deque(task for task in queue if task.job_id != job_id)
        self._forget_idle()

    def is_open(self, job_id: str) -> bool:
        """Say whether a job is accepted and not over."""
        return job_id in self._open

    def positions(self) -> dict[str, int]:
        """Return the places in line of the jobs that wait, 1 for the next one; as if all came by their turns."""
        spent = dict(self._spent)
        rest = {owner: deque(queue) for owner, queue in self._queues.items() if queue}
        found: dict[str, int] = {}
        while rest:
            owner = min(rest, key=lambda name: spent[name])
            task = rest[owner].popleft()
            spent[owner] += task.work
            found.setdefault(task.job_id, len(found) + 1)
            if not rest[owner]:
                del rest[owner]
        return found

    # ---- inside

    def _queue(self, owner: str) -> deque[Task]:
        if owner not in self._queues:
            self._queues[owner] = deque()
            # Whoever comes in, or back, begins where the one is whose turn it is.
            self._spent[owner] = min(self._spent.values(), default=0.0)
        return self._queues[owner]

    def _forget_idle(self) -> None:
        for owner in [owner for owner, queue in self._queues.items() if not queue]:
            del self._queues[owner], self._spent[owner]

    def _in_turn(self, first_owner: str = "") -> Iterator[Task]:
        """Yield what waits: one owner's, then the others' by their turns, each one's oldest first."""
        owners = sorted(self._queues, key=lambda owner: (owner != first_owner, self._spent[owner]))
        for owner in owners:
            yield from self._queues[owner]

    def _choose(self, held: Collection[str], elsewhere: Collection[str]) -> Task | None:
        """Return whose turn it is; or somebody whose model the worker has, if that was not so too often already."""
        first = next((task for task in self._in_turn() if task.model not in elsewhere), None)
        if first is None:
            return None
        # What needs no checkpoint suits every worker.
        if not held or not first.model or first.model in held or self._passed_over >= PATIENCE:
            self._passed_over = 0
            return first
        suits = next((task for task in self._in_turn() if task.model in held), None)
        if suits is None:
            self._passed_over = 0
            return first
        self._passed_over += 1
        return suits
