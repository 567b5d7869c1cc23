"""One place for a worker process: keeps a process in it, and gives it one batch after another."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Protocol

from garret.service_runtime.hang import Limits, Watch
from garret.service_runtime.messages import (
    LENGTHS,
    Cancel,
    Denoised,
    Done,
    Failed,
    Made,
    Message,
    Previewed,
    Ready,
    Run,
    Status,
    Stepped,
    Unload,
    check_lengths,
    decode,
    encode,
)
from garret.service_runtime.scheduler import Assignment
from garret.service_runtime.worker_process import Process, describe_exit

logger = logging.getLogger(__name__)

_LONGEST_PAUSE_S = 30.0
_STOP_S = 3.0
STARTS_BEFORE_GIVING_UP = 3
MOST_FINISHING = 2
"""With so many batches in decoding no further one is begun: each has its latents on the device."""
OfBatch = Stepped | Previewed | Made | Denoised | Done | Failed


class Listener(Protocol):
    """Who hears what becomes of the batches."""

    def next_assignment(self, held: Collection[str], elsewhere: Collection[str]) -> Assignment | None: ...
    def started(self, assignment: Assignment) -> None: ...
    def stepped(self, assignment: Assignment, stepped: Stepped) -> None: ...
    def previewed(self, assignment: Assignment, preview: Previewed) -> None: ...
    def made(self, assignment: Assignment, made: Made) -> None: ...
    def failed(self, assignment: Assignment, error: str, message: str) -> None: ...
    def lost(self, begun: list[Assignment], waiting: Assignment | None, error: str, reason: str) -> None: ...
    def no_worker(self, reason: str) -> None: ...


class Others(Protocol):
    """All the places: what idle ones hold, and work for whoever could take some."""

    def held_by_idle(self, asking: Worker) -> Collection[str]: ...
    def feed(self) -> None: ...


@dataclass(frozen=True)
class End:
    """Why a process ended: the error that its batches get, and the reason in words."""

    error: str = "Unavailable"
    reason: str = ""


class Worker:
    """A place, and the process in it now with at most one batch that denoises, one that waits, and some in decoding."""

    def __init__(
        self,
        start: Callable[[], Process],
        listener: Listener,
        limits: Limits,
        others: Others,
        first: Process | None = None,
    ) -> None:
        self._start = start
        self._listener = listener
        self._process = first
        self._others = others
        self._writer: asyncio.StreamWriter | None = None
        self._watch = Watch(limits, self._hangs)
        self._end_of_process = End()
        self._last_step = False
        self.running: Assignment | None = None
        self.waiting: Assignment | None = None
        self.finishing: dict[int, Assignment] = {}
        self.ready: Ready | None = None
        self.ever_ready = False
        self.failed_starts = 0
        self.deaths = 0
        self.loaded: list[str] = []
        self.facts: dict[str, Any] = {}
        self.idle_since = time.monotonic()
        self._busy_since: float | None = None
        self._busy_s = 0.0

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
            except Exception:
                # Whatever went wrong here, the place must not stay empty for it.
                logger.exception("worker %s is replaced", process.process.pid)
            finally:
                await self._end(process)
            was_ready = self.ready is not None
            self.ready = None
            self.failed_starts = 0 if was_ready else self.failed_starts + 1
            self._tell_loss(process.process.returncode)
            self._process = None
            # What this one had may be made by another one now.
            self._others.feed()
            await asyncio.sleep(0 if was_ready else min(2.0 ** (self.failed_starts - 1), _LONGEST_PAUSE_S))

    @property
    def is_idle(self) -> bool:
        """Say whether its process could take work and has none."""
        return self.ready is not None and not self.held

    @property
    def busy_seconds(self) -> float:
        """Return for how long there was work for this place, since the service started."""
        now = time.monotonic()
        return self._busy_s + (now - self._busy_since if self._busy_since is not None else 0.0)

    @property
    def held(self) -> list[Assignment]:
        """Return the batches that its process has."""
        return [one for one in (*self.finishing.values(), self.running, self.waiting) if one is not None]

    def feed(self) -> bool:
        """Give the process its next batch when it is idle, or busy with the last moments of one; say if it got one."""
        if self.ready is None or self._writer is None or self.waiting is not None:
            return False
        # Waiting for the last step lets a batch fill up, and still has it there before the device falls idle.
        if self.running is not None and not self._last_step:
            return False
        # Beside one that is tried again there is no other: should it end the process once more, it is known which did.
        if len(self.finishing) >= MOST_FINISHING or any(one.alone for one in self.held):
            return False
        assignment = self._listener.next_assignment(self.loaded, self._others.held_by_idle(self))
        if assignment is None:
            return False
        self._send(Run(assignment.number, assignment.batch))
        if self.running is None:
            self._begin(assignment)
        else:
            self.waiting = assignment
        return True

    def cancel(self, number: int) -> None:
        """Stop a batch at its next step, if this process has it."""
        if any(held.number == number for held in self.held):
            self._send(Cancel(number))

    def unload(self) -> None:
        """Have the device's memory let go."""
        self.loaded = []
        self._send(Unload())

    def kill(self) -> None:
        """End the process at once."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.process.kill()

    # ---- what the process says

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while True:
            header, payload = check_lengths(await reader.readexactly(LENGTHS.size))
            self._hear(decode(await reader.readexactly(header), await reader.readexactly(payload)))
            self.feed()

    def _hear(self, message: Message) -> None:
        if isinstance(message, Ready):
            self.ready, self.ever_ready, self.idle_since = message, True, time.monotonic()
            logger.info("worker ready on %s after %.1f s %s", message.device, message.seconds, message.note)
        elif isinstance(message, Status):
            self.loaded, self.facts = message.loaded, message.facts
        elif isinstance(message, Failed) and message.number == 0:
            self._end_of_process = End(reason=message.message)
        elif isinstance(message, OfBatch):
            self._hear_of(self._find(message), message)
        else:
            raise ValueError(f"unexpected {type(message).__name__}")

    def _find(self, message: OfBatch) -> Assignment:
        if self.running is not None and self.running.number == message.number:
            return self.running
        if message.number in self.finishing:
            return self.finishing[message.number]
        raise ValueError(f"unexpected {type(message).__name__} of a batch that it has not")

    def _hear_of(self, assignment: Assignment, message: OfBatch) -> None:
        self._watch.sign(step=isinstance(message, Stepped))
        if isinstance(message, Stepped):
            self._last_step = message.done >= message.total
            self._listener.stepped(assignment, message)
        elif isinstance(message, Previewed):
            self._listener.previewed(assignment, message)
        elif isinstance(message, Made):
            self._listener.made(assignment, message)
        elif isinstance(message, Denoised):
            self.finishing[assignment.number] = assignment
            self._next()
        elif isinstance(message, Failed) and message.error == "DeviceLost":
            # The process ends itself after this; its batches get another try in the next one.
            self._end_of_process = End(reason=message.message)
        else:
            self._over(assignment)
            if isinstance(message, Failed):
                self._listener.failed(assignment, message.error, message.message)
                # What is tried again may be what an idle worker has the model of.
                self._others.feed()

    # ---- one batch after another

    def _begin(self, assignment: Assignment) -> None:
        self.running, self._last_step = assignment, False
        self._busy_since = time.monotonic() if self._busy_since is None else self._busy_since
        self._watch.begin()
        self._listener.started(assignment)

    def _over(self, assignment: Assignment) -> None:
        if self.finishing.pop(assignment.number, None) is None:
            self._next()
        if not self.held:
            self._watch.end()
            self._rest()

    def _rest(self) -> None:
        self._busy_s, self._busy_since = self.busy_seconds, None
        self.idle_since = time.monotonic()

    def _next(self) -> None:
        following, self.running, self.waiting = self.waiting, None, None
        if following is not None:
            self._begin(following)

    def _send(self, message: Message) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(encode(message))

    # ---- the end of a process

    def _hangs(self, reason: str) -> None:
        self._end_of_process = End("TimedOut", reason)
        self.kill()

    def _tell_loss(self, code: int | None) -> None:
        self._watch.end()
        self._rest()
        self.deaths += 1
        begun = [*self.finishing.values(), *([self.running] if self.running else [])]
        waiting, end = self.waiting, self._end_of_process
        self.running = self.waiting = None
        self.finishing, self.loaded, self.facts = {}, [], {}
        self._end_of_process = End()
        reason = end.reason or f"the worker process ended with {describe_exit(code)}"
        self._listener.lost(begun, waiting, end.error, reason)
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
