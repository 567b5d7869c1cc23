"""Autostop: a node that nobody has needed for long enough has itself stopped; a refusal is said, and tried again.

Each decision here risks one of two things: a stop that comes too early costs somebody a start, one that does not come
costs money. docs/autostop.md says for each of them which.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from garret.service_runtime.autostop_settings import AutostopSettings, next_time
from garret.service_runtime.hold import Hold
from garret.service_runtime.idle import Idle
from garret.service_runtime.self_stop import StopRefused

logger = logging.getLogger(__name__)

FIRST_LOOK_S = 2.0
"""Soon, since a service that crashes again and again has to come as far as its first look."""
LONGEST_PAUSE_S = 15.0
FIRST_RETRY_S = 30.0
LONGEST_RETRY_S = 600.0
STOPPING_S = 300.0
"""How long the cloud may take over a stop that it has accepted, before it is asked again."""
ORDERED_PAUSE_S = 3.0
GRACE_S = 1800.0
"""How long what is going on may overrun the time of day; then it is cut off, and taken up after the next start."""

Busy = Callable[[], Awaitable[str]]


class Machine(Protocol):
    """The machine that the node runs on, as its own role reaches it; each raises StopRefused."""

    def __call__(self) -> None:
        """Stop it, economically."""

    def release(self, at: datetime | None) -> None:
        """Have it released at a time, or not at all."""


@dataclass
class Autostop:
    """The watch over one node; `settings` are asked anew at each look, `busy` says in words what is going on."""

    settings: Callable[[], AutostopSettings]
    idle: Idle
    busy: Busy
    machine: Machine
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    wall: Callable[[], float] = time.time
    looked: Callable[[], None] = lambda: None
    since: float | None = None
    """From when on a time of day counts; a time that was over before is no reason to stop who has just begun."""
    tries: int = 0
    refused: str = ""
    hold: Hold = field(default_factory=Hold, kw_only=True)
    ordered: float | None = field(default=None, init=False)
    """On the clock of `idle`: from when on the node stops itself, once nothing is going on, since a person said so."""
    asked: bool = field(default=False, init=False)
    doing: str = field(default="", init=False)
    release_at: str = field(default="", init=False)
    release_refused: str = field(default="", init=False)
    _before: AutostopSettings | None = field(default=None, init=False)
    _release_known: bool = field(default=False, init=False)

    async def watch(self) -> None:
        """Look at intervals, and stop the node when its time has come; goes on until it is cancelled."""
        pause = min(FIRST_LOOK_S, self.pause())
        while True:
            await self.sleep(pause)
            try:
                await self.look()
            except Exception:  # whatever it was, a watch that has ended would let the node run for ever
                logger.exception("autostop: a look failed; looking again")
            pause = self.pause()

    def pause(self) -> float:
        """Return how long until the next look."""
        if self.asked:
            return STOPPING_S
        if self.refused:
            return float(min(FIRST_RETRY_S * 2 ** (min(self.tries, 10) - 1), LONGEST_RETRY_S))
        settings = self.settings()
        if self.ordered is not None:
            return ORDERED_PAUSE_S
        return min(LONGEST_PAUSE_S, settings.idle_s / 4) if settings.idle_s else LONGEST_PAUSE_S

    async def look(self) -> None:
        """Look once: what is going on counts as life, and enough silence stops the node."""
        settings = self._settings()
        self.doing = await self._busy()
        if self.doing:
            self.idle.touch(self.doing)
        self.looked()
        why = self._why(settings)
        if not why:
            self.tries, self.refused, self.asked = 0, "", False
            await self._release(None)
            return
        self.tries += 1
        logger.warning("autostop: %s (last sign of life: %s); stopping this node", why, self.idle.sign)
        if settings.delete_after_s:
            await self._release(datetime.fromtimestamp(self.wall() + settings.delete_after_s, UTC))
        try:
            await _in_thread(self.machine)
        except Exception as error:  # noqa: BLE001  (whatever it was, it is told, and the next try comes)
            # Who cannot have itself stopped must not refuse work for ever, waiting for it.
            self.asked, self.refused, self.ordered = False, _said(error), None
            logger.error("autostop: try %d was refused: %s", self.tries, self.refused)
        else:
            self.asked, self.refused = True, ""

    def facts(self) -> dict[str, Any]:
        """What `status` and the page say: when it will act, and why it has not. Times are seconds."""
        settings = self._settings()
        by_day = self._stop_by_at(settings)
        left = [self.wait_s(settings) - self.idle.seconds] if settings.idle_s else []
        left += [by_day.timestamp() - self.wall()] if by_day else []
        held = self.hold.read()
        soonest = max(0.0, min(left), held.until - self.wall() if held else 0.0) if left else None
        return {
            "after_s": settings.idle_s,
            "learn": settings.learn,
            "waits_s": round(self.wait_s(settings), 1) if settings.idle_s else None,
            "idle_s": round(self.idle.seconds, 1),
            "last_sign": self.idle.sign,
            "stops_in_s": None if soonest is None else round(soonest, 1),
            "hold": held.to_dict(self.wall()) if held else None,
            "stop_by": settings.stop_by,
            "time_zone": settings.time_zone,
            "stop_by_at": _text(by_day) if by_day else "",
            "delete_after_s": settings.delete_after_s,
            "release_at": self.release_at,
            "release_refused": self.release_refused,
            "doing": self.doing if self.doing == self.idle.sign else "",
            "asked": self.asked,
            "tries": self.tries,
            "refused": self.refused,
        }

    def order(self, seconds: float) -> None:
        """Stop when what is going on has ended, unless this is said again or taken back (0) within so long.

        A person's command line is at it and stops the node itself; this is for the case that their machine sleeps.
        """
        self.ordered = self.idle.clock() + seconds if seconds else None

    def wait_s(self, settings: AutostopSettings) -> float:
        """Return how long a silence it waits for: what was said, or what past silences teach."""
        return self.idle.gaps.wait(settings.idle_s) if settings.learn else settings.idle_s

    async def _busy(self) -> str:
        try:
            return await self.busy()
        except Exception:  # a full disk, for one: what cannot be seen for so long must not be paid for ever
            logger.exception("autostop: what is going on cannot be seen")
            return ""

    def _settings(self) -> AutostopSettings:
        """The settings now; those of a time of day count from when they were made."""
        now = self.settings()
        if self.since is None or self.wall() < self.since:  # a clock that was ahead at the start has been set right
            self.since = self.wall()
        if self._before is not None and (now.stop_by, now.time_zone) != (self._before.stop_by, self._before.time_zone):
            self.since = self.wall()
        self._before = now
        return now

    def _why(self, settings: AutostopSettings) -> str:
        """Why the node is to stop now; empty when it is not."""
        if self.ordered is not None and not self.doing and self.idle.clock() >= self.ordered:
            return "somebody asked for it, and what was going on has ended"
        if self.hold.read() is not None:
            return ""
        if settings.idle_s and self.idle.seconds >= self.wait_s(settings):
            return f"idle for {self.idle.seconds:.0f} s"
        by_day = self._stop_by_at(settings)
        late = self.wall() - by_day.timestamp() if by_day else -1.0
        if late < 0 or (self.doing and late < GRACE_S):
            return ""
        return f"it is {settings.stop_by} and later"

    def _stop_by_at(self, settings: AutostopSettings) -> datetime | None:
        if not settings.stop_by:
            return None
        since = self.wall() if self.since is None else self.since
        return next_time(settings.stop_by, settings.time_zone, datetime.fromtimestamp(since, UTC))

    async def _release(self, at: datetime | None) -> None:
        """Have the machine released at a time; with None make sure, once, that it is not.

        That a node which is needed gets released is worse than that a stopped one is not: so the first look after a
        start, however that came about, takes a release back, and tries until it is.
        """
        if at is None and self._release_known and not self.release_at:
            return
        if at is None and not self._release_known and not self._may_be_released() and not self.release_refused:
            self._release_known = True
            return
        try:
            await _in_thread(lambda: self.machine.release(at))
        except Exception as error:  # noqa: BLE001  (a stop goes on without it)
            self.release_refused = _said(error)
            logger.error("autostop: the release of the machine was not changed: %s", self.release_refused)
        else:
            self.release_at, self.release_refused = _text(at) if at else "", ""
            self._release_known = True

    def _may_be_released(self) -> bool:
        return bool(self._before and self._before.delete_after_s)


async def _in_thread(work: Callable[[], None]) -> None:
    await asyncio.get_running_loop().run_in_executor(None, work)


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, StopRefused) else f"{type(error).__name__}: {error}"


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
