"""A browser's side of the login page, by hand: the form sent as a page sends it, and the cookie kept."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlencode

from tests.service_runtime.conftest import LOGIN, PASSWORD
from tests.service_runtime.living import Answer, Service

FORM = "application/x-www-form-urlencoded"


def stranger(service: Service, **headers: str) -> Service:
    """Return the same service for somebody without a login, who sends these headers each time."""
    return replace(service, headers={name.replace("_", "-"): value for name, value in headers.items()})


def own_origin(service: Service) -> str:
    """Return the origin of the service's own pages."""
    return f"http://{service.host}:{service.port}"


def send_form(service: Service, path: str = "/login", body: bytes | None = None, **fields: str) -> Answer:
    """Send a form as the service's own page does."""
    sent = body if body is not None else urlencode(fields).encode()
    return service.call("POST", path, sent, Origin=own_origin(service), Content_Type=FORM)


def cookie_of(answer: Answer) -> str:
    """Return what a browser sends from then on."""
    return answer.headers["set-cookie"].partition(";")[0]


def log_in(service: Service, **fields: str) -> Service:
    """Return the service for somebody who has just logged in on the page."""
    answer = send_form(stranger(service), login=LOGIN, password=PASSWORD, **fields)
    assert answer.status == 303, answer.body
    return stranger(service, Cookie=cookie_of(answer))
