"""All the worker processes of this node, one for each of its devices: started, fed, watched, replaced."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from functools import partial

from garret.service_runtime.extensions.trial import Trial
from garret.service_runtime.hang import Limits
from garret.service_runtime.scheduler import Assignment
from garret.service_runtime.settings import ServiceSettings
from garret.service_runtime.worker_place import Listener, Worker
from garret.service_runtime.worker_process import Process, count_devices, start_process

_LONGEST_LOOK_S = 5.0


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
        limits = Limits(self._settings.job_timeout_s, self._settings.step_timeout_s)
        for start, first in zip(self._starters, self._firsts, strict=True):
            worker = Worker(start, self._listener, limits, self, first)
            self.workers.append(worker)
            self._keepers.append(asyncio.create_task(worker.keep()))
        if self._settings.idle_unload_s:
            self._keepers.append(asyncio.create_task(self._unload_idle(self._settings.idle_unload_s)))

    async def stop(self) -> None:
        """End all processes and wait for them."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)

    def feed(self) -> None:
        """Offer work to every worker that could take some, until none takes more."""
        took = True
        while took:
            # Each one is asked in every round: a list, where any() alone would stop at the first who took some.
            took = True in [worker.feed() for worker in self.workers]

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
    def deaths(self) -> int:
        """Return how many worker processes have ended since the service started."""
        return sum(worker.deaths for worker in self.workers)

    @property
    def running(self) -> list[Assignment]:
        """Return the batches that workers have now."""
        return [assignment for worker in self.workers for assignment in worker.held]

    def held_by_idle(self, asking: Worker) -> set[str]:
        """Return the models that other workers hold who have nothing to do: what needs one of these is theirs."""
        others = [worker for worker in self.workers if worker is not asking and worker.is_idle]
        return {path for worker in others for path in worker.loaded}

    async def _unload_idle(self, after_s: float) -> None:
        while True:
            await asyncio.sleep(min(after_s / 4, _LONGEST_LOOK_S))
            for worker in self.workers:
                if worker.is_idle and worker.loaded and time.monotonic() - worker.idle_since >= after_s:
                    worker.unload()


def _start(settings: ServiceSettings, index: int, devices: int, checkpoint: Callable[[], str], trial: Trial) -> Process:
    names, stderr = trial.extensions.of_worker(), trial.worker_stderr()
    return start_process(settings, index, devices, checkpoint(), extensions=names, stderr=stderr)
