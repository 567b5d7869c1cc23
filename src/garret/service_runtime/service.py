"""The service behind every dialect: its parts put together, its start and its end, and what dialects ask of it."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from garret.service_runtime.accepting import Accepting
from garret.service_runtime.autostop import Autostop
from garret.service_runtime.autostop_settings import AutostopFile, AutostopSettings
from garret.service_runtime.background import Background
from garret.service_runtime.bounds import check_bounds
from garret.service_runtime.carriers import oss_of, webhooks_of
from garret.service_runtime.courier import Courier
from garret.service_runtime.default_file import DefaultFile
from garret.service_runtime.deliveries import OSS, STARTED, WEBHOOK
from garret.service_runtime.entrance import Entrance
from garret.service_runtime.errors import (
    InsufficientStorage,
    ServiceError,
    Unavailable,
)
from garret.service_runtime.executions import ExecutionStore
from garret.service_runtime.extensions.safety import check_filter
from garret.service_runtime.extensions.trial import Trial
from garret.service_runtime.extensions.words import change_words
from garret.service_runtime.handed import drop_old
from garret.service_runtime.hearing import Hearing
from garret.service_runtime.hold import Hold
from garret.service_runtime.idle import Idle
from garret.service_runtime.inputs import SPARED_S, InputStore
from garret.service_runtime.job_store import JobStore
from garret.service_runtime.job_watcher import JobWatcher
from garret.service_runtime.jobs import CANCELLED, Job
from garret.service_runtime.life import Beacon
from garret.service_runtime.links import Links
from garret.service_runtime.live import Live, LiveJobs
from garret.service_runtime.logins import Logins
from garret.service_runtime.logs import JobLog
from garret.service_runtime.metadata import Metadata
from garret.service_runtime.models import HashCache, Model, Models
from garret.service_runtime.operations.bin import Bin
from garret.service_runtime.own_operations import OwnOperations
from garret.service_runtime.pace import Pace
from garret.service_runtime.pictures.finish import Finisher
from garret.service_runtime.prepare import prepare
from garret.service_runtime.readiness import Readiness, State
from garret.service_runtime.records import Records
from garret.service_runtime.renewal import Renewal
from garret.service_runtime.request import ImageRequest
from garret.service_runtime.results import Results
from garret.service_runtime.scheduler import Scheduler
from garret.service_runtime.self_stop import SelfStop
from garret.service_runtime.sessions import Sessions
from garret.service_runtime.settings import ServiceSettings
from garret.service_runtime.signs import Signs
from garret.service_runtime.tally import Tally
from garret.service_runtime.terms import Terms
from garret.service_runtime.thumbnails import Thumbnails
from garret.service_runtime.vocabulary import Vocabulary
from garret.service_runtime.watchdog import tell_watchdog
from garret.service_runtime.workers import WorkerPool

# Less free disk than this and a new job is refused rather than begun.
MINIMUM_FREE_BYTES = 64 << 20
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
        watchers: Iterable[JobWatcher] = (),
    ) -> None:
        self.settings = settings
        # Pictures are encoded in them; with many GPUs more come at a time, and records must not wait behind them.
        self._background = Background(threads=max(2, min(16, os.cpu_count() or 2)))
        self._store = JobStore(settings.state_dir / "jobs.sqlite", settings.results_oss)
        self.inputs = InputStore(settings.state_dir / "inputs", settings.picture_pixels)
        self._hashes = HashCache(settings.state_dir / "models.sqlite")
        folders = (settings.models_dir, settings.config_dir)
        self._default = DefaultFile(settings.state_dir / "default.json")
        default = self._default.read() or settings.default_checkpoint
        self.operations = OwnOperations(settings)
        self.models = Models(*folders, self._hashes, default, settings.embeddings_dir)
        self._hashing = False
        self.vocabulary = Vocabulary(settings.models_dir, settings.embeddings_dir)
        self._scheduler = Scheduler(settings.queue_limit, settings.max_batch)
        self._pace = Pace()
        self.webhooks = webhooks_of(settings)
        self.links = Links(settings.state_dir / "links.secret", settings.link_s)
        self.sessions = Sessions(settings.state_dir / "sessions.json", settings.session_idle_s, settings.session_s)
        self._courier = Courier(self._store, {WEBHOOK: self.webhooks})
        told = self._courier.wake
        self._jobs = LiveJobs(self._store, self._scheduler, self._background, self._pace, told)
        self.tally = Tally()
        self._jobs.watchers += [self.tally, JobLog(), *watchers]
        self.results = Results(
            Path(settings.results_dir or settings.state_dir / "results"),
            self._store,
            self._jobs,
            self._background,
            Finisher(settings, self.models),
            earlier=settings.state_dir / "pictures",
            keep_bytes=settings.keep_bytes,
            thumbnails=Thumbnails(settings.state_dir / "thumbnails"),
        )
        for_all = bool(settings.results_oss)
        self.records = Records(self._store, self._jobs, self.results, self._background, all_are_told=for_all)
        self._courier.carriers[OSS] = oss_of(settings, self.results.path)
        self._accepting = Accepting(
            store=self._store,
            live=self._jobs,
            scheduler=self._scheduler,
            pace=self._pace,
            results=self.results,
            background=self._background,
            prepare=lambda request: prepare(request, self.models, self.inputs, self.vocabulary),
            expiry_s=settings.queue_expiry_s,
        )
        self.entrance = Entrance(self._accepting.check_room)
        self._free_bytes = free_bytes
        self._loop: asyncio.AbstractEventLoop | None = None
        self._began = time.monotonic()
        self.stopping = False
        self.closing = asyncio.Event()
        self._refuses_until = 0.0
        self.trial = Trial(settings)
        self.extensions = self.trial.begin()
        self.renewal = Renewal(self, end)
        self._beacon = Beacon(settings.state_dir)
        self._readiness = Readiness(settings.state_dir / "starts.json")
        self.idle = Idle()
        self.signs = Signs(settings.state_dir / "idle.json", self.idle)
        self.autostop_file = AutostopFile(settings.state_dir / "autostop.json", AutostopSettings(settings.autostop_s))
        machine = SelfStop(Metadata(settings.metadata_url), settings.ecs_endpoint)
        self.hold = Hold(settings.state_dir / "hold.json")
        self.autostop = Autostop(
            self.autostop_file.read, self.idle, self._doing, machine, looked=self.signs.note, hold=self.hold
        )
        self._hearing = Hearing(
            live=self._jobs,
            scheduler=self._scheduler,
            results=self.results,
            tally=self.tally,
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
        opening = Logins(self.settings).current()
        await self._background.in_thread(self._store.adopt, opening.owner, opening.aliases)
        await self._background.in_thread(self.results.sweep)
        await self._accepting.take_up()
        self.pool.feed()
        spawn(self._keep_tidy())
        spawn(self._accepting.expire())
        spawn(self._courier.run())
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
        await asyncio.to_thread(self.sessions.write)
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
        self.closing.set()
        for live in [live for live in self._jobs.all if live.attached]:
            self._jobs.fail(live, Unavailable("the service is stopping", "Send the request again", retry_after=5))

    # ---- what dialects call

    async def submit(self, request: ImageRequest, owner: str, terms: Terms = Terms()) -> str:  # noqa: B008  (frozen)
        """Accept a request as a job, or say why not; the job's id, or that of the one which the same key has made."""
        self._check_open()
        self.check_room(owner)
        check_bounds(request, self.settings)
        request = await change_words(self.extensions, request) if request.paints else request
        job_id = await self._accepting.accept(request, owner, terms)
        if STARTED in terms.webhook_events:
            self._courier.wake()
        self.pool.feed()
        return job_id

    def check_room(self, owner: str) -> None:
        """Refuse a job at once when the queue is full, before its body is looked at closely."""
        self._accepting.check_room(owner)

    @property
    def is_full(self) -> bool:
        """Say whether the queue has no room."""
        return self._scheduler.open >= self.settings.queue_limit

    async def repeated(self, owner: str, terms: Terms) -> str:
        """Return the id of the job that this very request has made before, or ""."""
        return await self._accepting.repeated(owner, terms)

    def tell_as(self, kind: str, body: Callable[[Job], Mapping[str, Any]]) -> None:
        """Tell webhooks of a dialect's kind in its form; they are signed, and their addresses checked, as all are."""
        self._courier.carriers[kind] = replace(self.webhooks, body=body)

    def find(self, job_id: str) -> Live | None:
        """Return a job that is not over, or whose end is just being written down."""
        return self._jobs.find(job_id)

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

    async def cancel_for_good(self, job_id: str, reason: str) -> bool:
        """End a job, and return when that is written down: no restart brings it back. False when it was over before."""
        if not self.cancel(job_id, reason):
            return False
        await self._background.in_thread(self._store.cancel, job_id, reason)
        job = await self.records.get(job_id)
        # It may have been finished in the same moment.
        return job is None or job.state == CANCELLED

    def positions(self) -> dict[str, int]:
        """Return the places in line of the jobs that wait, 1 for the next one."""
        return self._scheduler.positions()

    def expected_s(self, position: int) -> float | None:
        """Return about how many seconds the job at a place in line still takes; None as long as none has ended."""
        return self._pace.until_done(position)

    async def choose_checkpoint(self, model: Model) -> None:
        """Make a checkpoint the one that requests without a name get, also after a restart."""
        await self._background.in_thread(self._default.write, model.name)
        self.models.choose(model)

    def hash_models(self) -> None:
        """Begin to hash the models whose hashes are not known, unless that is going on."""
        if not self._hashing:
            self._hashing = True
            self._background.spawn(self._hash_models())

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

    @property
    def state(self) -> State:
        """Say whether a picture can be made now; what a caller without a login may know."""
        if self.stopping or time.monotonic() < self._refuses_until or self.autostop.ordered is not None:
            return State("stopping", "the service is stopping")
        self._readiness.look(bool(self.pool.ready))
        if self.pool.ready:
            return State("ready")
        return State("down", "no worker comes up", 30) if self._hearing.down else self._readiness.warming()

    async def delivering(self) -> str:
        """Say so when somebody is being told of a job's end for the first time; a second try may be hours away."""
        return "a delivery" if await self._background.in_thread(self._store.deliveries.untried) else ""

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
        check_filter(self.extensions, self.settings.safety)
        if self._hearing.down and self.pool.ready == 0:
            raise Unavailable(f"no worker comes up: {self._hearing.down}", "See the service's log", retry_after=30)
        free = self._free_bytes(self.results.folder)
        if free < MINIMUM_FREE_BYTES:
            # The next caller may be luckier: pictures that were had or sent long since make room.
            self._background.spawn(self.results.forget(_KEPT_WHEN_FULL_S))
            self._background.spawn(self._forget_inputs(_KEPT_WHEN_FULL_S))
            raise InsufficientStorage(f"the disk has {free >> 20} MiB left", "Delete models or pictures")

    async def _say_ready(self) -> None:
        """Tell the node that pictures can be made, and what is on trial that it has passed."""
        await self._background.in_thread(self._readiness.ready)
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
        return next(iter(await self.running_operations()), "") or await self.delivering()

    def _running_operations(self) -> list[str]:
        folder = self.settings.state_dir / "executions"
        return ExecutionStore(folder).running() if folder.is_dir() else []

    def _first_checkpoint(self) -> str:
        try:
            return str(self.models.usable_checkpoint().path)
        except ServiceError:
            return ""

    async def _hash_models(self) -> None:
        """Hash in a thread that records need not wait behind: gigabytes take a while."""
        try:
            await self._background.aside(self.models.hash_all)
        finally:
            self._hashing = False

    async def _forget_inputs(self, spared_s: float) -> None:
        """Delete the pictures to begin from that no job names and nobody has sent for so long."""
        await self._background.in_thread(lambda: self.inputs.keep_only(self._store.inputs(), spared_s))

    async def _keep_tidy(self) -> None:
        in_thread = self._background.in_thread
        while True:
            await self.results.forget(self.settings.keep_finished_s)
            await self._forget_inputs(SPARED_S)
            await in_thread(self.models.hash_all)
            await in_thread(Bin(self.settings.models_dir).purge)
            await in_thread(drop_old, self.settings.state_dir)
            await asyncio.sleep(_SWEEP_EVERY_S)
