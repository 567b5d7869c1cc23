"""Autostop: a node that nobody has needed for long enough has itself stopped; a refusal is said, and tried again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from garret.service_runtime.idle import Idle
from garret.service_runtime.self_stop import StopRefused

logger = logging.getLogger(__name__)

LONGEST_PAUSE_S = 15.0
FIRST_RETRY_S = 30.0
LONGEST_RETRY_S = 600.0
STOPPING_S = 300.0
"""How long the cloud may take over a stop that it has accepted, before it is asked again."""

Busy = Callable[[], Awaitable[str]]


@dataclass
class Autostop:
    """The watch over one node; `busy` says in words what is going on, or nothing; 0 seconds means never."""

    after_s: float
    idle: Idle
    busy: Busy
    stop: Callable[[], None]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    tries: int = 0
    refused: str = ""
    asked: bool = field(default=False, init=False)

    async def watch(self) -> None:
        """Look at intervals, and stop the node when its time has come; goes on until it is cancelled."""
        pause = min(LONGEST_PAUSE_S, self.after_s / 4)
        while True:
            await self.sleep(pause)
            await self.look()
            pause = min(LONGEST_PAUSE_S, self.after_s / 4)
            if self.asked:
                pause = STOPPING_S
            elif self.refused:
                pause = min(FIRST_RETRY_S * 2 ** (self.tries - 1), LONGEST_RETRY_S)

    async def look(self) -> None:
        """Look once: what is going on counts as life, and enough silence stops the node."""
        doing = await self.busy()
        if doing:
            self.idle.touch(doing)
        if self.idle.seconds < self.after_s:
            self.tries, self.refused, self.asked = 0, "", False
            return
        self.tries += 1
        logger.warning("autostop: idle for %.0f s (last: %s); stopping this node", self.idle.seconds, self.idle.sign)
        try:
            await asyncio.get_running_loop().run_in_executor(None, self.stop)
        except StopRefused as error:
            self.refused = str(error)
            logger.error("autostop: try %d was refused: %s", self.tries, error)
        else:
            self.asked, self.refused = True, ""

    def facts(self) -> dict[str, Any]:
        """What `status` and the page say: when it will act, and why it has not. Times are seconds."""
        left = max(0.0, self.after_s - self.idle.seconds)
        return {
            "after_s": self.after_s,
            "idle_s": round(self.idle.seconds, 1),
            "last_sign": self.idle.sign,
            "stops_in_s": round(left, 1) if self.after_s else None,
            "asked": self.asked,
            "tries": self.tries,
            "refused": self.refused,
        }
