"""What lies between the caller and the cloud: the way there and back, and the cloud's own clock in each answer."""

from __future__ import annotations

import asyncio
from email.utils import formatdate

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from garret.local_cloud.clock import Clock
from garret.local_cloud.faults import Faults

FAR = ("/", "/waitcondition")  # the cloud's own addresses; the control doors are not slowed


class RoundTrip:
    """ASGI middleware: adds the fault board's latency to each call, and the Date header by the cloud's clock."""

    def __init__(self, app: ASGIApp, board: Faults, clock: Clock) -> None:
        self._app, self._board, self._clock = app, board, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request through; the others go on meanwhile."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        latency = self._board.latency_ms
        if latency and scope["path"] in FAR:
            await asyncio.sleep(latency / 1000)

        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                seconds = self._clock.real().timestamp() + self._board.clock_skew_s
                MutableHeaders(scope=message)["Date"] = formatdate(seconds, usegmt=True)
            await send(message)

        await self._app(scope, receive, dated)
