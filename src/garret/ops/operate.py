"""Begin an execution in a process of its own, look on, and rejoin it: what is around every verb of cloud calls."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from garret.errors import GarretError, Interrupted, OperationError
from garret.ops.execution import CANCELLED, FAILED, HERE, RUNNING, SUCCESS, Execution, error_of, now
from garret.ops.execution_files import ExecutionFiles
from garret.ops.tell import Teller

if TYPE_CHECKING:
    from garret.ops.roles import Clock

OPERATOR = "garret.commands.operator"
LOOK_S, LONGEST_LOOK_S = 0.02, 0.25
START_S = 60.0
"""How long a process may take to start on a machine that is busy."""


class Looker(Teller, Protocol):
    """Someone who looks on: a Teller that takes notes, too."""

    def note(self, text: str) -> None:
        """A line beside the answer."""

    def waiting(self, label: str, seconds: float) -> None:
        """Something goes on of which nobody knows the end."""


@dataclass(frozen=True)
class Operator:
    """Starts the processes that carry executions out, with this environment."""

    files: ExecutionFiles
    environment: Mapping[str, str]

    def begin(self, wanted: Execution, secrets: Mapping[str, str]) -> tuple[Execution, bool]:
        """The execution that does what is wanted, and whether it was under way before.

        The same verb with the same parameters is not begun a second time: one that runs is joined, and one whose
        process has gone in its middle is taken up.
        """
        with self.files.gate():
            open_ones = [one for one in self.files.all() if one.place == HERE and one.verb == wanted.verb]
            for one in open_ones if wanted.once else ():
                same = one.parameters == wanted.parameters and not wanted.needs and not one.needs
                if not one.ended and same:
                    return one, True
                if (one.error or {}).get("died"):
                    if same and one.region == wanted.region:
                        return self._start(one, secrets) or one, True
                    self._close(one, wanted)
            self.files.tidy()
            return self._start(wanted, secrets) or wanted, False

    def take_up(self, execution: Execution) -> Execution:
        """Go on with one whose process has gone in its middle; one that ended or runs stays as it is.

        Raises:
            OperationError: it cannot be taken up without being given anew.
        """
        if not (execution.error or {}).get("died"):
            return execution
        if execution.needs or not execution.once:
            raise error_of(execution.error or {})
        return self._start(execution, {}) or self.files.get(execution.id)

    def _start(self, execution: Execution, secrets: Mapping[str, str]) -> Execution | None:
        """Start its process, and wait until that has everything; None when another one is at it already."""
        lock = self.files.seal(execution.id)
        if lock is None:
            return None
        try:
            self.files.forget_cancel(execution.id)
            self._spawn(execution, lock, secrets)
        finally:
            os.close(lock)  # the process that was started holds it on
        try:
            self._wait_for_record(execution)
        except KeyboardInterrupt:
            raise stopped_looking(execution) from None
        return self.files.read(execution.id)

    def _wait_for_record(self, execution: Execution) -> None:
        deadline = time.monotonic() + START_S
        while not self.files.exists(execution.id):
            held = self.files.held(execution.id)
            # Asked once more: a process that has just ended may have left its record.
            if not self.files.exists(execution.id) and (not held or time.monotonic() > deadline):
                raise OperationError(
                    f"the process that is to carry out {execution.verb} did not start: {self._last_words(execution)}",
                    f"see {self.files.log(execution.id)}",
                )
            time.sleep(LOOK_S)

    def _spawn(self, execution: Execution, lock: int, secrets: Mapping[str, str]) -> None:
        log = os.open(self.files.log(execution.id), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            # -P: a file in the folder that garret is called in must not pass for one of its modules.
            child = subprocess.Popen(
                [sys.executable, "-P", "-m", OPERATOR, execution.id, str(lock)],
                stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True, pass_fds=(lock,),
                env=dict(self.environment),
            )  # fmt: skip
        finally:
            os.close(log)
        order = {"folder": str(self.files.folder), "execution": execution.to_dict(), "secrets": dict(secrets)}
        with suppress(BrokenPipeError), child.stdin as pipe:  # type: ignore[union-attr]
            pipe.write(json.dumps(order).encode())
        child.returncode = 0  # nobody waits for it: it outlives this process

    def _last_words(self, execution: Execution) -> str:
        lines = self.files.log(execution.id).read_text("utf-8", "replace").strip().splitlines()
        return lines[-1][-300:] if lines else "it said nothing"

    def _close(self, old: Execution, by: Execution) -> None:
        error = {"type": "OperationError", "message": f"its process ended in its middle; {by.verb} was given anew",
                 "hint": f"garret ops executions show {by.id}"}  # fmt: skip
        self.files.save(replace(self.files.read(old.id), status=FAILED, ended_at=now(), error=error))


def look_on(files: ExecutionFiles, execution: Execution, tell: Looker, clock: Clock) -> Execution:
    """Tell what is told of an execution until it has ended; Ctrl-C ends the looking only.

    Raises:
        Interrupted: says how to look again.
    """
    offset, shown, pause = 0, "", LOOK_S
    try:
        while True:
            found = files.get(execution.id)
            lines, offset = files.said(execution.id, offset)
            for line in lines:
                _repeat(line, tell)
            shown = _progress(found, shown, tell)
            if found.ended:
                return found
            if not found.progress.get("done"):
                _waiting(found, tell)
            pause = LOOK_S if lines else min(pause * 1.3, LONGEST_LOOK_S)
            clock.sleep(pause)
    except KeyboardInterrupt:
        raise stopped_looking(execution) from None


def stopped_looking(execution: Execution) -> Interrupted:
    """What is said after Ctrl-C: it goes on."""
    return Interrupted(
        f"stopped looking; {execution.verb} goes on (execution {execution.id})",
        f"garret ops executions wait {execution.id}; to end it: garret ops executions cancel {execution.id}",
    )


def output_of(execution: Execution) -> dict[str, Any]:
    """What an execution that has ended brought.

    Raises:
        GarretError: the verb's own error; or it was cancelled, or its process has gone.
    """
    if execution.status == SUCCESS:
        return execution.output
    raise _failure(execution)


def _failure(execution: Execution) -> GarretError:
    record = execution.error or {}
    if execution.status == CANCELLED and not record:
        record = {"type": "Cancelled", "message": f"{execution.verb} was cancelled", "hint": "garret status"}
    error = error_of(record)
    if record.get("died"):
        error = OperationError(f"{error.message} (execution {execution.id})", error.hint)
    return error


def _repeat(line: Mapping[str, Any], tell: Looker) -> None:
    speak: dict[str, Callable[..., None]] = {"say": tell.say, "note": tell.note, "stage": tell.stage}
    if line.get("what") in speak:
        speak[line["what"]](*line["values"])


def _waiting(execution: Execution, tell: Looker) -> None:
    """Tell of the part that runs, for how long it has."""
    part: Mapping[str, Any] = next((one for one in reversed(execution.tasks) if one["status"] == RUNNING), {})
    if part.get("began_at"):
        since = datetime.now(UTC) - datetime.fromisoformat(str(part["began_at"]))
        tell.waiting(f"{execution.verb}, {part['name']}", max(0.0, since.total_seconds()))


def _progress(execution: Execution, shown: str, tell: Looker) -> str:
    progress = execution.progress
    text = json.dumps(progress)
    if text != shown and progress.get("done"):
        label = str(progress.get("label") or execution.verb)
        tell.progress(label, int(progress["done"]), progress.get("total"))
    return text
