"""Beginning anew while callers wait: no new jobs, the running ones to their end, then the same process once more."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from garret.service_runtime.errors import Unavailable

logger = logging.getLogger(__name__)
PATIENCE_S = 120.0
_LOOK_EVERY_S = 0.05


class LiveJob(Protocol):
    """What is asked of a job here."""

    started: bool
    attached: bool


class Jobs(Protocol):
    """Who knows the jobs that are not over."""

    @property
    def live(self) -> Sequence[LiveJob]: ...


class Renewal:
    """One restart of the service from within; asked for from any thread or a signal handler."""

    def __init__(self, jobs: Jobs, end: Callable[[], None], patience_s: float = PATIENCE_S) -> None:
        self._jobs = jobs
        self._end = end
        self._patience_s = patience_s
        self.asked = False

    def ask(self) -> None:
        """Begin anew as soon as the jobs are done that somebody waits for, and at the latest after a while."""
        self.asked = True

    @property
    def is_due(self) -> bool:
        """Say whether nothing is to be begun any more: what nobody waits for is made afterwards."""
        return self.asked and not any(live.attached for live in self._jobs.live)

    def check(self) -> None:
        """Refuse new jobs meanwhile."""
        if self.asked:
            raise Unavailable("the service begins anew in a moment", "Send the request again", retry_after=5)

    async def watch(self) -> None:
        """Wait until it is asked for, let the jobs end, and end the server."""
        while not self.asked:
            await asyncio.sleep(_LOOK_EVERY_S)
        logger.info("beginning anew when the running jobs are done")
        deadline = time.monotonic() + self._patience_s
        while any(live.started or live.attached for live in self._jobs.live) and time.monotonic() < deadline:
            await asyncio.sleep(_LOOK_EVERY_S)
        self._end()
