"""Every route but /healthz asks who calls; guessing is slowed down; other sites stay out."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from pathlib import Path

import pytest

from garret.service_runtime.auth import FAILURE_WINDOW_S, FAILURES_ALLOWED, Authenticator, Throttle, check_origin
from garret.service_runtime.errors import Busy, Forbidden, Unauthorized
from garret.service_runtime.passwords import hash_password, hash_token
from garret.service_runtime.settings import ServiceSettings
from tests.service_runtime.conftest import LOGIN, PASSWORD, TOKEN, basic
from tests.service_runtime.living import Service, fake_settings, serving


def test_every_route_but_health_wants_a_login(service: Service) -> None:
    """Also the pages, the description, unknown paths, and the lists."""
    paths = ["/", "/docs", "/openapi.json", "/ui/docs.css", "/v1/jobs", "/nothing", "/healthz/", "//healthz", "/readyz"]
    paths += [f"/sdapi/v1/{name}" for name in ("txt2img", "sd-models", "samplers", "options", "progress")]
    stranger = Service(service.process, service.host, service.port)
    for path in paths:
        for method in ("GET", "POST"):
            answer = stranger.call(method, path, b"{}" if method == "POST" else None)
            assert answer.status == 401, path
            assert answer.headers["www-authenticate"].startswith("Basic")
    assert stranger.call("POST", "/healthz").status == 401
    health = stranger.call("GET", "/healthz")
    assert (health.status, health.json) == (200, {"status": "ok", "workers": 1})
    ready = service.call("GET", "/readyz")
    assert (ready.status, ready.json) == (200, {"status": "ready", "workers": 1})
    head = stranger.call("HEAD", "/healthz")
    assert (head.status, head.body, head.headers["content-type"]) == (200, b"", "application/json")


def test_the_known_ways_in(service: Service) -> None:
    """Login and password, the token, and the token in a password's place."""
    visitor = Service(service.process, service.host, service.port)
    for header in (basic(LOGIN, PASSWORD), f"Bearer {TOKEN}", basic("anybody", TOKEN), f"bearer {TOKEN}"):
        assert visitor.call("GET", "/sdapi/v1/options", Authorization=header).status == 200


@pytest.mark.parametrize(
    "header",
    ["", "Basic", "Basic !!", "Basic YQ==", "Bearer", "Bearer ", "Digest x", "Basic \xff", "Bearer " + "x" * 5000],
)
def test_a_broken_header_is_no_login(service: Service, header: str) -> None:
    """Nor is it an error of the service."""
    visitor = Service(service.process, service.host, service.port)
    assert visitor.call("GET", "/v1/samplers", Authorization=header).status in (401, 429)


def test_another_site_cannot_use_a_visitors_login(service: Service) -> None:
    """The browser would send the login along; the origin gives it away."""
    origins = ("https://evil.example", "null", "http://[", "http://[::1", "x")
    for headers in (*({"Origin": origin} for origin in origins), {"Sec_Fetch_Site": "cross-site"}):
        assert service.call("POST", "/sdapi/v1/txt2img", {}, **headers).status == 403
    own = f"http://{service.host}:{service.port}"
    answer = service.call("POST", "/sdapi/v1/txt2img", {"width": 64, "height": 64}, Origin=own)
    assert answer.status == 200


def test_without_a_login_only_loopback_names_are_answered(tmp_path: Path) -> None:
    """A foreign name that points at this machine is another site's trick (DNS rebinding). There is no login page."""
    with serving(fake_settings(tmp_path)) as service:
        assert service.call("GET", "/", Accept="text/html").status == 200
        for path in ("/login", "/logout", "/ui/login.css"):
            assert service.call("GET", path).status == 404
        assert service.txt2img(prompt="x").status == 200
        assert service.call("GET", "/v1/samplers", Authorization="").status == 200
        for host in ("evil.example", "[", "[::1", "a b", ""):
            assert service.call("GET", "/v1/samplers", Host=host).status == 403, host
        assert service.call("GET", "/v1/samplers", Host="localhost:1").status == 200


def test_without_a_front_nobody_is_believed_to_be_another_address(tmp_path: Path) -> None:
    """A guesser on this machine that names a new address each time is slowed down all the same."""
    with serving(fake_settings(tmp_path, password_hash=hash_password(PASSWORD))) as service:
        statuses = []
        for number in range(FAILURES_ALLOWED + 1):
            headers = {"Authorization": basic(LOGIN, f"guess {number}"), "X_Forwarded_For": f"9.9.9.{number}"}
            statuses.append(service.call("GET", "/v1/jobs", **headers).status)
        assert statuses == [401] * FAILURES_ALLOWED + [429]


def authenticator(throttle: Throttle | None = None) -> Authenticator:
    """Return one that knows the tests' login."""
    settings = ServiceSettings(login=LOGIN, password_hash=hash_password(PASSWORD), token_hashes=(hash_token(TOKEN),))
    return Authenticator(settings, throttle)


def test_guessing_is_slowed_down_and_a_known_login_is_not() -> None:
    """After ten wrong passwords a minute must pass; whoever is in stays in."""
    now = [0.0]
    door = authenticator(Throttle(lambda: now[0]))

    async def story() -> None:
        assert await door.caller(basic(LOGIN, PASSWORD), "a") == LOGIN
        for number in range(FAILURES_ALLOWED):
            with pytest.raises(Unauthorized):
                await door.caller(basic(LOGIN, f"guess {number}"), "a")
        with pytest.raises(Busy) as caught:
            await door.caller(basic(LOGIN, "another"), "a")
        assert caught.value.retry_after == FAILURE_WINDOW_S + 1
        assert await door.caller(basic(LOGIN, PASSWORD), "a") == LOGIN
        assert await door.caller(f"Bearer {TOKEN}", "a") == LOGIN
        with pytest.raises(Unauthorized):
            await door.caller(basic(LOGIN, "elsewhere"), "b")
        now[0] = FAILURE_WINDOW_S + 1
        with pytest.raises(Unauthorized):
            await door.caller(basic(LOGIN, "another"), "a")

    asyncio.run(story())


def test_many_addresses_do_not_fill_the_memory_nor_free_a_busy_guesser() -> None:
    """The address silent for longest is forgotten first."""
    throttle = Throttle(lambda: 0.0, addresses=3)
    for _ in range(FAILURES_ALLOWED):
        for address in ("guesser", "a", "b"):
            throttle.fail(address)
    throttle.fail("guesser")
    throttle.fail("c")
    for address, refused in (("guesser", True), ("a", False), ("b", True)):
        with pytest.raises(Busy) if refused else nullcontext():
            throttle.check(address)


def test_the_right_password_of_another_login_does_not_open() -> None:
    """Both must fit."""
    with pytest.raises(Unauthorized):
        asyncio.run(authenticator().caller(basic("root", PASSWORD), "a"))


def test_a_service_without_password_takes_no_password() -> None:
    """An empty hash matches nothing, not the empty password."""
    door = Authenticator(ServiceSettings(token_hashes=(hash_token(TOKEN),)))
    for secret in ("", "x"):
        with pytest.raises(Unauthorized):
            asyncio.run(door.caller(basic("admin", secret), "a"))


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost", "[::1]:7860", "127.88.1.2:7860"])
def test_loopback_names_pass(host: str) -> None:
    """The local cloud's addresses are of them."""
    check_origin({"host": host}, local_only=True)


@pytest.mark.parametrize("host", ["", "10.0.0.1", "localhost.evil.example", "127.0.0.1.evil.example", "[::1"])
def test_other_names_do_not(host: str) -> None:
    """Whatever they begin with."""
    with pytest.raises((Forbidden, ValueError)):
        check_origin({"host": host}, local_only=True)
