"""Logins on the page over time: restarts, another password, guessing, idle nodes, and earlier versions."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest

from garret.service_runtime.auth import FAILURES_ALLOWED, Authenticator
from garret.service_runtime.errors import WrongLogin
from garret.service_runtime.login_page import LONGEST_DELAY_S, delay_s
from garret.service_runtime.logins import put_login
from garret.service_runtime.passwords import hash_password, hash_token
from garret.service_runtime.settings import ServiceSettings
from tests.service_runtime.conftest import LOGIN, PASSWORD, TOKEN, basic
from tests.service_runtime.living import fake_settings, serving
from tests.service_runtime.visiting import log_in, send_form, stranger

SMALL = {"prompt": "one person", "width": 64, "height": 64, "steps": 2}


@pytest.fixture
def settings(tmp_path: Path) -> ServiceSettings:
    """Those of a node whose login can be changed."""
    return fake_settings(
        tmp_path,
        password_hash=hash_password(PASSWORD),
        token_hashes=(hash_token(TOKEN),),
        login_file=str(tmp_path / "login.json"),
    )


def test_a_restart_logs_nobody_out_and_another_password_everybody(settings: ServiceSettings) -> None:
    """Also killed without a word; and who was logged out stays so."""
    with serving(settings) as service:
        inside, left = log_in(service), log_in(service)
        send_form(left, "/logout")
        service.kill()
    with serving(settings) as service:
        inside, left = (replace(one, process=service.process, port=service.port) for one in (inside, left))
        assert inside.call("GET", "/v1/jobs").status == 200
        assert left.call("GET", "/v1/jobs").status == 401
        fresh = {"login": LOGIN, "password_hash": hash_password("Another-pass-8"), "token_hash": hash_token("new")}
        put_login(settings, fresh, 0)
        told = inside.call("GET", "/v1/jobs")
        assert (told.status, told.json["code"]) == (401, "session_expired")
        shown = inside.call("GET", "/", Accept="text/html")
        assert (shown.status, shown.headers["location"]) == (303, "/login")
        assert "Your login has ended" in inside.call("GET", "/login").body.decode()
        assert send_form(stranger(service), login=LOGIN, password=PASSWORD).status == 401
        assert send_form(stranger(service), login=LOGIN, password="Another-pass-8").status == 303


def test_jobs_of_an_earlier_version_are_in_the_gallery(settings: ServiceSettings) -> None:
    """There the token's jobs were its own, and the page did not show what `garret generate` had made."""
    earlier = replace(settings, password_hash="", token_hashes=(hash_token("of an owner"), hash_token(TOKEN)))
    with serving(earlier) as service:
        made = service.call("POST", "/v1/jobs?wait=20", SMALL, Authorization=f"Bearer {TOKEN}").json
        assert made["state"] == "Success"
        service.call("POST", "/sdapi/v1/options", {"jpeg_quality": 33}, Authorization=f"Bearer {TOKEN}")
        service.terminate()
    with serving(settings) as service:
        inside = log_in(service)
        assert [one["id"] for one in inside.call("GET", "/v1/jobs").json] == [made["id"]]
        assert inside.call("GET", made["pictures"][0]["url"]).status == 200
        assert inside.call("GET", "/sdapi/v1/options").json["jpeg_quality"] == 33


def test_a_guesser_waits_longer_each_time_and_then_a_minute(settings: ServiceSettings) -> None:
    """The page says for how long; it counts with all other ways in. Scanners of the page keep no node awake."""
    with serving(settings) as service:
        before = service.call("GET", "/machine", Authorization=f"Bearer {TOKEN}").json["autostop"]
        visitor = stranger(service)
        began = time.monotonic()
        assert send_form(visitor, login=LOGIN, password="guess").status == 401
        assert time.monotonic() - began >= delay_s(1)
        for number in range(FAILURES_ALLOWED - 1):
            visitor.call("GET", "/v1/jobs", Authorization=basic(LOGIN, f"guess {number}"))
        refused = send_form(visitor, login=LOGIN, password="guess")
        assert refused.status == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 61
        assert f"Try again in {refused.headers['retry-after']} s" in refused.body.decode()
        after = service.call("GET", "/machine", Authorization=f"Bearer {TOKEN}").json["autostop"]
        assert after["last_sign"] == before["last_sign"]


def test_the_wait_grows_and_has_an_end() -> None:
    """Nobody's connection is held for long."""
    waits = [delay_s(number) for number in range(1, FAILURES_ALLOWED + 1)]
    assert waits == sorted(waits)
    assert waits[0] < waits[1] < waits[-1] == LONGEST_DELAY_S


def test_the_time_tells_nothing_of_which_logins_there_are() -> None:
    """The password's hash is computed for both."""
    door = Authenticator(ServiceSettings(login=LOGIN, password_hash=hash_password(PASSWORD)))

    def seconds(login: str, address: str) -> float:
        began = time.perf_counter()
        with pytest.raises(WrongLogin):
            asyncio.run(door.enter(login, "guess", address))
        return time.perf_counter() - began

    pairs = [(seconds(LOGIN, str(number)), seconds("nobody", str(number))) for number in range(5)]
    known, unknown = (median(times) for times in zip(*pairs, strict=True))
    assert 0.5 < known / unknown < 2.0
