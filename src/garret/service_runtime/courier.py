"""Brings what jobs' ends are to bring about, again and again with longer pauses, across any number of restarts."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from contextlib import suppress

from garret.service_runtime.background import Background
from garret.service_runtime.deliveries import DONE, GIVEN_UP, PENDING, Delivery
from garret.service_runtime.delivery_errors import GaveUp, NotNow
from garret.service_runtime.job_store import JobStore
from garret.service_runtime.jobs import Job

logger = logging.getLogger(__name__)

PAUSES_S = (5, 30, 120, 600, 1800, 7200, 18_000, 36_000)
"""After each try that failed; after the last one it is given up: about a day in all."""
LOOK_EVERY_S = 2.0
MOST_AT_A_TIME = 8
_JITTER = 0.2
_UNNOTED_S = 60.0
"""A try whose outcome could not be written down is not made again at once: the disk may be full for hours."""

Carrier = Callable[[Delivery, Job], str]
"""Delivers one; returns what was answered, raises NotNow or GaveUp."""


class Courier:
    """Carries deliveries by their kind; what is being carried when the service ends is carried again."""

    def __init__(
        self, store: JobStore, carriers: Mapping[str, Carrier], pauses_s: tuple[float, ...] = PAUSES_S
    ) -> None:
        self._store = store
        self.carriers = dict(carriers)
        self._pauses_s = pauses_s
        self._background = Background(threads=1)
        self._wake = asyncio.Event()
        self._carried: set[int] = set()

    def wake(self) -> None:
        """Look at once whether there is something to bring."""
        self._wake.set()

    async def run(self) -> None:
        """Bring what is due, several at a time, until cancelled."""
        tries: set[asyncio.Task[None]] = set()
        try:
            while True:
                self._wake.clear()
                due = await self._background.in_thread(self._store.deliveries.due, MOST_AT_A_TIME)
                for one in due:
                    if one.id not in self._carried and len(self._carried) < MOST_AT_A_TIME:
                        task = asyncio.create_task(self._try(one))
                        tries.add(task)
                        task.add_done_callback(tries.discard)
                        self._carried.add(one.id)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), LOOK_EVERY_S)
        finally:
            for task in tries:
                task.cancel()
            self._background.end_threads()

    async def _try(self, one: Delivery) -> None:
        # A thread of its own: an address that answers slowly holds up no picture, and no end of the service.
        noted: list[bool] = []
        await self._background.aside(lambda: noted.append(self.carry(one)))
        if not noted:
            await asyncio.sleep(_UNNOTED_S)
        self._carried.discard(one.id)
        self.wake()

    def carry(self, one: Delivery) -> bool:
        """Try one once, and write down what came of it; say whether it arrived."""
        job = self._store.get(one.job_id)
        carrier = self.carriers.get(one.kind)
        if job is None or carrier is None:
            self._store.deliveries.note(one, GIVEN_UP, "there is nothing to bring, or no way to bring it any more")
            return False
        try:
            said = carrier(one, job)
        except GaveUp as error:
            self._give_up(one, str(error))
        except Exception as error:  # noqa: BLE001  (whatever it was, the next one must be brought)
            said = str(error) if isinstance(error, NotNow) else f"{type(error).__name__}: {error}"
            if one.tries >= len(self._pauses_s):
                self._give_up(one, said)
                return False
            pause = self._pauses_s[one.tries] * (1 + random.uniform(-_JITTER, _JITTER))  # noqa: S311  (no secret)
            self._store.deliveries.note(one, PENDING, said, pause)
        else:
            self._store.deliveries.note(one, DONE, said)
            return True
        return False

    def _give_up(self, one: Delivery, said: str) -> None:
        logger.warning("gave up the %s of job %s after %d tries: %s", one.kind, one.job_id, one.tries + 1, said)
        self._store.deliveries.note(one, GIVEN_UP, said)
