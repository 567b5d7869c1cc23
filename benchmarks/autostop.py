"""Billed seconds of a node that stops itself, over those of one that knows when the next request comes.

The controller is the node's own (service_runtime.autostop), on a clock that is moved; nothing else is played. A node is
billed from the start of its machine, over its restart, to the end of its stop; whoever comes while it is stopped
waits for the restart, which now and then has to be tried twice. The optimum stops at once in each gap that is longer
than what coming back costs, pays the same for it, and lets nobody wait.
"""

from __future__ import annotations

import asyncio
import random
import statistics
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from benchmarks.arrivals import JOB_S, Trace, traces
from benchmarks.report import Report
from garret.service_runtime.autostop import Autostop
from garret.service_runtime.autostop_settings import AutostopSettings
from garret.service_runtime.idle import Idle

RESTART_S = 170.0
STOPPING_S = 20.0
TWICE = 0.02
"""Part of the restarts that have to be tried twice, for instance for want of stock."""
HOUR = 3600.0
POLICIES = {
    "learned, at most an hour (--idle auto)": AutostopSettings(HOUR, learn=True),
    "an hour (the default)": AutostopSettings(HOUR),
    "half an hour": AutostopSettings(HOUR / 2),
    "five minutes": AutostopSettings(300.0),
}
OURS = next(iter(POLICIES))


WHY = (
    "the bound is for the median. Requests without any memory, as the shop's, with gaps as long as a restart, are what "
    "nobody can do better with than 1.58 who does not know the future; there the default, an hour, costs 1.8"
)


class Stopped(BaseException):
    """The machine was asked to stop."""


@dataclass
class Play:
    """One trace before one controller; all times are seconds of the trace.

    Who had to wait goes on later by as much: the time between a picture and the next request is what the trace keeps.
    """

    gaps: tuple[float, ...]
    random: random.Random
    now: float = 0.0
    next: int = 0
    asked: float = 0.0
    busy_until: float = 0.0
    billed: float = 0.0
    waits: list[float] = field(default_factory=list)
    stopped: bool = False
    idle: Idle = field(init=False)

    def run(self, settings: AutostopSettings) -> None:
        """Play to the end: start for whoever comes, run until the controller stops it, and again."""
        self.idle = Idle(lambda: self.now)
        while self.next < len(self.gaps):
            began = max(self.asked, self.now)
            tries = 2 if self.random.random() < TWICE else 1
            self.now = began + tries * RESTART_S
            self.waits.append(self.now - self.asked)
            self.asked, self.stopped = self.now, False
            self.idle.touch("the node was started")
            autostop = Autostop(lambda: settings, self.idle, self._doing, self, self._sleep, lambda: self.now)
            try:
                asyncio.run(autostop.watch())
            except Stopped:
                self.now += STOPPING_S
                self.billed += self.now - began

    def __call__(self) -> None:
        """Stop the machine; its last sleep tells."""
        self.stopped = True

    def release(self, at: datetime | None) -> None:
        """Nothing is released here."""

    async def _doing(self) -> str:
        return "a job" if self.now < self.busy_until else ""

    async def _sleep(self, seconds: float) -> None:
        if self.stopped:
            raise Stopped
        until = self.now + seconds
        while self.next < len(self.gaps) and self.asked <= until:
            self.now = max(self.now, self.asked)
            self.idle.touch("a job")
            self.busy_until = self.now + JOB_S
            self.asked = self.busy_until + self.gaps[self.next]
            self.next += 1
        self.now = until


def optimum(gaps: tuple[float, ...]) -> float:
    """Billed seconds of who knows the future, and lets nobody wait: it stops at once where that costs less."""
    back = RESTART_S * (1 + TWICE)
    return sum(JOB_S + min(gap, back + STOPPING_S) for gap in gaps[:-1]) + back + JOB_S + STOPPING_S


def play(trace: Trace, settings: AutostopSettings) -> Play:
    """One trace under one controller."""
    found = Play(trace.gaps, random.Random(trace.seed))
    found.run(settings)
    return found


def measure() -> Report:
    """All traces under all controllers."""
    ours: list[float] = []
    rows: dict[str, dict[str, Any]] = {}
    billed = best = 0.0
    for trace in traces():
        least = optimum(trace.gaps)
        rows[trace.name] = {"what": trace.what, "seed": trace.seed, "requests": len(trace.arrivals),
                            "optimum, hours": round(least / HOUR, 2)}  # fmt: skip
        for name, settings in POLICIES.items():
            found = play(trace, settings)
            rows[trace.name][name] = {
                "over the optimum": round(found.billed / least, 3),
                "billed, hours": round(found.billed / HOUR, 2),
                "restarts": len(found.waits),
                "late requests, part": round(len(found.waits) / len(trace.arrivals), 4),
                "late requests, median wait in seconds": round(statistics.median(found.waits), 1),
            }
            if name == OURS:
                ours.append(found.billed / least)
                billed += found.billed
                best += least
        rows[trace.name]["never stopped"] = {
            "over the optimum": round((trace.arrivals[-1] - trace.arrivals[0]) / least, 3)
        }
    return Report(
        "autostop",
        "billed seconds, learned / clairvoyant, for each kind of use",
        ours,
        [1.0] * len(ours),
        at_most=1.35,
        notes={"all of them together": round(billed / best, 3), "why": WHY, "kinds of use": rows},
    )
