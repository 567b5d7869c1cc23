"""Requests become jobs: written down before they are accepted, taken up again after a restart, given up in time."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial

from garret.service_runtime.background import Background
from garret.service_runtime.entrance import leave_entrance
from garret.service_runtime.errors import Busy, KeyTaken, ServiceError, Unavailable
from garret.service_runtime.job_store import JobStore
from garret.service_runtime.jobs import WAITING, Job
from garret.service_runtime.live import LiveJobs
from garret.service_runtime.pace import Pace
from garret.service_runtime.prepare import Prepared
from garret.service_runtime.request import ImageRequest
from garret.service_runtime.results import Results, storage_error
from garret.service_runtime.scheduler import Scheduler
from garret.service_runtime.terms import Terms

# A job that was running at so many ends of the service is not begun again: it may be what ends it.
MAXIMUM_STARTS = 3
LOOK_EVERY_S = 1.0


class Accepting:
    """Where jobs come in; `prepare` finds what a request names, `expiry_s` is how long one may wait, 0 for ever."""

    def __init__(
        self,
        *,
        store: JobStore,
        live: LiveJobs,
        scheduler: Scheduler,
        pace: Pace,
        results: Results,
        background: Background,
        prepare: Callable[[ImageRequest], Prepared],
        expiry_s: float,
    ) -> None:
        self._store = store
        self._live = live
        self._scheduler = scheduler
        self._pace = pace
        self._results = results
        self._background = background
        self._prepare = prepare
        self._expiry_s = expiry_s
        self._entering: dict[str, asyncio.Event] = {}

    def check_room(self, owner: str, entering: Collection[str] = ()) -> None:
        """Refuse at once, before anything is decoded for a job, when the queue is full; say when there is room."""
        try:
            self._scheduler.check_room(owner, entering)
        except Busy as error:
            raise Busy(error.message, error.hint, retry_after=self._pace.until_room()) from None

    async def accept(self, request: ImageRequest, owner: str, terms: Terms) -> str:
        """Accept a request and return its job's id, or that of the one which the same key has made.

        Raises:
            Busy: the queue is full; when there is room.
            NotFound, ModelError, BadRequest: what it names is not there.
        """
        prepared = self._prepare(request)
        self.check_room(owner)
        job_id = secrets.token_hex(16)
        self._scheduler.reserve(job_id, owner)
        leave_entrance()
        entered = self._entering[job_id] = asyncio.Event()
        try:
            job = await self._background.in_thread(partial(self._write, job_id, owner, request, terms))
            if job.id == job_id:
                self._live.enter(job, prepared, {}, attached=terms.attached)
        except Exception as error:
            self._scheduler.close(job_id)
            raise storage_error(error) from error
        finally:
            del self._entering[job_id]
            entered.set()
        if job.id != job_id:
            self._scheduler.close(job_id)
            return await self._same(job, terms)
        return job_id

    async def repeated(self, owner: str, terms: Terms) -> str:
        """Return the id of the job that this very request has made before, or "".

        Raises:
            KeyTaken: its key has made another one.
        """
        job = await self._background.in_thread(self._store.keyed, owner, terms.key) if terms.key else None
        return await self._same(job, terms) if job is not None else ""

    async def take_up(self) -> None:
        """Queue the jobs that were accepted before this process was, in their order; say of a job why it cannot be."""
        for job in await self._background.in_thread(self._store.unfinished):
            try:
                if job.starts >= MAXIMUM_STARTS:
                    raise Unavailable(f"the service ended {job.starts} times while it ran")
                prepared = self._prepare(job.request)
            except ServiceError as error:
                await self._background.in_thread(self._store.fail, job.id, type(error).__name__, error.message)
                continue
            pictures = await self._background.in_thread(self._results.read, job)
            self._scheduler.reserve(job.id, job.owner, over_limit=True)
            # One that was begun before is not given up for having waited.
            waits = replace(job, expires_at=None) if job.starts else job
            live = self._live.enter(waits, prepared, pictures, attached=False)
            if len(live.kept) == job.request.count:
                await self._results.finish(live)

    async def expire(self) -> None:
        """Give up the jobs that have waited for as long as it was worth it; until cancelled."""
        while True:
            now = time.time()
            for live in self._live.all:
                if not live.started and live.expires_at is not None and live.expires_at < now:
                    seconds = live.expires_at - live.began
                    self._live.expire(live, f"no worker had begun it after {seconds:.0f} s, when it was to be given up")
            await asyncio.sleep(LOOK_EVERY_S)

    def _write(self, job_id: str, owner: str, request: ImageRequest, terms: Terms) -> Job:
        """Write an accepted job down and return it, or the one that its key has made."""
        seconds = self._expiry_s if terms.expires_in_s is None else terms.expires_in_s
        now = time.time()
        job = Job(
            job_id,
            owner,
            WAITING,
            request,
            created_at=now,
            expires_at=now + seconds if seconds else None,
            webhook=terms.webhook,
            digest=terms.digest,
            webhook_kind=terms.webhook_kind,
            webhook_events=terms.webhook_events,
            note=terms.note,
        )
        return self._store.add(job, terms.key) or job

    async def _same(self, job: Job, terms: Terms) -> str:
        if job.digest != terms.digest:
            raise KeyTaken(f"the Idempotency-Key {terms.key[:40]!r} has made another request", "Give a new one")
        if (entered := self._entering.get(job.id)) is not None:
            # Its record is there, and who wrote it has not come to queue it yet.
            await entered.wait()
        return job.id
