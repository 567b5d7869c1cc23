"""The jobs that are not over, as the service holds them in memory beside their records on the disk."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from garret.service_runtime.background import Background
from garret.service_runtime.errors import Cancelled, ServiceError, TimedOut
from garret.service_runtime.job_store import JobStore
from garret.service_runtime.job_watcher import JobWatcher
from garret.service_runtime.jobs import Job, Kept
from garret.service_runtime.messages import Previewed
from garret.service_runtime.models import Model
from garret.service_runtime.pace import Pace
from garret.service_runtime.prepare import Prepared
from garret.service_runtime.request import ImageRequest, ImageResult
from garret.service_runtime.scheduler import Assignment, Scheduler, Task

logger = logging.getLogger(__name__)


@dataclass
class Live:
    """One job that is not over; `attached` when it ends with the connection that asked for it.

    `pictures` are the files that are on the disk, by their numbers, and `kept` what their records say; `expires_at` is
    when it is given up if no worker has begun it, in seconds since 1970. `made` are those that a worker has brought, on
    the disk or on their way there; `beside` are those that `step` is of, made side by side.
    """

    job_id: str
    owner: str
    prepared: Prepared
    future: asyncio.Future[ImageResult]
    began: float
    pictures: dict[int, bytes] = field(default_factory=dict)
    started: bool = False
    started_at: float = 0.0
    deaths: int = 0
    step: int = 0
    steps: int = 0
    beside: frozenset[int] = frozenset()
    stage: str = ""
    previews: dict[int, Previewed] = field(default_factory=dict)
    attached: bool = True
    notes: dict[str, str] = field(default_factory=dict)
    kept: dict[int, Kept] = field(default_factory=dict)
    expires_at: float | None = None
    made: set[int] = field(default_factory=set)

    @property
    def request(self) -> ImageRequest:
        """Return what was asked for."""
        return self.prepared.request

    @property
    def model(self) -> Model:
        """Return the checkpoint."""
        return self.prepared.model


class LiveJobs:
    """All of them, by their ids; each end is written to the store once, and `told` is called after that."""

    def __init__(
        self,
        store: JobStore,
        scheduler: Scheduler,
        background: Background,
        pace: Pace,
        told: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._scheduler = scheduler
        self._background = background
        self._pace = pace
        self._told = told
        self._live: dict[str, Live] = {}
        self._ending: dict[str, Live] = {}
        self.watchers: list[JobWatcher] = []

    def __bool__(self) -> bool:
        """Say whether any job is not over."""
        return bool(self._live)

    @property
    def all(self) -> list[Live]:
        """Return the jobs, oldest first."""
        return sorted(self._live.values(), key=lambda live: live.began)

    def get(self, job_id: str) -> Live | None:
        """Return a job that is not over."""
        return self._live.get(job_id)

    def find(self, job_id: str) -> Live | None:
        """Return a job that is not over, or whose end is just being written down."""
        return self._live.get(job_id) or self._ending.get(job_id)

    def of(self, assignment: Assignment) -> list[Live]:
        """Return the jobs that a batch makes pictures of, without those that are over."""
        ids = dict.fromkeys(task.job_id for task in assignment.tasks)
        return [self._live[job_id] for job_id in ids if job_id in self._live]

    def enter(self, job: Job, prepared: Prepared, pictures: Mapping[int, bytes], *, attached: bool) -> Live:
        """Hold an accepted job, and queue those of its pictures that are not there."""
        future: asyncio.Future[ImageResult] = asyncio.get_running_loop().create_future()
        # A job taken up after a restart has nobody who would ask what became of it.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        future.add_done_callback(lambda _: self._told())
        live = Live(job.id, job.owner, prepared, future, job.created_at, notes=dict(prepared.words.notes))
        live.attached, live.expires_at = attached, job.expires_at
        live.pictures, live.kept = dict(pictures), {number: job.pictures[number] for number in pictures}
        live.made = set(pictures)
        self._live[job.id] = live
        self._pace.began()
        missing = [number for number in range(prepared.request.count) if number not in pictures]
        self._scheduler.add(Task(job.id, number, prepared, job.owner) for number in missing)
        self._tell_watchers(lambda watcher: watcher.accepted(live))
        return live

    def begin(self, live: Live) -> None:
        """Note that a worker has begun a job, and for which time in the life of the job."""
        if not live.started:
            live.started, live.started_at = True, time.time()
            self._tell_watchers(lambda watcher: watcher.begun(live))
            self._background.spawn(self._background.in_thread(self._store.start, live.job_id))

    def again_alone(self, assignment: Assignment, memory: str = "") -> None:
        """Queue the pictures that a batch did not bring, each for itself; `memory` "low" for those that did not fit."""
        missing = [
            replace(task, alone=True, memory=memory or task.memory)
            for task in assignment.tasks
            if task.job_id in self._live and task.index not in self._live[task.job_id].made
        ]
        self._scheduler.put_back(missing)

    def fail(self, live: Live, error: ServiceError) -> None:
        """End a job that will have no more pictures."""
        self._end(live, "failed", error, partial(self._store.fail, live.job_id, type(error).__name__, error.message))

    def cancel(self, live: Live, reason: str) -> None:
        """End a job that nobody wants."""
        self._end(live, "cancelled", Cancelled(reason), partial(self._store.cancel, live.job_id, reason))

    def expire(self, live: Live, reason: str) -> None:
        """End a job that has waited for as long as it was worth it."""
        self._end(live, "expired", TimedOut(reason), partial(self._store.expire, live.job_id, reason))

    def close(self, live: Live, end: str = "success", why: str = "") -> bool:
        """Forget a job; False when it was over before."""
        known = self._live.pop(live.job_id, None) is not None
        self._scheduler.close(live.job_id)
        if known:
            self._pace.ended(len(self._live))
            self._tell_watchers(lambda watcher: watcher.ended(live, end, why))
        return known

    def _tell_watchers(self, tell: Callable[[JobWatcher], None]) -> None:
        """Whoever watches must not keep a job from its course."""
        for watcher in self.watchers:
            try:
                tell(watcher)
            except Exception:
                logger.exception("%s failed", type(watcher).__name__)

    def _end(self, live: Live, end: str, error: ServiceError, write: Callable[[], bool]) -> None:
        if self.close(live, end, error.message):
            self._ending[live.job_id] = live
            self._background.spawn(self._tell(live, error, write))

    async def _tell(self, live: Live, error: ServiceError, write: Callable[[], bool]) -> None:
        """Tell who waits when it is written down, so that what they are told is also what they find."""
        try:
            await self._background.in_thread(write)
        finally:
            self._ending.pop(live.job_id, None)
            if not live.future.done():
                live.future.set_exception(error)
