"""What is written of jobs, as their owners ask for it: records, who was told of an end, and pictures once more."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from garret.service_runtime.background import Background
from garret.service_runtime.deliveries import Delivery
from garret.service_runtime.errors import NotFound, from_record
from garret.service_runtime.gallery import Shown
from garret.service_runtime.job_store import JobStore
from garret.service_runtime.jobs import SUCCESS, Job
from garret.service_runtime.live import LiveJobs
from garret.service_runtime.request import ImageResult
from garret.service_runtime.results import Results

_NOT_KEPT, _ANOTHER_KEY = "its pictures are not kept any more", "Send the request with another Idempotency-Key"


class Records:
    """Reads; `all_are_told` says that somebody is told of every job's end, not only of those with a webhook."""

    def __init__(
        self, store: JobStore, live: LiveJobs, results: Results, background: Background, *, all_are_told: bool
    ) -> None:
        self._store = store
        self._live = live
        self._results = results
        self._background = background
        self._all_are_told = all_are_told

    async def get(self, job_id: str) -> Job | None:
        """Return a job's record."""
        return await self._background.in_thread(self._store.get, job_id)

    async def keyed(self, owner: str, key: str) -> Job | None:
        """Return the record of the job that an owner's Idempotency-Key has made."""
        return await self._background.in_thread(self._store.keyed, owner, key)

    async def recent(self, owner: str, limit: int = 100, state: str = "", before: str = "") -> list[Job]:
        """Return the records of an owner's newest jobs, of one state, and older than the job `before`."""
        return await self._background.in_thread(self._store.recent, owner, limit, state, before)

    async def pictures(
        self, owner: str, limit: int, before: tuple[str, int] | None = None, words: Collection[str] = ()
    ) -> list[Shown]:
        """Return an owner's newest pictures, older than `before` (job, number), with all `words` in their texts."""
        return await self._background.in_thread(self._store.gallery.newest, owner, limit, before, words)

    async def picture(self, owner: str, job_id: str, number: int) -> Shown | None:
        """Return one of an owner's finished pictures."""
        return await self._background.in_thread(self._store.gallery.get, owner, job_id, number)

    async def deliveries_of(self, job: Job) -> list[Delivery]:
        """Return who is to be told of a job's end, and whether they were; nobody before it is over."""
        if job.is_open or not (job.webhook or self._all_are_told):
            return []
        return await self._background.in_thread(self._store.deliveries.of, job.id)

    async def result(self, job_id: str) -> ImageResult:
        """Wait until a job is over and return its pictures, or raise what it ended with."""
        live = self._live.find(job_id)
        if live is not None:
            return await asyncio.shield(live.future)
        job = await self.get(job_id)
        if job is None or (job.state == SUCCESS and job.removed):
            raise NotFound(_NOT_KEPT, _ANOTHER_KEY)
        if job.state != SUCCESS:
            failure = job.error or {"error": "Unavailable", "message": "the job is not over"}
            raise from_record(failure["error"], failure["message"])
        files = await self._background.in_thread(self._results.read, job)
        if len(files) < job.request.count:
            # Who asks again counts on all of them, and takes the first for the first.
            raise NotFound(_NOT_KEPT, _ANOTHER_KEY)
        texts = tuple(job.pictures[number].infotext for number in files)
        made = job.made
        return ImageResult(
            job.id, job.request, tuple(files.values()), texts, made.model, made.model_sha256, made.seconds, made.notes
        )
