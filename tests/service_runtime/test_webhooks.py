"""Webhooks: signed as the standard has it, to public addresses only, again until they arrive, across restarts."""

from __future__ import annotations

import asyncio
import json
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from garret.service_runtime.courier import PAUSES_S, Courier
from garret.service_runtime.deliveries import DONE, GIVEN_UP, PENDING, WEBHOOK, Delivery
from garret.service_runtime.delivery_errors import NotNow
from garret.service_runtime.errors import BadRequest
from garret.service_runtime.fetching import Policy
from garret.service_runtime.job_store import JobStore
from garret.service_runtime.jobs import WAITING, Job, MadeWith
from garret.service_runtime.request import ImageRequest
from garret.service_runtime.webhooks import Webhooks, read_secret, secret_in, sign
from tests.service_runtime.living import fake_settings, serving, wait
from tests.service_runtime.receiving import Receiver, receiving

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OPEN = Policy(allow_private=True, allow_plain_http=True, timeout_s=2.0)
SMALL = {"prompt": "a", "width": 64, "height": 64, "steps": 1}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver."""
    with receiving() as found:
        yield found


def test_the_signature_is_that_of_the_standard() -> None:
    """The example of its own specification."""
    body = b'{"test": 2432232314}'
    signature = sign(read_secret(SECRET), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_is_made_once_and_kept_from_others(tmp_path: Path) -> None:
    """Long enough, and the same after a restart."""
    made = secret_in(tmp_path / "secret")
    assert secret_in(tmp_path / "secret") == made
    assert len(read_secret(made)) == 32
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(lambda _: secret_in(tmp_path / "other"), range(8)))) == 1
    for wrong in ("", "whsec_", "whsec_%%%", "whsec_YWJj"):
        with pytest.raises(ValueError, match="whsec_"):
            read_secret(wrong)


@pytest.mark.parametrize(
    ("url", "answers"),
    [
        ("http://example.com/", ["93.184.216.34"]),
        ("https://me:secret@example.com/", ["93.184.216.34"]),
        ("https://example.com/", ["10.0.0.1"]),
        ("https://example.com/", ["93.184.216.34", "127.0.0.1"]),
        ("https://[::ffff:100.100.100.200]/latest/meta-data", ["::ffff:100.100.100.200"]),
        ("https://example.com:0/", ["93.184.216.34"]),
        ("ftp://example.com/", ["93.184.216.34"]),
        ("https://example.com/" + "x" * 2000, ["93.184.216.34"]),
    ],
)
def test_an_address_that_is_not_to_be_told_is_refused(url: str, answers: list[str]) -> None:
    """Before the job is accepted."""
    hooks = Webhooks(lambda: SECRET, Policy(resolver=lambda _host, _port: answers))
    with pytest.raises(BadRequest) as refused:
        hooks.check(url)
    assert refused.value.field == "webhook"


def test_an_address_that_turned_private_later_is_not_told(receiver: Receiver) -> None:
    """Names can be made to lead elsewhere after they were looked at."""
    answers = ["93.184.216.34"]
    policy = Policy(allow_plain_http=True, timeout_s=2.0, resolver=lambda _host, _port: answers)
    hooks = Webhooks(lambda: SECRET, policy)
    hooks.check("http://example.com/")
    answers[:] = ["127.0.0.1"]
    port = int(receiver.url.rpartition(":")[2])
    with pytest.raises(Exception, match="not a public address"):
        hooks(Delivery(1, "j", WEBHOOK, f"http://example.com:{port}/", PENDING, 0, 0.0, ""), finished())
    assert receiver.came == []


def finished() -> Job:
    """A job that is over."""
    return Job("j", "admin", "Success", ImageRequest("demo", "ä", 64, 64, 4, 3.0, 1), ended_at=1.0)


def test_a_finished_job_is_told_and_signed(tmp_path: Path, receiver: Receiver) -> None:
    """By a whole service; who holds the secret can tell it from anybody else's."""
    settings = fake_settings(tmp_path, allow_private_webhook=True)
    receiver.statuses = [500]
    with serving(settings) as service:
        job = service.call("POST", "/v1/jobs?wait=10", {**SMALL, "webhook": f"{receiver.url}/hook?a=b"}).json
        assert job["state"] == "Success"
        wait(lambda: receiver.came, 5, "the first try")
        key = read_secret(service.call("GET", "/v1/webhooks/secret").json["secret"])
        wait(lambda: len(receiver.came) > 1, 15, "the second try")
        first, second = receiver.came
        for one in (first, second):
            assert (one.method, one.path) == ("POST", "/hook?a=b")
            identifier, at = one.headers["webhook-id"], int(one.headers["webhook-timestamp"])
            assert sign(key, identifier, at, one.body) == one.headers["webhook-signature"]
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        told = json.loads(second.body)
        assert (told["type"], told["data"]["id"]) == ("job.success", job["id"])
        wait(lambda: shown(service, job)["state"] == DONE, 5, "it to be noted")
        assert (shown(service, job)["tries"], shown(service, job)["said"]) == (2, "200")
    with serving(replace(settings, allow_private_webhook=False)) as service:
        refused = service.call("POST", "/v1/jobs", {**SMALL, "webhook": receiver.url})
        assert (refused.status, refused.json["field"]) == (422, "webhook")


def shown(service: Any, job: dict[str, Any]) -> dict[str, Any]:
    """What a job's owner sees of its only delivery."""
    (one,) = service.call("GET", job["url"]).json["deliveries"]
    return dict(one)


class Clock:
    """Time that passes when it is told to."""

    now = 1000.0

    def __call__(self) -> float:
        """Seconds since 1970."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock."""
    return Clock()


def ended(path: Path, clock: Clock, url: str) -> JobStore:
    """A store with one finished job that somebody is to be told of."""
    store = JobStore(path, clock=clock)
    store.add(Job("j", "admin", WAITING, finished().request, created_at=1.0, webhook=url))
    store.finish("j", {}, MadeWith())
    return store


def test_tries_go_on_after_a_restart_with_longer_pauses(tmp_path: Path, clock: Clock, receiver: Receiver) -> None:
    """Each try by another process, as it were; after the last one it is given up."""
    receiver.statuses = [500] * 20
    ended(tmp_path / "jobs.sqlite", clock, receiver.url).close()
    for tried in range(len(PAUSES_S) + 1):
        store = JobStore(tmp_path / "jobs.sqlite", clock=clock)
        courier = Courier(store, {WEBHOOK: Webhooks(lambda: SECRET, OPEN, clock)})
        (one,) = store.deliveries.due()
        assert one.tries == tried
        courier.carry(one)
        assert store.deliveries.due() == []
        if tried < len(PAUSES_S):
            clock.now += PAUSES_S[tried] * 1.21
        store.close()
    store = JobStore(tmp_path / "jobs.sqlite", clock=clock)
    (one,) = store.deliveries.of("j")
    assert (one.state, one.tries, one.said) == (GIVEN_UP, len(PAUSES_S) + 1, "the address answers with 500")
    assert len(receiver.came) == len(PAUSES_S) + 1
    store.close()


def test_what_cannot_be_told_is_given_up_at_once(tmp_path: Path, clock: Clock, receiver: Receiver) -> None:
    """410; and a redirect is not followed, since it could lead anywhere."""
    receiver.statuses = [302, 410]
    store = ended(tmp_path / "jobs.sqlite", clock, receiver.url)
    courier = Courier(store, {WEBHOOK: Webhooks(lambda: SECRET, OPEN, clock)})
    for state in (PENDING, GIVEN_UP):
        courier.carry(store.deliveries.of("j")[0])
        assert store.deliveries.of("j")[0].state == state
    assert len(receiver.came) == 2
    store.close()


def test_an_end_and_who_is_to_be_told_are_written_together(tmp_path: Path, clock: Clock) -> None:
    """Whatever the end is; and a job that ends once is told once."""
    store = JobStore(tmp_path / "jobs.sqlite", clock=clock)
    for name in "abc":
        store.add(Job(name, "admin", WAITING, finished().request, webhook="https://example.com/"))
    store.fail("a", "OutOfMemory", "too large")
    store.cancel("b", "nobody waits")
    store.expire("c", "too late")
    store.fail("a", "ServiceError", "late")
    assert [one.job_id for one in store.deliveries.due()] == ["a", "b", "c"]
    store.close()


def test_what_cannot_be_noted_is_not_told_again_at_once(tmp_path: Path, clock: Clock) -> None:
    """A full disk must not turn one piece of news into thousands."""
    store = ended(tmp_path / "jobs.sqlite", clock, "http://example.com/")
    with closing(sqlite3.connect(tmp_path / "jobs.sqlite")) as other:
        other.execute("CREATE TRIGGER full BEFORE UPDATE ON deliveries BEGIN SELECT RAISE(ABORT, 'disk full'); END")
        other.commit()
    tries: list[Delivery] = []

    def carry(one: Delivery, _: Job) -> str:
        tries.append(one)
        return "200"

    async def run() -> None:
        courier = Courier(store, {WEBHOOK: carry})
        with suppress(TimeoutError):
            await asyncio.wait_for(courier.run(), 0.5)

    asyncio.run(run())
    store.close()
    assert len(tries) == 1


def test_who_answers_a_byte_at_a_time_is_hung_up_on() -> None:
    """Each byte is in time, the whole would take for ever; other news must not wait behind it."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            end, _ = server.accept()
            with end, suppress(OSError):
                while True:
                    end.sendall(b"H")
                    time.sleep(0.05)

        thread = threading.Thread(target=drip)
        thread.start()
        hooks = Webhooks(lambda: SECRET, replace(OPEN, timeout_s=0.3))
        one = Delivery(1, "j", WEBHOOK, f"http://127.0.0.1:{server.getsockname()[1]}/", PENDING, 0, 0.0, "")
        began = time.monotonic()
        with pytest.raises(NotNow):
            hooks(one, finished())
        assert time.monotonic() - began < 5
        thread.join()
