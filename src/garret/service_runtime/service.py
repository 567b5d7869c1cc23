"""The service behind every dialect: its parts put together, its start and its end, and what dialects ask of it."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from garret.service_runtime.autostop import Autostop
from garret.service_runtime.autostop_settings import AutostopFile, AutostopSettings
from garret.service_runtime.background import Background
from garret.service_runtime.errors import InsufficientStorage, ServiceError, Unavailable
from garret.service_runtime.executions import ExecutionStore
from garret.service_runtime.extensions.trial import Trial
from garret.service_runtime.extensions.words import change_words
from garret.service_runtime.handed import drop_old
from garret.service_runtime.hearing import Hearing
from garret.service_runtime.idle import Idle
from garret.service_runtime.inputs import InputStore
from garret.service_runtime.jobs import Job, JobStore
from garret.service_runtime.life import Beacon
from garret.service_runtime.live import Live, LiveJobs
from garret.service_runtime.metadata import Metadata
from garret.service_runtime.models import HashCache, Models
from garret.service_runtime.operations.bin import Bin
from garret.service_runtime.pictures.finish import Finisher
from garret.service_runtime.prepare import prepare
from garret.service_runtime.renewal import Renewal
from garret.service_runtime.request import ImageRequest
from garret.service_runtime.results import Results, storage_error
from garret.service_runtime.scheduler import Scheduler
from garret.service_runtime.self_stop import SelfStop
from garret.service_runtime.settings import ServiceSettings
from garret.service_runtime.signs import Signs
from garret.service_runtime.vocabulary import Vocabulary
from garret.service_runtime.watchdog import tell_watchdog
from garret.service_runtime.workers import WorkerPool

# Less free disk than this and a new job is refused rather than begun.
MINIMUM_FREE_BYTES = 64 << 20
# A job that was running at so many ends of the service is not begun again: it may be what ends it.
MAXIMUM_STARTS = 3
STARTING_S = 1800.0
"""For so long a start that has not come to its end counts as use: gigabytes are being read."""
_SWEEP_EVERY_S = 3600.0
_KEPT_WHEN_FULL_S = 600.0


class Service:
    """One object that all dialects share; its methods run in the event loop."""

    def __init__(
        self,
        settings: ServiceSettings,
        *,
        free_bytes: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free,
        end: Callable[[], None] = lambda: None,
    ) -> None:
        self.settings = settings
        self._background = Background()
        pictures = settings.state_dir / "pictures"
        pictures.mkdir(parents=True, exist_ok=True, mode=0o750)
        self._store = JobStore(settings.state_dir / "jobs.sqlite")
        self.inputs = InputStore(settings.state_dir / "inputs")
        self._hashes = HashCache(settings.state_dir / "models.sqlite")
        self.models = Models(settings.models_dir, settings.config_dir, self._hashes, settings.default_checkpoint)
        self.vocabulary = Vocabulary(settings.models_dir, settings.embeddings_dir)
        self._scheduler = Scheduler(settings.queue_limit, settings.max_batch)
        self._jobs = LiveJobs(self._store, self._scheduler, self._background)
        self.results = Results(pictures, self._store, self._jobs, self._background, Finisher(settings, self.models))
        self._free_bytes = free_bytes
        self._loop: asyncio.AbstractEventLoop | None = None
        self._began = time.monotonic()
        self.stopping = False
        self._refuses_until = 0.0
        self.trial = Trial(settings)
        self.extensions = self.trial.begin()
        self.renewal = Renewal(self, end)
        self._beacon = Beacon(settings.state_dir)
        self.idle = Idle()
        self.signs = Signs(settings.state_dir / "idle.json", self.idle)
        self.autostop_file = AutostopFile(settings.state_dir / "autostop.json", AutostopSettings(settings.autostop_s))
        machine = SelfStop(Metadata(settings.metadata_url), settings.ecs_endpoint)
        self.autostop = Autostop(self.autostop_file.read, self.idle, self._doing, machine, looked=self.signs.note)
        self._hearing = Hearing(
            live=self._jobs,
            scheduler=self._scheduler,
            results=self.results,
            background=self._background,
            trial=self.trial,
            renewal=self.renewal,
            say_ready=self._say_ready,
            ready=lambda: self.pool.ready,
        )
        self.pool = WorkerPool(settings, self._hearing, self._first_checkpoint, self.trial)

    # ---- life

    async def start(self) -> None:
        """Attach to the workers and take up again what was accepted before."""
        self._loop = asyncio.get_running_loop()
        spawn = self._background.spawn
        spawn(tell_watchdog(os.environ))
        self.pool.start()
        self.results.sweep()
        for job in await self._background.in_thread(self._store.unfinished):
            await self._take_up(job)
        self.pool.feed()
        spawn(self._keep_tidy())
        spawn(self.renewal.watch())
        self.signs.take_up()
        self.autostop.since = self.signs.since
        spawn(self.autostop.watch())

    async def stop(self) -> None:
        """End the workers; jobs without a caller stay accepted, for the next start."""
        self.say_stopping()
        if not self.renewal.asked:
            self.trial.call_off()
        await self.pool.stop()
        await self._background.end_tasks()
        self.signs.note(ended=True)
        self._background.end_threads()
        self._store.close()
        self._hashes.close()

    def stop_soon(self) -> None:
        """Begin to stop, from a signal handler."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.say_stopping)

    def say_stopping(self) -> None:
        """Tell every waiting caller that there will be no picture from this process."""
        self.stopping = True
        for live in [live for live in self._jobs.all if live.attached]:
            self._jobs.fail(live, Unavailable("the service is stopping", "Send the request again", retry_after=5))

    # ---- what dialects call

    async def submit(self, request: ImageRequest, owner: str) -> Live:
        """Accept a request as a job, or say why not."""
        self._check_open()
        request = await change_words(self.extensions, request)
        prepared = prepare(request, self.models, self.inputs, self.vocabulary)
        job_id = secrets.token_hex(16)
        self._scheduler.reserve(job_id)
        try:
            await self._background.in_thread(self._store.add, job_id, owner, request)
        except Exception as error:
            self._scheduler.close(job_id)
            raise storage_error(error) from error
        live = self._jobs.enter(job_id, owner, prepared)
        self.pool.feed()
        return live

    def cancel(self, job_id: str, reason: str) -> bool:
        """End a job that nobody wants: not begun, it never is; running, it stops at the next step."""
        live = self._jobs.get(job_id)
        if live is None:
            return False
        self._jobs.cancel(live, reason)
        for assignment in self.pool.running:
            if not any(self._scheduler.is_open(task.job_id) for task in assignment.tasks):
                self.pool.cancel(assignment.number)
        return True

    async def job(self, job_id: str) -> Job | None:
        """Return a job's record."""
        return await self._background.in_thread(self._store.get, job_id)

    async def recent_jobs(self, owner: str, limit: int = 100) -> list[Job]:
        """Return the records of an owner's newest jobs."""
        return await self._background.in_thread(self._store.recent, owner, limit)

    def refuse_jobs_for(self, seconds: float, *, then_stop: bool = False) -> int:
        """Take no new jobs for so long: somebody is about to stop the node. 0 takes them again. Those still open.

        `then_stop`: when that time is over, the node has itself stopped as soon as it is done.
        """
        self._refuses_until = time.monotonic() + seconds
        self.autostop.order(seconds if then_stop else 0.0)
        return self._scheduler.open

    @property
    def live(self) -> list[Live]:
        """Return the jobs that are not over, oldest first."""
        return self._jobs.all

    async def running_operations(self) -> list[str]:
        """Return the verbs of the executions that run on this node."""
        return await self._background.in_thread(self._running_operations)

    # ---- inside

    def _check_open(self) -> None:
        if self.stopping:
            raise Unavailable("the service is stopping", "Send the request again", retry_after=5)
        if time.monotonic() < self._refuses_until or self.autostop.ordered is not None:
            hint = "Send the request again when the node runs again"
            raise Unavailable("this node is about to be stopped, and takes no new jobs", hint, retry_after=60)
        self.renewal.check()
        if self._hearing.down and self.pool.ready == 0:
            raise Unavailable(f"no worker comes up: {self._hearing.down}", "See the service's log", retry_after=30)
        free = self._free_bytes(self.results.folder)
        if free < MINIMUM_FREE_BYTES:
            # The next caller may be luckier: pictures that their callers have had long since make room.
            self._background.spawn(self.results.forget(_KEPT_WHEN_FULL_S))
            raise InsufficientStorage(f"the disk has {free >> 20} MiB left", "Delete models or pictures")

    async def _take_up(self, job: Job) -> None:
        try:
            if job.starts >= MAXIMUM_STARTS:
                raise Unavailable(f"the service ended {job.starts} times while it ran")
            prepared = prepare(job.request, self.models, self.inputs, self.vocabulary)
        except ServiceError as error:
            await self._background.in_thread(self._store.fail, job.id, type(error).__name__, error.message)
            return
        self._scheduler.reserve(job.id, over_limit=True)
        self._jobs.enter(job.id, job.owner, prepared).attached = False

    async def _say_ready(self) -> None:
        """Tell the node that pictures can be made, and what is on trial that it has passed."""
        if await self._background.in_thread(self.trial.ready):
            await self._background.in_thread(self._beacon.tell, True)
        else:
            self.renewal.ask()

    async def _doing(self) -> str:
        """Say what keeps this node busy, if anything does."""
        if self._jobs:
            return "a job"
        if not self.pool.was_ready and time.monotonic() - self._began < STARTING_S:
            return "the start"
        return next(iter(await self.running_operations()), "")

    def _running_operations(self) -> list[str]:
        folder = self.settings.state_dir / "executions"
        return ExecutionStore(folder).running() if folder.is_dir() else []

    def _first_checkpoint(self) -> str:
        try:
            return str(self.models.usable_checkpoint().path)
        except ServiceError:
            return ""

    async def _keep_tidy(self) -> None:
        in_thread = self._background.in_thread
        while True:
            await self.results.forget(self.settings.keep_finished_s)
            await in_thread(self.models.hash_all)
            await in_thread(Bin(self.settings.models_dir).purge)
            await in_thread(drop_old, self.settings.state_dir)
            await asyncio.sleep(_SWEEP_EVERY_S)
