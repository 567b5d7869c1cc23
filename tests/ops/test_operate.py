"""An execution begins once, outlives whoever began it, is taken up where it broke off, and says how it ended."""

from __future__ import annotations

import inspect
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import garret.errors
from garret.errors import Cancelled, CloudError, GarretError, OperationError, UsageError
from garret.ops.cloud import SystemClock
from garret.ops.crash import Crash
from garret.ops.execution import CANCELLED, FAILED, RUNNING, STARTED, SUCCESS, Execution, error_of, error_record
from garret.ops.execution_files import KEPT, ExecutionFiles, find_files
from garret.ops.known_executions import cancel_here
from garret.ops.operate import Operator, look_on, output_of
from garret.ops.recorder import Recorder
from garret.ops.work import Work
from tests.ops.fake import FakeClock, Listener, World, cloud_of, deployment_in


class Notes(Listener):
    """Someone who looks on."""

    def note(self, text: str) -> None:
        """Remember a line beside the answer."""
        self.lines.append(f"note {text}")

    def waiting(self, label: str, seconds: float) -> None:  # noqa: ARG002 - the Protocol names the arguments
        """Remember what is waited for, once."""
        if f"waiting for {label}" not in self.lines:
            self.lines.append(f"waiting for {label}")


@pytest.fixture
def files(tmp_path: Path) -> ExecutionFiles:
    """The executions of a deployment that this home knows nothing else of."""
    folder = tmp_path / "deployments/local/garret/executions"
    folder.mkdir(parents=True)
    return ExecutionFiles(folder)


@pytest.fixture
def operator(files: ExecutionFiles, tmp_path: Path) -> Operator:
    """What starts processes in that home; there is no cloud in it, so each verb ends at once with an error."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GARRET_", "ALIBABA_"))}
    return Operator(files, kept | {"GARRET_HOME": str(tmp_path)})


def wanted(**changes: Any) -> Execution:
    """What is asked for."""
    return replace(Execution("stop", "garret", cloud="local"), **changes)


def errors() -> list[type[GarretError]]:
    """Every class of the tree."""
    found = [one for _, one in inspect.getmembers(garret.errors, inspect.isclass) if issubclass(one, GarretError)]
    return [one for one in found if one.__module__ == "garret.errors"]


@pytest.mark.parametrize("kind", errors())
def test_an_error_is_the_same_after_a_record(kind: type[GarretError]) -> None:
    """Class, text, hint, what is billed, exit code and its own fields come back, through JSON."""
    names = list(inspect.signature(kind.__init__).parameters)[1:]
    words = {name: f"a {name}" for name in names if name != "retryable"}
    before = kind(**words)
    after = error_of(json.loads(json.dumps(error_record(before))))
    assert type(after) is kind
    assert after.to_dict() == before.to_dict()
    assert str(after) == str(before)


def test_an_error_of_another_garret_is_an_error() -> None:
    """A record with a class that is not known here, or with nothing, is told all the same."""
    assert type(error_of({"type": "NewError", "message": "so it is"})) is OperationError
    assert type(error_of({"type": "annotations"})) is OperationError
    assert error_of({}).message == "no reason was given"


def test_a_verb_s_own_error_comes_out_of_its_process(operator: Operator, files: ExecutionFiles) -> None:
    """The process leaves a record; the command raises what the verb raised."""
    begun, joined = operator.begin(wanted(), {})
    assert not joined
    ended = look_on(files, begun, Notes(), SystemClock())
    assert (ended.status, ended.verb, ended.place) == (FAILED, "stop", "here")
    with pytest.raises(UsageError, match="there is no deployment garret on local"):
        output_of(ended)
    assert find_files(files.folder.parents[3], begun.id) == files


def test_a_part_that_runs_is_told_with_its_time(files: ExecutionFiles) -> None:
    """Of which nobody knows the end; once bytes are counted, those are told instead."""
    recorder = Recorder(files, wanted())
    recorder.begin()
    recorder.stage("machine", "running", "stopping")
    lock = files.seal(recorder.execution.id)
    notes, clock = Notes(), FakeClock()
    clock.on_sleep = lambda: recorder.end({})
    assert look_on(files, recorder.execution, notes, clock).status == SUCCESS
    assert notes.lines == ["machine running stopping", "waiting for stop, machine"]
    assert lock is not None


def test_what_runs_is_joined(operator: Operator, files: ExecutionFiles) -> None:
    """The same verb with the same parameters is one execution, while a process is at it."""
    running = files.save(wanted(status=RUNNING, parameters={"now": True}))
    assert files.seal(running.id) is not None  # this test is the process that is at it
    assert operator.begin(wanted(parameters={"now": True}), {}) == (running, True)
    other, joined = operator.begin(wanted(parameters={"now": False}), {})
    assert (other.id != running.id, joined) == (True, False)
    often, joined = operator.begin(wanted(parameters={"now": True}, once=False), {})
    assert (often.id not in (running.id, other.id), joined) == (True, False)
    for one in (other, often):
        look_on(files, one, Notes(), SystemClock())


def test_what_broke_off_is_taken_up(operator: Operator, files: ExecutionFiles) -> None:
    """Given again, the same verb goes on with the same execution; the part that was left is not said to run."""
    task = {"name": "machine", "status": RUNNING, "began_at": "", "seconds": 1.0, "note": ""}
    broken = files.save(wanted(status=RUNNING, tasks=(task,)))
    seen = files.get(broken.id)
    assert (seen.status, "has ended in its middle" in (seen.error or {})["message"]) == (FAILED, True)
    assert f"garret ops executions wait {broken.id}" in (seen.error or {})["hint"]
    again, joined = operator.begin(wanted(), {})
    assert (again.id, joined) == (broken.id, True)
    ended = look_on(files, again, Notes(), SystemClock())
    assert (ended.status, ended.tasks[0]["status"]) == (FAILED, FAILED)
    assert "there is no deployment" in (ended.error or {})["message"], "its verb was run again, to its own end"
    assert operator.take_up(ended) == ended, "what has ended stays as it is"


def test_what_cannot_be_taken_up_says_so(operator: Operator, files: ExecutionFiles) -> None:
    """What needs a secret that nobody kept, and what is not to happen twice, is to be given anew; then the old ends."""
    for changes in ({"needs": ("password",)}, {"once": False}):
        broken = files.save(wanted(status=RUNNING, **changes))
        with pytest.raises(OperationError, match="ended in its middle") as told:
            operator.take_up(files.get(broken.id))
        assert "the same command again" in told.value.hint
    secret = files.save(wanted(status=RUNNING, needs=("password",)))
    fresh, joined = operator.begin(wanted(needs=("password",)), {"password": "not-on-any-disk"})
    assert (fresh.id != secret.id, joined) == (True, False)
    assert files.read(secret.id).status == FAILED
    look_on(files, fresh, Notes(), SystemClock())
    texts = [path.read_bytes() for path in files.folder.iterdir() if path.is_file()]
    assert not any(b"not-on-any-disk" in text for text in texts)
    assert {path.stat().st_mode & 0o077 for path in files.folder.iterdir()} == {0}, "and only their owner reads them"


def test_a_process_that_cannot_start_is_told(operator: Operator) -> None:
    """With its last words; nothing is left that looks as if it ran."""
    broken = Operator(operator.files, {**operator.environment, "PYTHONHOME": "/nowhere"})
    with pytest.raises(OperationError, match="did not start: "):
        broken.begin(wanted(), {})
    assert operator.files.all() == []


def test_cancelled_is_cancelled(files: ExecutionFiles, world: World, tmp_path: Path) -> None:
    """A process that is at it is asked; one that has gone is ended; the word is heard between two parts."""
    running, gone = files.save(wanted(status=RUNNING)), files.save(wanted(status=STARTED))
    assert files.seal(running.id) is not None
    assert cancel_here(files, running.id).status == RUNNING
    work = Work(
        cloud_of(world), deployment_in(tmp_path), Listener(), Crash(),
        asked_to_cancel=lambda: files.asked_to_cancel(running.id),
    )  # fmt: skip
    with pytest.raises(Cancelled):
        work.stop_here()
    assert cancel_here(files, gone.id).status == CANCELLED
    with pytest.raises(Cancelled, match="stop was cancelled"):
        output_of(files.get(gone.id))


def parts(work: Work) -> None:
    """A verb of several parts, that fails."""
    with work.task("outer"):
        with work.task("inner", "a note"):
            work.tell.progress("bytes", 5, 10)
            work.tell.progress("bytes", 10, 10)
        work.tell.stage("a picture", "done", "first.png", 1.5)
        raise CloudError("Do", "No", "it may not be")


def test_the_record_tells_parts_with_their_times(files: ExecutionFiles, world: World, tmp_path: Path) -> None:
    """Parts that a verb tells, and those that it marks, are tasks; whoever looks on later is told the same."""
    recorder = Recorder(files, wanted())
    recorder.begin()
    work = Work(cloud_of(world), deployment_in(tmp_path), recorder, Crash())
    with pytest.raises(CloudError):
        parts(work)
    recorder.end({"answer": 42})
    found = files.get(recorder.execution.id)
    assert [(one["name"], one["status"]) for one in found.tasks] == [
        ("outer", FAILED), ("inner", SUCCESS), ("a picture", SUCCESS),
    ]  # fmt: skip
    assert (found.tasks[1]["note"], found.tasks[2]["seconds"]) == ("a note", 1.5)
    assert (found.progress["done"], found.progress["total"], found.output) == (10, 10, {"answer": 42})
    notes = Notes()
    assert look_on(files, found, notes, SystemClock()) == found
    assert notes.lines == [
        "outer running", "inner running a note", "inner done a note", "a picture done first.png", "outer failed",
        "bytes 10/10",
    ]  # fmt: skip


def test_only_the_newest_are_kept(files: ExecutionFiles) -> None:
    """The oldest that ended go, with all their files; what has not ended stays."""
    open_one = files.save(wanted(status=RUNNING, created_at="2026-01-01T00:00:00Z"))
    lock = files.seal(open_one.id)
    for number in range(KEPT + 3):
        made = files.save(wanted(status=SUCCESS, created_at=f"2026-02-01T00:{number // 60:02d}:{number % 60:02d}Z"))
        files.say(made.id, "say", "hello")
    files.tidy()
    assert lock is not None
    assert len(files.all()) == KEPT + 1
    assert files.all()[-1].id == open_one.id
    assert len(list(files.folder.glob("*.said"))) == KEPT


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": 1}'])
def test_a_torn_record_is_no_record(files: ExecutionFiles, text: str) -> None:
    """Whatever a disk has left, the others are listed."""
    whole = files.save(wanted(status=SUCCESS))
    (files.folder / f"{'0' * 32}.json").write_text(text)
    assert [one.id for one in files.all()] == [whole.id]
    with pytest.raises(UsageError, match="there is no execution"):
        files.get("0" * 32)
