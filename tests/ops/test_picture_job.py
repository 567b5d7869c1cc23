"""Pictures are waited for as long as their job goes on, across lost replies and a service that is started anew."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from garret.errors import NotReady, OperationError, UsageError
from garret.ops.endpoint import Endpoint
from garret.ops.picture_job import QUEUE_S, SILENCE_S, STALL_S, PictureJob
from tests.ops.fake import PICTURE, FakeClock
from tests.service_runtime.living import fake_settings, free_port, launch, serving, wait

SMALL = {"prompt": "a", "width": 64, "height": 64, "steps": 20}


def test_a_job_outlives_the_service_that_accepted_it(tmp_path: Path) -> None:
    """kill -9 in the middle, and another process at the same address: the same job, made once."""
    settings = fake_settings(tmp_path, port=free_port(), fake_seconds=2.0)
    with serving(settings) as first, ThreadPoolExecutor(1) as callers:
        job = PictureJob(Endpoint(f"http://{first.host}:{first.port}", "t"), SMALL, look_s=0.3)
        made = callers.submit(job.make)
        wait(lambda: [one["state"] for one in first.call("GET", "/v1/jobs").json] == ["Running"], 10, "it to run")
        first.kill()
        second = launch(replace(settings, fake_seconds=0.1))
        try:
            (picture,) = made.result(timeout=20)
            assert picture.startswith(b"\x89PNG")
            assert len(second.call("GET", "/v1/jobs").json) == 1
        finally:
            second.kill()


def record(state: str, **said: Any) -> dict[str, Any]:
    """A job as a service shows it."""
    over = state not in ("Queued", "Running")
    return {
        "url": "/v1/jobs/1", "state": state, "ended_at": 1.0 if over else None, "position": 0,
        "pictures": [{"url": "/v1/jobs/1/pictures/0"}], **said,
    }  # fmt: skip


@dataclass
class Script:
    """An endpoint that answers by a script; each answer is a record, or an error to raise."""

    answers: Callable[[int], Any]
    url: str = "http://node"
    asked: list[str] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)

    def post(self, path: str, body: Any, timeout_s: float, headers: dict[str, str]) -> Any:  # noqa: ARG002
        """Accept."""
        self.keys.add(headers["Idempotency-Key"])
        return self._next("POST")

    def get(self, path: str, timeout_s: float) -> Any:  # noqa: ARG002
        """Show."""
        return self._next("GET")

    def delete(self, path: str, timeout_s: float) -> Any:  # noqa: ARG002
        """Cancel."""
        self.asked.append("DELETE")

    def file(self, path: str) -> bytes:  # noqa: ARG002
        """Fetch."""
        return PICTURE

    def _next(self, method: str) -> Any:
        self.asked.append(method)
        answer = self.answers(len(self.asked))
        if isinstance(answer, BaseException):
            raise answer
        return answer


def waited(script: Script, each_s: float = 0.0) -> tuple[Callable[[], list[bytes]], FakeClock]:
    """A job on a script, and the clock it goes by; each look takes `each_s`."""
    clock = FakeClock()
    inner = script.answers

    def answers(number: int) -> Any:
        clock.now += each_s
        return inner(number)

    script.answers = answers
    return PictureJob(script, SMALL, clock=lambda: clock.now, sleep=clock.sleep).make, clock  # type: ignore[arg-type]


def lost(cause: Exception) -> NotReady:
    """A reply that did not come."""
    error = NotReady("the connection broke")
    error.__cause__ = cause
    return error


def test_a_job_that_goes_on_is_waited_for_hours() -> None:
    """A step every ten minutes is one."""
    steps = [record("Running", progress={"step": step}) for step in range(40)]
    make, clock = waited(Script(lambda number: [*steps, record("Success")][number - 1]), each_s=600)
    assert make() == [PICTURE]
    assert clock.now > 6 * 3600


def test_how_far_it_is_is_told() -> None:
    """Its place in line, then its share and step."""
    progress = {"share": 0.4, "stage": "painting", "step": 2, "steps": 5}
    answers = [record("Queued", position=3), record("Running", progress=progress), record("Success")]
    told: list[tuple[float, str]] = []
    job = PictureJob(Script(lambda number: answers[number - 1]), SMALL)  # type: ignore[arg-type]
    job.told = lambda share, where: told.append((share, where))
    assert job.make() == [PICTURE]
    assert told == [(0.0, "number 3 in line"), (0.4, "painting, step 2 of 5")]


@pytest.mark.parametrize(("state", "patience"), [("Running", STALL_S), ("Queued", QUEUE_S)])
def test_a_job_that_stands_still_is_given_up(state: str, patience: float) -> None:
    """And cancelled: nobody would fetch it."""
    script = Script(lambda _: record(state, position=3))
    make, clock = waited(script, each_s=20)
    with pytest.raises(NotReady, match="has not moved"):
        make()
    assert patience <= clock.now <= patience + 60
    assert script.asked[-1] == "DELETE"


def test_whoever_leaves_takes_the_job_along() -> None:
    """Ctrl-C: nobody would fetch it."""
    script = Script(lambda number: record("Running") if number == 1 else KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        waited(script)[0]()
    assert script.asked == ["POST", "GET", "DELETE"]


def test_a_lost_reply_is_asked_for_with_the_same_key() -> None:
    """Whether the job was accepted, only the service knows; a node where nobody listens is told at once."""
    broken = [lost(ConnectionResetError()), lost(http.client.RemoteDisconnected()), record("Success")]
    script = Script(lambda number: broken[number - 1])
    assert waited(script)[0]() == [PICTURE]
    assert (script.asked, len(script.keys)) == (["POST"] * 3, 1)
    silent = Script(lambda _: lost(ConnectionRefusedError()))
    with pytest.raises(NotReady):
        waited(silent)[0]()
    assert silent.asked == ["POST"]


def test_an_older_node_is_named_as_such() -> None:
    """It says that there is no such route, which says little to who typed a prompt."""
    make, _ = waited(Script(lambda _: UsageError("POST /v1/jobs: Not Found", "GET /docs lists the routes")))
    with pytest.raises(UsageError, match="older garret"):
        make()


def test_a_service_that_is_away_has_a_while_to_come_back() -> None:
    """Then it is told."""
    answers = [record("Running"), *[lost(ConnectionRefusedError())] * 5, record("Success")]
    assert waited(Script(lambda number: answers[number - 1]))[0]() == [PICTURE]
    gone = Script(lambda number: record("Running") if number == 1 else lost(ConnectionRefusedError()))
    make, clock = waited(gone)
    with pytest.raises(NotReady):
        make()
    assert SILENCE_S <= clock.now <= SILENCE_S + 30


@pytest.mark.parametrize(
    ("state", "error", "kind"),
    [
        ("Failed", {"error": "OutOfMemory", "message": "16 GiB asked"}, OperationError),
        ("Failed", {"error": "ModelError", "message": "mine is broken"}, UsageError),
        ("Cancelled", {"error": "Cancelled", "message": "by its owner"}, OperationError),
    ],
)
def test_how_a_job_ended_is_told(state: str, error: dict[str, str], kind: type[Exception]) -> None:
    """In the service's words."""
    with pytest.raises(kind, match=error["message"]):
        waited(Script(lambda _: record(state, error=error)))[0]()
