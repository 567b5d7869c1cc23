"""The service behind every dialect: accepts requests as durable jobs, and turns what workers send into results."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import secrets
import shutil
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from garret.service_runtime.autostop import Autostop
from garret.service_runtime.autostop_settings import AutostopFile, AutostopSettings
from garret.service_runtime.errors import (
    Cancelled,
    InsufficientStorage,
    ServiceError,
    TimedOut,
    Unavailable,
    from_record,
)
from garret.service_runtime.executions import ExecutionStore
from garret.service_runtime.extensions.trial import Trial
from garret.service_runtime.extensions.words import change_words
from garret.service_runtime.files import sweep, write_atomically
from garret.service_runtime.handed import drop_old
from garret.service_runtime.idle import Idle
from garret.service_runtime.infotext import infotext
from garret.service_runtime.inputs import InputStore
from garret.service_runtime.jobs import Job, JobStore
from garret.service_runtime.life import Beacon
from garret.service_runtime.messages import Made
from garret.service_runtime.metadata import Metadata
from garret.service_runtime.models import HashCache, Model, Models
from garret.service_runtime.operations.bin import Bin
from garret.service_runtime.png import encode_png
from garret.service_runtime.prepare import Prepared, prepare
from garret.service_runtime.renewal import Renewal
from garret.service_runtime.request import ImageRequest, ImageResult
from garret.service_runtime.scheduler import Assignment, Scheduler, Task
from garret.service_runtime.self_stop import SelfStop
from garret.service_runtime.settings import ServiceSettings
from garret.service_runtime.signs import Signs
from garret.service_runtime.watchdog import tell_watchdog
from garret.service_runtime.workers import WorkerPool

logger = logging.getLogger(__name__)
T = TypeVar("T")

# Less free disk than this and a new job is refused rather than begun.
MINIMUM_FREE_BYTES = 64 << 20
# A job that was running at so many ends of the service is not begun again: it may be what ends it.
MAXIMUM_STARTS = 3
# An operation that has written nothing for so long keeps the node from stopping no more.
STARTING_S = 1800.0
"""For so long a start that has not come to its end counts as use: gigabytes are being read."""
_SWEEP_EVERY_S = 3600.0
_KEPT_WHEN_FULL_S = 600.0


@dataclass
class Live:
    """A job that is not over, as the service holds it in memory."""

    job_id: str
    owner: str
    prepared: Prepared
    future: asyncio.Future[ImageResult]
    began: float
    pictures: dict[int, bytes] = field(default_factory=dict)
    started: bool = False
    deaths: int = 0
    step: int = 0
    attached: bool = True
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def request(self) -> ImageRequest:
        """Return what was asked for."""
        return self.prepared.request

    @property
    def model(self) -> Model:
        """Return the checkpoint."""
        return self.prepared.model


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
        self._pictures = settings.state_dir / "pictures"
        self._pictures.mkdir(parents=True, exist_ok=True, mode=0o750)
        self._store = JobStore(settings.state_dir / "jobs.sqlite")
        self.inputs = InputStore(settings.state_dir / "inputs")
        self._hashes = HashCache(settings.state_dir / "models.sqlite")
        self.models = Models(settings.models_dir, settings.config_dir, self._hashes, settings.default_checkpoint)
        self._scheduler = Scheduler(settings.queue_limit, settings.max_batch)
        self._live: dict[str, Live] = {}
        self._free_bytes = free_bytes
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="service")
        self._tasks: set[asyncio.Task[Any]] = set()
        self._down = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._began = time.monotonic()
        self.stopping = False
        self._refuses_until = 0.0
        self.trial = Trial(settings)
        self.extensions = self.trial.begin()
        self.renewal = Renewal(self, end)
        self._ready = False
        self._beacon = Beacon(settings.state_dir)
        self.idle = Idle()
        self.signs = Signs(settings.state_dir / "idle.json", self.idle)
        self.autostop_file = AutostopFile(settings.state_dir / "autostop.json", AutostopSettings(settings.autostop_s))
        machine = SelfStop(Metadata(settings.metadata_url), settings.ecs_endpoint)
        self.autostop = Autostop(self.autostop_file.read, self.idle, self._doing, machine, looked=self.signs.note)
        self.pool = WorkerPool(settings, self, self._first_checkpoint, self.trial)

    # ---- life

    async def start(self) -> None:
        """Attach to the workers and take up again what was accepted before."""
        self._loop = asyncio.get_running_loop()
        self._spawn(tell_watchdog(os.environ))
        self.pool.start()
        sweep(self._pictures)
        for job in await self._in_thread(self._store.unfinished):
            await self._take_up(job)
        self.pool.feed()
        self._spawn(self._keep_tidy())
        self._spawn(self.renewal.watch())
        self.signs.take_up()
        self.autostop.since = self.signs.since
        self._spawn(self.autostop.watch())

    async def stop(self) -> None:
        """End the workers; jobs without a caller stay accepted, for the next start."""
        self.say_stopping()
        if not self.renewal.asked:
            self.trial.call_off()
        await self.pool.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.signs.note(ended=True)
        self._threads.shutdown(wait=True)
        self._store.close()
        self._hashes.close()

    def stop_soon(self) -> None:
        """Begin to stop, from a signal handler."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.say_stopping)

    def say_stopping(self) -> None:
        """Tell every waiting caller that there will be no picture from this process."""
        self.stopping = True
        for live in [live for live in self._live.values() if live.attached]:
            self._fail(live, Unavailable("the service is stopping", "Send the request again", retry_after=5))

    # ---- what dialects call

    async def submit(self, request: ImageRequest, owner: str) -> Live:
        """Accept a request as a job, or say why not."""
        self._check_open()
        request = await change_words(self.extensions, request)
        prepared = prepare(request, self.models, self.inputs)
        job_id = secrets.token_hex(16)
        self._scheduler.reserve(job_id)
        try:
            await self._in_thread(self._store.add, job_id, owner, request)
        except Exception as error:
            self._scheduler.close(job_id)
            raise _storage_error(error) from error
        return self._enter(job_id, owner, prepared)

    def cancel(self, job_id: str, reason: str) -> bool:
        """End a job that nobody wants: not begun, it never is; running, it stops at the next step."""
        live = self._live.get(job_id)
        if live is None:
            return False
        self._close(live)
        self._spawn(self._in_thread(self._store.cancel, job_id, reason))
        if not live.future.done():
            live.future.set_exception(Cancelled(reason))
        for assignment in self.pool.running:
            if not any(self._scheduler.is_open(task.job_id) for task in assignment.tasks):
                self.pool.cancel(assignment.number)
        return True

    async def job(self, job_id: str) -> Job | None:
        """Return a job's record."""
        return await self._in_thread(self._store.get, job_id)

    async def recent_jobs(self, owner: str, limit: int = 100) -> list[Job]:
        """Return the records of an owner's newest jobs."""
        return await self._in_thread(self._store.recent, owner, limit)

    def refuse_jobs_for(self, seconds: float, *, then_stop: bool = False) -> int:
        """Take no new jobs for so long: somebody is about to stop the node. 0 takes them again. Those still open.

        `then_stop`: when that time is over, the node has itself stopped as soon as it is done.
        """
        self._refuses_until = time.monotonic() + seconds
        self.autostop.order(seconds if then_stop else 0.0)
        return self._scheduler.open

    def picture_path(self, name: str) -> Path:
        """Return where a picture of a job's record lies."""
        return self._pictures / name

    @property
    def live(self) -> list[Live]:
        """Return the jobs that are not over, oldest first."""
        return sorted(self._live.values(), key=lambda live: live.began)

    # ---- what workers tell (Listener)

    def next_assignment(self) -> Assignment | None:
        """Give a worker that is ready its next batch."""
        self._down = ""
        if not self._ready:
            self._ready = True
            self._spawn(self._say_ready())
        return None if self.renewal.is_due else self._scheduler.take()

    def started(self, assignment: Assignment) -> None:
        """Note the jobs that a worker has begun."""
        for live in self._of(assignment):
            if not live.started:
                live.started = True
                self._spawn(self._in_thread(self._store.start, live.job_id))

    def stepped(self, assignment: Assignment, done: int, total: int) -> None:  # noqa: ARG002  (Listener)
        """Note progress."""
        for live in self._of(assignment):
            live.step = done

    def made(self, assignment: Assignment, made: Made) -> None:
        """Save a picture, off the path to the next one."""
        task = assignment.tasks[made.index]
        live = self._live.get(task.job_id)
        if live is not None:
            self._spawn(self._save(live, task.index, made))

    def failed(self, assignment: Assignment, error: str, message: str) -> None:
        """Try each picture of a failed batch alone; fail the job whose picture was alone."""
        if len(assignment.tasks) > 1 and error != "ModelError":
            self._again_alone(assignment)
            return
        for live in self._of(assignment):
            self._fail(live, from_record(error, message))

    def lost(self, running: Assignment | None, waiting: Assignment | None, error: str, reason: str) -> None:
        """Put back what a dead worker had; a job whose worker died twice is told so."""
        if waiting is not None:
            self._scheduler.put_back(waiting.tasks)
        if running is None:
            return
        logger.warning("lost a worker: %s", reason)
        for live in self._of(running):
            live.deaths += 1
            hopeless = error == "TimedOut" and len(running.tasks) == 1
            if hopeless or live.deaths > 1:
                kind = TimedOut if error == "TimedOut" else Unavailable
                self._fail(live, kind(f"{reason} (tried {live.deaths} times)" if live.deaths > 1 else reason))
        self._again_alone(running)

    def no_worker(self, reason: str) -> None:
        """Tell everybody who waits that no worker comes up."""
        self._down = reason
        if self.trial.roll_back(f"no worker came up with it: {reason}"):
            self.renewal.ask()
        if self.pool.ready == 0:
            for live in self.live:
                self._fail(live, Unavailable(f"no worker comes up: {reason}"))

    # ---- inside

    def _check_open(self) -> None:
        if self.stopping:
            raise Unavailable("the service is stopping", "Send the request again", retry_after=5)
        if time.monotonic() < self._refuses_until or self.autostop.ordered is not None:
            hint = "Send the request again when the node runs again"
            raise Unavailable("this node is about to be stopped, and takes no new jobs", hint, retry_after=60)
        self.renewal.check()
        if self._down and self.pool.ready == 0:
            raise Unavailable(f"no worker comes up: {self._down}", "See the service's log", retry_after=30)
        free = self._free_bytes(self._pictures)
        if free < MINIMUM_FREE_BYTES:
            # The next caller may be luckier: pictures that their callers have had long since make room.
            self._spawn(self._forget(_KEPT_WHEN_FULL_S))
            raise InsufficientStorage(f"the disk has {free >> 20} MiB left", "Delete models or pictures")

    async def _say_ready(self) -> None:
        """Tell the node that pictures can be made, and what is on trial that it has passed."""
        if await self._in_thread(self.trial.ready):
            await self._in_thread(self._beacon.tell, True)
        else:
            self.renewal.ask()

    async def _doing(self) -> str:
        """Say what keeps this node busy, if anything does."""
        if self._live:
            return "a job"
        if not self.pool.was_ready and time.monotonic() - self._began < STARTING_S:
            return "the start"
        return next(iter(await self.running_operations()), "")

    async def running_operations(self) -> list[str]:
        """Return the verbs of the executions that run on this node."""
        return await self._in_thread(self._running_operations)

    def _running_operations(self) -> list[str]:
        folder = self.settings.state_dir / "executions"
        if not folder.is_dir():
            return []
        return ExecutionStore(folder).running()

    def _first_checkpoint(self) -> str:
        try:
            return str(self.models.usable_checkpoint().path)
        except ServiceError:
            return ""

    def _enter(self, job_id: str, owner: str, prepared: Prepared) -> Live:
        future: asyncio.Future[ImageResult] = asyncio.get_running_loop().create_future()
        # A job taken up after a restart has nobody who would ask what became of it.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        live = Live(job_id, owner, prepared, future, time.time())
        self._live[job_id] = live
        self._scheduler.add(Task(job_id, index, prepared) for index in range(prepared.request.count))
        self.pool.feed()
        return live

    async def _take_up(self, job: Job) -> None:
        try:
            if job.starts >= MAXIMUM_STARTS:
                raise Unavailable(f"the service ended {job.starts} times while it ran")
            prepared = prepare(job.request, self.models, self.inputs)
        except ServiceError as error:
            await self._in_thread(self._store.fail, job.id, type(error).__name__, error.message)
            return
        self._scheduler.reserve(job.id, over_limit=True)
        self._enter(job.id, job.owner, prepared).attached = False

    async def _save(self, live: Live, index: int, made: Made) -> None:
        try:
            png = await self._in_thread(self._write_picture, live, index, made)
        except Exception as error:  # noqa: BLE001  (a picture that cannot be kept fails its job, not the service)
            self._fail(live, _storage_error(error))
            return
        live.pictures[index] = png
        live.notes.update(made.notes)
        if len(live.pictures) == live.request.count and live.job_id in self._live:
            names = tuple(_picture_name(live, number) for number in range(live.request.count))
            await self._in_thread(self._store.finish, live.job_id, names)
            self._close(live)
            if not live.future.done():
                live.future.set_result(self._result(live))

    def _write_picture(self, live: Live, index: int, made: Made) -> bytes:
        text = infotext(live.request, index, live.model.name, live.model.sha256)
        png = encode_png(made.rgb, made.width, made.height, {"parameters": text})
        write_atomically(self._pictures / _picture_name(live, index), png, 0o640)
        return png

    def _result(self, live: Live) -> ImageResult:
        count, model = live.request.count, live.model
        texts = tuple(infotext(live.request, index, model.name, model.sha256) for index in range(count))
        pictures = tuple(live.pictures[index] for index in range(count))
        seconds = time.time() - live.began
        return ImageResult(live.job_id, live.request, pictures, texts, model.name, model.sha256, seconds, live.notes)

    def _of(self, assignment: Assignment) -> list[Live]:
        ids = dict.fromkeys(task.job_id for task in assignment.tasks)
        return [self._live[job_id] for job_id in ids if job_id in self._live]

    def _again_alone(self, assignment: Assignment) -> None:
        missing = [
            replace(task, alone=True)
            for task in assignment.tasks
            if task.job_id in self._live and task.index not in self._live[task.job_id].pictures
        ]
        self._scheduler.put_back(missing)

    def _fail(self, live: Live, error: ServiceError) -> None:
        if live.job_id not in self._live:
            return
        self._close(live)
        self._spawn(self._in_thread(self._store.fail, live.job_id, type(error).__name__, error.message))
        if not live.future.done():
            live.future.set_exception(error)

    def _close(self, live: Live) -> None:
        self._live.pop(live.job_id, None)
        self._scheduler.close(live.job_id)

    async def _keep_tidy(self) -> None:
        while True:
            await self._forget(self.settings.keep_finished_s)
            await self._in_thread(self.models.hash_all)
            await self._in_thread(Bin(self.settings.models_dir).purge)
            await self._in_thread(drop_old, self.settings.state_dir)
            await asyncio.sleep(_SWEEP_EVERY_S)

    async def _forget(self, age_s: float) -> None:
        for name in await self._in_thread(self._store.forget_before, time.time() - age_s):
            (self._pictures / name).unlink(missing_ok=True)

    async def _in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("a background task failed", exc_info=task.exception())


def _picture_name(live: Live, index: int) -> str:
    return f"{live.job_id}-{index:02d}.png"


def _storage_error(error: BaseException) -> ServiceError:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return InsufficientStorage("the disk is full", "Delete models or pictures")
    if isinstance(error, ServiceError):
        return error
    return ServiceError(f"the picture could not be kept: {type(error).__name__}: {error}")
