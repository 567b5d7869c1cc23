"""The guard before every route: who calls, strangers out, the safe headers on every answer, and use noted."""

from __future__ import annotations

import time
from collections.abc import Callable

from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from garret.service_runtime.api import health, idempotency
from garret.service_runtime.api.dialects import dialect_of
from garret.service_runtime.api.refusing import error_response
from garret.service_runtime.api.turns import my_turn
from garret.service_runtime.auth import Authenticator, check_origin
from garret.service_runtime.entrance import Entrance, Entry
from garret.service_runtime.errors import ServiceError, Unauthorized, Unavailable
from garret.service_runtime.idle import PAGE, Idle, is_use
from garret.service_runtime.links import Links
from garret.service_runtime.login_page import OPEN, way_to_login
from garret.service_runtime.session_door import SessionDoor, is_scripted, wants_page

# What a front on this machine shows itself as long as there is no worker: how far the node is.
_SHOWN_BY_FRONT = ("/", "/boot.json")
_KEY = idempotency.HEADER.lower().encode("ascii")
_HEADERS = {
    "x-content-type-options": "nosniff",
    # To no other site; but forms of this one say where they come from, which `no-referrer` would have them leave out.
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
}
_ENCODED = tuple((name.encode(), text.encode()) for name, text in _HEADERS.items())
_SAID_BY_ROUTES = frozenset({b"cache-control", b"content-security-policy"})
"""What a route may know better: what never changes may be kept, and a page may need more than none."""


class Guard:
    """Stands before every route: says who calls, keeps strangers out, and puts the safe headers on every answer."""

    def __init__(
        self,
        app: ASGIApp,
        authenticator: Authenticator,
        idle: Idle,
        links: Links,
        entrance: Entrance,
        *,
        door: SessionDoor,
        local_only: bool,
        is_starting: Callable[[], bool],
    ) -> None:
        self._app = app
        self._is_starting = is_starting
        self._idle = idle
        self._authenticator = authenticator
        self._links = links
        self._entrance = entrance
        self._door = door
        self._local_only = local_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        began = time.perf_counter()

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                took = f"{time.perf_counter() - began:.4f}".encode()
                said = _SAID_BY_ROUTES.intersection(name.lower() for name, _ in message["headers"])
                safe = [header for header in _ENCODED if header[0] not in said]
                message["headers"] = [*message["headers"], *safe, (b"x-process-time", took)]
            await send(message)

        try:
            scope.setdefault("state", {})["caller"] = await self._caller(scope)
        except ServiceError as error:
            await _refusal(error, scope)(scope, receive, send_with_headers)
            return
        if not is_use(scope["path"]):
            await self._app(scope, receive, send_with_headers)
            return
        sign = "an open page" if scope["path"] == PAGE else f"{scope['method']} {scope['path'][:80]}"
        self._idle.touch(sign)

        async def receive_and_note() -> Message:
            message = await receive()
            if message.get("body"):  # a large file that comes slowly is use for as long as it comes
                self._idle.touch(sign)
            return message

        try:
            entry = self._enter(scope)
        except ServiceError as error:
            await error_response(error, scope["path"])(scope, receive, send_with_headers)
            return
        try:
            if entry is not None:
                # Whoever came in the same moment and is refused hears so before anything is done for this one.
                await my_turn()
            await self._app(scope, receive_and_note, send_with_headers)
        finally:
            if entry is not None:
                entry.leave()

    def _enter(self, scope: Scope) -> Entry | None:
        """Hold a place for what will be a job; one with an Idempotency-Key may be one already, and is let through."""
        path = scope["path"]
        keyed = any(name == _KEY for name, _ in scope["headers"])
        if keyed or not dialect_of(path).makes_job(scope["method"], path):
            return None
        return self._entrance.enter(scope["state"]["caller"])

    async def _caller(self, scope: Scope) -> str:
        if scope["path"] == health.OPEN and scope["method"] in ("GET", "HEAD"):
            return ""
        if scope["path"] in _SHOWN_BY_FRONT and self._is_starting():
            raise Unavailable("the service is starting", retry_after=5)
        connection = HTTPConnection(scope)
        header = connection.headers.get("authorization", "")
        if self._linked(scope, with_login=bool(header)):
            # Whatever page shows it: who has it can make no other.
            scope["state"]["linked"] = True
            return ""
        if not self._local_only and not header and (scope["method"], scope["path"]) in OPEN:
            return ""
        check_origin(connection.headers, local_only=self._local_only)
        if self._local_only or header:
            address = connection.client.host if connection.client else ""
            return await self._authenticator.caller(header, address)
        return await self._door.caller(connection)

    def _linked(self, scope: Scope, *, with_login: bool) -> bool:
        try:
            return self._links.opens(scope)
        except ServiceError:
            # It was a link, and is over; a login may do.
            if not with_login:
                raise
            return False


def _refusal(error: ServiceError, scope: Scope) -> Response:
    """Return what a stranger gets: somebody in a browser the way to the login page, everybody else the error."""
    if isinstance(error, Unauthorized):
        connection = HTTPConnection(scope)
        if wants_page(connection):
            return way_to_login(connection)
        error.invites = not is_scripted(connection)
    return error_response(error, scope["path"])
