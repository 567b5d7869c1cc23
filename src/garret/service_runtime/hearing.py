"""What workers tell of their batches, and what it means for the jobs: begun, tried again, failed, done."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Coroutine
from typing import Any

from garret.service_runtime.background import Background
from garret.service_runtime.errors import TimedOut, Unavailable, from_record
from garret.service_runtime.extensions.trial import Trial
from garret.service_runtime.live import LiveJobs
from garret.service_runtime.messages import Made, Previewed, Stepped
from garret.service_runtime.renewal import Renewal
from garret.service_runtime.results import Results
from garret.service_runtime.scheduler import Assignment, Scheduler
from garret.service_runtime.tally import Tally

logger = logging.getLogger(__name__)


class Hearing:
    """The workers' Listener; `say_ready` is awaited once, when the first worker asks for work."""

    def __init__(
        self,
        *,
        live: LiveJobs,
        scheduler: Scheduler,
        results: Results,
        tally: Tally,
        background: Background,
        trial: Trial,
        renewal: Renewal,
        say_ready: Callable[[], Coroutine[Any, Any, None]],
        ready: Callable[[], int],
    ) -> None:
        self._live = live
        self._scheduler = scheduler
        self._results = results
        self._tally = tally
        self._background = background
        self._trial = trial
        self._renewal = renewal
        self._say_ready = say_ready
        self._ready = ready
        self._was_ready = False
        self.down = ""
        """Why no worker comes up; empty as soon as one is there."""

    def next_assignment(self, held: Collection[str] = (), elsewhere: Collection[str] = ()) -> Assignment | None:
        """Give a worker that is ready its next batch."""
        self.down = ""
        if not self._was_ready:
            self._was_ready = True
            self._background.spawn(self._say_ready())
        return None if self._renewal.is_due else self._scheduler.take(held, elsewhere)

    def started(self, assignment: Assignment) -> None:
        """Note the jobs that a worker has begun."""
        self._tally.began(assignment)
        for live in self._live.of(assignment):
            self._live.begin(live)

    def stepped(self, assignment: Assignment, stepped: Stepped) -> None:
        """Note progress."""
        for live in self._live.of(assignment):
            live.step, live.steps, live.stage = stepped.done, stepped.total, stepped.stage
            live.beside = frozenset(task.index for task in assignment.tasks if task.job_id == live.job_id)

    def previewed(self, assignment: Assignment, preview: Previewed) -> None:
        """Hold what a picture looks like so far; nothing of it goes to the disk."""
        task = assignment.tasks[preview.index]
        live = self._live.get(task.job_id)
        if live is not None:
            live.previews[task.index] = preview

    def made(self, assignment: Assignment, made: Made) -> None:
        """Save a picture, off the path to the next one."""
        task = assignment.tasks[made.index]
        self._tally.made(assignment)
        live = self._live.get(task.job_id)
        if live is not None and task.index not in live.made:
            live.made.add(task.index)
            self._background.spawn(self._results.save(live, task.index, made))

    def failed(self, assignment: Assignment, error: str, message: str) -> None:
        """Try each picture of a failed batch alone, and with little memory if that does not fit; else fail the job."""
        if len(assignment.tasks) > 1 and error != "ModelError":
            self._live.again_alone(assignment)
            return
        if error == "OutOfMemory" and assignment.batch.memory != "low":
            jobs = [live.job_id for live in self._live.of(assignment)]
            logger.warning("out of memory, once again with little of it: %s", message, extra={"jobs": jobs})
            self._live.again_alone(assignment, memory="low")
            return
        for live in self._live.of(assignment):
            self._live.fail(live, from_record(error, message))

    def lost(self, begun: list[Assignment], waiting: Assignment | None, error: str, reason: str) -> None:
        """Put back what a dead worker had; a job whose worker died twice is told so."""
        if waiting is not None:
            self._scheduler.put_back(waiting.tasks)
        if begun:
            logger.warning(
                "lost a worker: %s",
                reason,
                extra={"jobs": [live.job_id for one in begun for live in self._live.of(one)]},
            )
        # The last one is what ran; those before it were only being decoded, and go first again. Which of them it was is
        # not known before each has been by itself.
        for assignment in reversed(begun):
            hung = error == "TimedOut" and len(begun) == 1
            for live in self._live.of(assignment):
                live.deaths += 1
                if live.deaths > 1 or (hung and len(assignment.tasks) == 1):
                    tries = f" (tried {live.deaths} times)" if live.deaths > 1 else ""
                    self._live.fail(live, (TimedOut if error == "TimedOut" else Unavailable)(reason + tries))
            self._live.again_alone(assignment)

    def no_worker(self, reason: str) -> None:
        """Tell everybody who waits that no worker comes up."""
        self.down = reason
        if self._trial.roll_back(f"no worker came up with it: {reason}"):
            self._renewal.ask()
        if self._ready() == 0:
            for live in self._live.all:
                self._live.fail(live, Unavailable(f"no worker comes up: {reason}"))
