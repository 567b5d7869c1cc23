"""How long the client waits, and for what, told by a script on a clock of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from garret.client import (
    Busy,
    JobCancelled,
    JobFailed,
    Manners,
    Refused,
    Stalled,
    Unavailable,
    Unreachable,
    Unreadable,
)
from garret.client.driver import Blocking
from garret.client.jobs import Jobs
from garret.client.models import Models
from garret.client.steps import Ask, Reply
from tests.service_runtime.api.scripted import Script, said

PICTURE = b"\x89PNG\r\n\x1a\n picture"
LOST = Unreachable("the connection broke")
NOBODY = Unreachable("refused", sent=False)


def record(state: str, **more: Any) -> dict[str, Any]:
    """A job as a service shows it."""
    ended = None if state in ("Queued", "Running") else 1.0
    pictures = [{"number": 0, "url": "/v1/jobs/1/pictures/0"}]
    return {"id": "1", "url": "/v1/jobs/1", "state": state, "ended_at": ended, "pictures": pictures, **more}


def running(step: int, **more: Any) -> dict[str, Any]:
    """A job that is being made."""
    return record("Running", progress={"step": step, "steps": 50, "stage": "denoise", "share": step / 50}, **more)


def in_turn(*answers: Any) -> Callable[[Ask], Reply | BaseException]:
    """Answer with each in its turn, the last again and again; pictures are always there."""
    left: Iterator[Any] = iter(answers)
    last: list[Any] = []

    def answer(ask: Ask) -> Reply | BaseException:
        if "/pictures/" in ask.path:
            return said(PICTURE)
        if ask.method == "DELETE":
            return said({"cancelled": True, "forgotten": False})
        last[:] = [next(left, *last)] if last else [next(left)]
        value = last[0]
        return value if isinstance(value, (BaseException, Reply)) else said(value)

    return answer


def jobs_on(script: Script) -> Jobs[Blocking]:
    """The client's jobs, on a script."""
    return Jobs(script, script.manners)


def test_a_job_that_goes_on_is_waited_for_hours() -> None:
    """A step every ten minutes is one."""
    script = Script(in_turn(*map(running, range(40)), record("Success")), each_s=600)
    assert [one.data for one in jobs_on(script).make("a")] == [PICTURE]
    assert script.now > 6 * 3600


def test_how_far_it_is_is_told() -> None:
    """Its place in line, then its share and step, and that it is there."""
    progress = {"share": 0.0, "stage": "waiting", "step": 0, "steps": 5}
    script = Script(in_turn(record("Queued", position=3, progress=progress), running(20), record("Success")))
    told: list[tuple[float, str]] = []
    jobs_on(script).make("a", told=lambda job: told.append((job.share, job.where)))
    assert told == [(0.0, "number 3 in line"), (0.4, "denoise, step 20 of 50"), (1.0, "success")]


@pytest.mark.parametrize(("state", "patience"), [("Running", Manners().stall_s), ("Queued", Manners().queue_s)])
def test_a_job_that_stands_still_is_given_up(state: str, patience: float) -> None:
    """And cancelled: nobody would fetch it."""
    script = Script(in_turn(record(state, position=3)), each_s=20)
    with pytest.raises(Stalled, match="has not moved"):
        jobs_on(script).make("a")
    assert patience <= script.now <= patience + 60
    assert script.lines[-1] == "DELETE /v1/jobs/1"


def test_whoever_leaves_takes_the_job_along() -> None:
    """Ctrl-C: nobody would fetch it; and a node that does not even take that keeps nobody."""
    script = Script(in_turn(running(1), KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        jobs_on(script).make("a")
    assert script.lines == ["POST /v1/jobs", "GET /v1/jobs/1?wait=20", "DELETE /v1/jobs/1"]
    deaf = Script(lambda ask: said(running(1)) if ask.method == "POST" else KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        jobs_on(deaf).make("a")


def test_a_lost_reply_is_asked_for_with_the_same_key() -> None:
    """Whether the job was accepted, only the service knows."""
    script = Script(in_turn(LOST, LOST, record("Success")))
    assert jobs_on(script).submit("a").succeeded
    assert script.lines == ["POST /v1/jobs"] * 3
    assert len({ask.headers["Idempotency-Key"] for ask in script.asked}) == 1


def test_where_nobody_listens_that_is_told_soon() -> None:
    """Sooner than where answers are lost on their way."""
    for error, patience in ((NOBODY, Manners().absent_s), (LOST, Manners().silence_s)):
        script = Script(in_turn(error))
        with pytest.raises(Unreachable):
            jobs_on(script).list()
        assert patience / 3 < script.now <= patience


def test_what_may_have_been_done_is_not_asked_twice() -> None:
    """What was restored is not in the bin any more; but where nobody heard of it, nothing was done."""
    script = Script(in_turn(LOST))
    with pytest.raises(Unreachable):
        Models(script, script.manners).restore("7")
    assert script.lines == ["POST /v1/bin/7/restore"]
    begun = {"name": "mine"}
    script = Script(in_turn(NOBODY, said({}, 503, retry_after="1"), begun))
    assert Models(script, script.manners).restore("7") == begun


def test_a_full_queue_is_asked_again_when_it_says_so() -> None:
    """And no longer than the client is patient; the time is the service's."""
    script = Script(in_turn(said({}, 429, retry_after="7"), said({}, 503, retry_after="3"), record("Queued")))
    assert jobs_on(script).submit("a").state == "Queued"
    assert [7 <= script.paused[0] < 8, 3 <= script.paused[1] < 4, len(script.paused)] == [True, True, 2]
    full = Script(in_turn(said({"error": "Busy", "errors": "the queue is full"}, 429, retry_after="500")))
    with pytest.raises(Busy, match="queue is full") as busy:
        jobs_on(full).submit("a")
    assert (busy.value.retry_after, full.paused) == (500, [])
    away = Script(in_turn(said({}, 503)))
    with pytest.raises(Unavailable):
        jobs_on(away).list()
    assert away.now <= Manners().retry_s


def test_a_service_that_is_away_has_a_while_to_come_back() -> None:
    """What it accepted is there when it does; then it is told."""
    script = Script(in_turn(running(1), *[NOBODY] * 5, said({}, 502), record("Success")))
    assert jobs_on(script).make("a")
    gone = Script(in_turn(running(1), NOBODY))
    with pytest.raises(Unreachable):
        jobs_on(gone).make("a")
    assert Manners().restart_s - 20 <= gone.now <= Manners().restart_s


@pytest.mark.parametrize(("state", "kind"), [("Failed", JobFailed), ("Cancelled", JobCancelled)])
def test_how_a_job_ended_is_told(state: str, kind: type[Exception]) -> None:
    """In the service's words, and without cancelling what is over."""
    script = Script(in_turn(record(state, error={"error": "OutOfMemory", "message": "16 GiB asked"})))
    with pytest.raises(kind, match="16 GiB asked") as ended:
        jobs_on(script).make("a")
    assert (ended.value.name, script.lines) == ("OutOfMemory", ["POST /v1/jobs"])  # type: ignore[attr-defined]


@pytest.mark.parametrize("answer", [b"<html>", b'"text"', b"{}", b'{"id": 1}'])
def test_what_is_no_job_is_not_taken_for_one(answer: bytes) -> None:
    """Another program may answer there."""
    with pytest.raises(Unreadable):
        jobs_on(Script(in_turn(said(answer)))).submit("a")
    with pytest.raises(Refused, match="302"):
        jobs_on(Script(in_turn(said(b"", 302, location="https://example.com/")))).submit("a")
