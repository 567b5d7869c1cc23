"""Writes an execution's record while its verb works: told like a person, it keeps stages as tasks with their times."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from garret.errors import GarretError
from garret.ops.execution import CANCELLED, FAILED, RUNNING, SUCCESS, Execution, error_record, now
from garret.ops.execution_files import ExecutionFiles

PROGRESS_EVERY_S = 0.25
_STATES = {"running": RUNNING, "done": SUCCESS, "failed": FAILED, "skipped": SUCCESS}


class Recorder:
    """The Teller of a verb that nobody may be looking at."""

    def __init__(self, files: ExecutionFiles, execution: Execution) -> None:
        self.files = files
        self.execution = execution
        self._began: dict[str, float] = {}
        self._progress_at = 0.0

    def save(self, **changes: Any) -> None:
        """Change the record on the disk."""
        self.execution = self.files.save(replace(self.execution, **changes))

    def begin(self) -> None:
        """Note that it runs; parts that an earlier process left in their middle did not end well."""
        tasks = tuple({**one, "status": FAILED} if one["status"] == RUNNING else one for one in self.execution.tasks)
        self.save(status=RUNNING, started_at=self.execution.started_at or now(), error=None, tasks=tasks)

    def end(self, output: dict[str, Any]) -> None:
        """Note that it went well."""
        self.save(status=SUCCESS, ended_at=now(), output=output)

    def fail(self, error: GarretError, *, cancelled: bool = False) -> None:
        """Note why it did not."""
        self.save(status=CANCELLED if cancelled else FAILED, ended_at=now(), error=error_record(error))

    # ---- Teller

    def say(self, text: str = "") -> None:
        """A line for people."""
        self.files.say(self.execution.id, "say", text)

    def note(self, text: str) -> None:
        """A line beside the answer."""
        self.files.say(self.execution.id, "note", text)

    def stage(self, name: str, state: str, detail: str = "", seconds: float | None = None) -> None:
        """A part of the work runs, or has ended."""
        self.files.say(self.execution.id, "stage", name, state, detail, seconds)
        self.save(tasks=self._with(name, state, detail, seconds))

    def progress(self, label: str, done: int, total: int | None) -> None:
        """So many bytes of so many; written not more often than anybody looks."""
        moment = time.monotonic()
        if moment - self._progress_at < PROGRESS_EVERY_S and done != total:
            return
        self._progress_at = moment
        self.save(progress={"done": done, "total": total, "unit": "bytes", "label": label})

    def _with(self, name: str, state: str, detail: str, seconds: float | None) -> tuple[dict[str, Any], ...]:
        tasks, moment = list(self.execution.tasks), time.monotonic()
        known = next(
            (number for number, one in enumerate(tasks) if one["name"] == name and one["status"] == RUNNING), -1
        )
        if known < 0:
            began = time.time() - (seconds or 0.0)
            self._began[name] = moment - (seconds or 0.0)
            at = datetime.fromtimestamp(began, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            tasks.append({"name": name, "status": RUNNING, "began_at": at, "seconds": 0.0, "note": ""})
        # What was begun here is measured here: a verb may tell the time of its last try only.
        took = moment - self._began.get(name, moment)
        status = _STATES.get(state, RUNNING)
        tasks[known] |= {"status": status, "seconds": round(took, 3), "note": detail or tasks[known]["note"]}
        return tuple(tasks)
