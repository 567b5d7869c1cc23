"""How the server listens: uvicorn with our limits, and a way to hang up on a caller."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import uvicorn
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_LIMIT = 256 * 1024  # the SDKs send user-data and files in the query

_hang_ups: dict[object, Callable[[], None]] = {}


class Protocol(H11Protocol):
    """HTTP/1.1 that remembers how to close each of its connections without an answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Note the connection, and let small answers go out at once."""
        super().connection_made(transport)
        # asyncio does this only for sockets whose protocol number is written out; without it head and body of an
        # answer wait for each other, 40 ms a call.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _hang_ups[self.client, self.server] = transport.abort

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        _hang_ups.pop((self.client, self.server), None)
        super().connection_lost(exc)


class HangUp(Response):
    """No answer at all: the connection is closed, as when a reply is lost on its way."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Close the connection, and wait until that is known, so that nobody answers in our place."""
        del send
        _hang_ups[tuple(scope["client"]), tuple(scope["server"])]()
        while (await receive())["type"] != "http.disconnect":
            continue


def configuration(application: Any) -> uvicorn.Config:
    """Return how uvicorn serves an ASGI application here."""
    return uvicorn.Config(
        application,
        http=Protocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_level="warning",
        access_log=False,
        date_header=False,  # the application writes it: the cloud's clock may be off
        h11_max_incomplete_event_size=HEADER_LIMIT,
        timeout_graceful_shutdown=3,
    )
