"""The worker processes as the API process sees them: started, fed, watched, replaced."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from garret.service_runtime.extensions.trial import Trial
from garret.service_runtime.messages import (
    LENGTHS,
    Cancel,
    Done,
    Failed,
    Made,
    Message,
    Ready,
    Run,
    Stepped,
    check_lengths,
    decode,
    encode,
)
from garret.service_runtime.scheduler import Assignment
from garret.service_runtime.settings import ServiceSettings

logger = logging.getLogger(__name__)

_PACKAGE_ROOT = Path(__file__).resolve().parents[2]
# Models come from files on this node only; the libraries neither ask their hub nor advertise it.
_QUIET = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TRANSFORMERS_VERBOSITY": "error"}
_LONGEST_PAUSE_S = 30.0
_STOP_S = 3.0
STARTS_BEFORE_GIVING_UP = 3


class Listener(Protocol):
    """Who hears what becomes of the batches."""

    def next_assignment(self) -> Assignment | None: ...
    def started(self, assignment: Assignment) -> None: ...
    def stepped(self, assignment: Assignment, done: int, total: int) -> None: ...
    def made(self, assignment: Assignment, made: Made) -> None: ...
    def failed(self, assignment: Assignment, error: str, message: str) -> None: ...
    def lost(self, running: Assignment | None, waiting: Assignment | None, error: str, reason: str) -> None: ...
    def no_worker(self, reason: str) -> None: ...


@dataclass(frozen=True)
class Process:
    """A worker process and our end of its socket."""

    process: subprocess.Popen[bytes]
    channel: socket.socket


def count_devices(environment: Mapping[str, str], devices: Path = Path("/dev")) -> int:
    """Return how many NVIDIA GPUs this process may use, found without loading torch."""
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([part for part in visible.split(",") if part.strip() not in ("", "-1")])
    return len([entry for entry in devices.glob("nvidia*") if re.fullmatch(r"nvidia\d+", entry.name)])


def start_process(
    settings: ServiceSettings,
    index: int,
    devices: int,
    checkpoint: str,
    *,
    extensions: str = "",
    stderr: int | None = None,
) -> Process:
    """Start one worker process with the extensions of these names; with GPUs each one sees only its own."""
    ours, theirs = socket.socketpair()
    # A worker makes pictures; it needs no credential of the service.
    told = replace(settings, password_hash="", token_hashes=(), node_token_hash="", tls_certificate="", tls_key="")
    environment = {**os.environ, **_QUIET, **told.to_env()}
    path = environment.get("PYTHONPATH", "")
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(_PACKAGE_ROOT), path)))
    if devices:
        visible = (os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(devices)))).split(",")
        environment["CUDA_VISIBLE_DEVICES"] = visible[index % devices].strip()
    command = [sys.executable, "-m", "garret.service_runtime.worker", str(theirs.fileno()), checkpoint, extensions]
    with theirs:
        process = subprocess.Popen(
            command, env=environment, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stderr=stderr
        )
    return Process(process, ours)


def _start(settings: ServiceSettings, index: int, devices: int, checkpoint: Callable[[], str], trial: Trial) -> Process:
    names, stderr = trial.extensions.of_worker(), trial.worker_stderr()
    return start_process(settings, index, devices, checkpoint(), extensions=names, stderr=stderr)


class Worker:
    """One place for a worker process: keeps a process in it, and at most two batches with that process."""

    def __init__(
        self, start: Callable[[], Process], listener: Listener, timeout_s: float, first: Process | None
    ) -> None:
        self._start = start
        self._listener = listener
        self._timeout_s = timeout_s
        self._process = first
        self._writer: asyncio.StreamWriter | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._kill_reason = ""
        self._timed_out = False
        self.running: Assignment | None = None
        self.waiting: Assignment | None = None
        self._last_step = False
        self.ready: Ready | None = None
        self.ever_ready = False
        self.failed_starts = 0

    async def keep(self) -> None:
        """Run processes one after another, until cancelled."""
        while True:
            try:
                process = self._process or self._start()
            except OSError as error:
                self._listener.no_worker(f"no process can be started: {error.strerror}")
                await asyncio.sleep(_LONGEST_PAUSE_S)
                continue
            self._process = process
            try:
                reader, self._writer = await asyncio.open_connection(sock=process.channel)
                await self._listen(reader)
            except (OSError, EOFError, ValueError) as error:
                logger.warning("worker %s: %s", process.process.pid, error or "closed its socket")
            finally:
                await self._end(process)
            was_ready = self.ready is not None
            self.ready = None
            self.failed_starts = 0 if was_ready else self.failed_starts + 1
            self._tell_loss(process.process.returncode)
            self._process = None
            await asyncio.sleep(0 if was_ready else min(2.0 ** (self.failed_starts - 1), _LONGEST_PAUSE_S))

    def feed(self) -> None:
        """Give the process its next batch when it is idle, or busy with the last moments of one."""
        if self.ready is None or self._writer is None or self.waiting is not None:
            return
        # Waiting for the last step lets a batch fill up, and still has it there before the device falls idle.
        if self.running is not None and not self._last_step:
            return
        assignment = self._listener.next_assignment()
        if assignment is None:
            return
        self._send(Run(assignment.number, assignment.batch))
        if self.running is None:
            self._begin(assignment)
        else:
            self.waiting = assignment

    def cancel(self, number: int) -> None:
        """Stop a batch at its next step, if this process has it."""
        if any(held is not None and held.number == number for held in (self.running, self.waiting)):
            self._send(Cancel(number))

    def kill(self) -> None:
        """End the process at once."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.process.kill()

    def _begin(self, assignment: Assignment) -> None:
        self.running, self._last_step = assignment, False
        self._listener.started(assignment)
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = asyncio.get_running_loop().call_later(self._timeout_s, self._time_out)

    def _time_out(self) -> None:
        self._kill_reason, self._timed_out = f"the job ran longer than {self._timeout_s:g} s", True
        self.kill()

    def _send(self, message: Message) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(encode(message))

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while True:
            header, payload = check_lengths(await reader.readexactly(LENGTHS.size))
            self._hear(decode(await reader.readexactly(header), await reader.readexactly(payload)))
            self.feed()

    def _hear(self, message: Message) -> None:
        running = self.running
        if isinstance(message, Ready):
            self.ready, self.ever_ready = message, True
            logger.info("worker ready on %s after %.1f s %s", message.device, message.seconds, message.note)
        elif isinstance(message, Failed) and message.number == 0:
            self._kill_reason = message.message
        elif isinstance(message, Run | Cancel) or running is None or message.number != running.number:
            raise ValueError(f"unexpected {type(message).__name__}")
        elif isinstance(message, Stepped):
            self._last_step = message.done >= message.total
            self._listener.stepped(running, message.done, message.total)
        elif isinstance(message, Made):
            self._listener.made(running, message)
        elif isinstance(message, Failed):
            if message.error == "DeviceLost":
                # The process ends itself after this; its batch gets another try in the next one.
                self._kill_reason = message.message
                return
            self._over()
            self._listener.failed(running, message.error, message.message)
        elif isinstance(message, Done):
            self._over()

    def _over(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self.running = None
        if self.waiting is not None:
            following, self.waiting = self.waiting, None
            self._begin(following)

    def _tell_loss(self, code: int | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        running, waiting, reason = self.running, self.waiting, self._kill_reason
        self.running = self.waiting = None
        timed_out, self._timed_out = self._timed_out, False
        self._kill_reason = ""
        reason = reason or f"the worker process ended with {describe_exit(code)}"
        self._listener.lost(running, waiting, "TimedOut" if timed_out else "Unavailable", reason)
        if self.failed_starts >= STARTS_BEFORE_GIVING_UP:
            self._listener.no_worker(f"{reason}, {self.failed_starts} times before it was ready")

    async def _end(self, process: Process) -> None:
        """Close the socket, which ends a healthy process; kill what does not end by itself."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        process.channel.close()
        deadline = time.monotonic() + _STOP_S
        while process.process.poll() is None and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        if process.process.poll() is None:
            process.process.kill()
            process.process.wait()


class WorkerPool:
    """All the workers, one per device."""

    def __init__(
        self, settings: ServiceSettings, listener: Listener, checkpoint: Callable[[], str], trial: Trial
    ) -> None:
        devices = count_devices(os.environ) if settings.engine == "sdxl" and settings.device != "cpu" else 0
        count = settings.workers or max(1, devices)
        self._starters: list[Callable[[], Process]] = [
            partial(_start, settings, index, devices, checkpoint, trial) for index in range(count)
        ]
        self._settings = settings
        self._listener = listener
        self._firsts: list[Process | None] = [None] * count
        self._keepers: list[asyncio.Task[None]] = []
        self.workers: list[Worker] = []

    def start_early(self) -> None:
        """Start the processes now, before there is an event loop: they load while the API process imports."""
        self._firsts = [start() for start in self._starters]

    def start(self) -> None:
        """Attach to the processes; called in the event loop."""
        for start, first in zip(self._starters, self._firsts, strict=True):
            worker = Worker(start, self._listener, self._settings.job_timeout_s, first)
            self.workers.append(worker)
            self._keepers.append(asyncio.create_task(worker.keep()))

    async def stop(self) -> None:
        """End all processes and wait for them."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)

    def feed(self) -> None:
        """Offer work to every worker that could take some."""
        for worker in self.workers:
            worker.feed()

    def cancel(self, number: int) -> None:
        """Stop a batch at its next step, whoever has it."""
        for worker in self.workers:
            worker.cancel(number)

    @property
    def ready(self) -> int:
        """Return how many workers can take work."""
        return sum(worker.ready is not None for worker in self.workers)

    @property
    def was_ready(self) -> bool:
        """Say whether any worker has ever been able to take work."""
        return any(worker.ever_ready for worker in self.workers)

    @property
    def running(self) -> list[Assignment]:
        """Return the batches that workers have now."""
        held = [assignment for worker in self.workers for assignment in (worker.running, worker.waiting)]
        return [assignment for assignment in held if assignment is not None]


def describe_exit(code: int | None) -> str:
    """Return "code 70" or "signal SIGKILL"."""
    if code is not None and code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"code {code}"
