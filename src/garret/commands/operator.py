"""The process that carries one execution out, without a terminal: `python -m garret.commands.operator ID [LOCK]`.

The command that begins it hands over the execution's lock as an open descriptor, and on stdin, as JSON, its folder,
its record and its secrets: either all of it arrives, or nothing begins.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from garret.commands.door import Caller
from garret.console import Console, as_garret_error
from garret.errors import Cancelled, OperationError
from garret.ops.crash import Crash
from garret.ops.deployment import Deployment
from garret.ops.execution import Execution
from garret.ops.execution_files import ExecutionFiles, find_files
from garret.ops.journal import Journal
from garret.ops.recorder import Recorder
from garret.ops.verbs import load
from garret.ops.work import Work
from garret.settings import home_folder


class RecordedConsole(Console):
    """What the door to the cloud says goes where whoever looks on finds it."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder

    def say(self, text: str = "") -> None:
        """Keep a line."""
        self._recorder.say(text)

    def note(self, text: str) -> None:
        """Keep a line beside the answer."""
        self._recorder.note(text)


def main(arguments: list[str]) -> int:
    """Carry out one execution; 0 when it ended well."""
    identifier = arguments[0]
    said = b"" if sys.stdin.isatty() else sys.stdin.buffer.read()
    if len(arguments) > 1:
        lock: int | None = int(arguments[1])
        order: dict[str, Any] = json.loads(said)
        files, execution = ExecutionFiles(Path(order["folder"])), Execution.from_dict(order["execution"])
    else:
        files, order = find_files(home_folder(os.environ), identifier), {}
        lock, execution = files.seal(identifier), files.read(identifier)
    if lock is None:
        return 0  # another process is at it
    os.set_inheritable(lock, False)
    return _carry_out(Recorder(files, execution), files, order.get("secrets", {}))


def _carry_out(recorder: Recorder, files: ExecutionFiles, secrets: dict[str, str]) -> int:
    recorder.begin()
    try:
        output = load(recorder.execution.verb)(_work(recorder, files, secrets))
    except BaseException as error:  # noqa: BLE001 - whatever it was, the record says how it ended
        known = as_garret_error(error)
        if known is not error:
            traceback.print_exc()
        recorder.fail(known, cancelled=isinstance(known, Cancelled))
        return 1
    recorder.end(output)
    return 0


def _work(recorder: Recorder, files: ExecutionFiles, secrets: dict[str, str]) -> Work:
    execution = recorder.execution
    if missing := set(execution.needs) - set(secrets):
        raise OperationError(
            f"{execution.verb} was not told its {', '.join(sorted(missing))}: the command ended too early",
            f"garret ops {execution.verb} …   (the same command again)",
        )
    caller = Caller(RecordedConsole(recorder), os.environ, execution.cloud, execution.region or None)
    crash = Crash.from_environment(os.environ)
    deployment = Deployment(execution.deployment, Journal(files.folder.parent))
    settings = caller.settings()
    return Work(
        cloud=caller.cloud_of(settings, deployment),
        deployment=deployment,
        tell=recorder,
        crash=crash,
        parameters=execution.parameters,
        secrets=secrets,
        asked_to_cancel=lambda: files.asked_to_cancel(execution.id),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
