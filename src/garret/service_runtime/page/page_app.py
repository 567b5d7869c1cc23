"""The page as an application below `/ui`: made when it is first asked for, and with few of Gradio's routes.

Gradio takes two seconds and 130 MB to load, which neither a start of the service nor a node that is only asked by
programs should pay for.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from garret.service_runtime.errors import NotFound, TooLarge
from garret.service_runtime.page.assets import Assets, packed, takes_brotli
from garret.service_runtime.page.html import NONCE, Html, policy, theme_of
from garret.service_runtime.page.words import language_of
from garret.service_runtime.service import Service

logger = logging.getLogger(__name__)

PREFIX = "/ui"
_LARGEST_BODY = 1_000_000
_LOOK_S = 0.5
_EVENTS = "/gradio_api/run/predict"
_THEME = "/theme.css"


class PageApp:
    """Answers `/` and everything below `/ui`."""

    def __init__(self, service: Service, into: Any) -> None:
        """Take what the extensions put `into` the page: a function from its HTML to its HTML."""
        self._service = service
        self._into = into
        self._assets = Assets()
        self._lock = asyncio.Lock()
        self._stack = AsyncExitStack()
        self._gradio: ASGIApp | None = None
        self._early: asyncio.Task[None] | None = None
        self._html = Html(self._assets)
        self._pages: dict[tuple[str, str], str] = {}

    async def close(self) -> None:
        """End what Gradio keeps running."""
        if self._early is not None:
            self._early.cancel()
        await self._stack.aclose()

    def load_when(self, is_time: Callable[[], bool]) -> None:
        """Load the page before anybody asks for it, once nothing else is waited for."""

        async def load() -> None:
            while not is_time():
                await asyncio.sleep(_LOOK_S)
            try:
                await self.load()
            except Exception:  # whoever visits the page is told; here it is for who reads the log
                logger.exception("the page cannot be loaded")

        self._early = asyncio.create_task(load())

    async def load(self) -> ASGIApp:
        """Return Gradio's application, made at the first call, in a thread."""
        async with self._lock:
            if self._gradio is None:
                from garret.service_runtime.page.mounting import mounted

                began = time.monotonic()
                outer, inner = await asyncio.to_thread(mounted, self._service, PREFIX)
                await self._stack.enter_async_context(outer.router.lifespan_context(outer))
                self._gradio = inner
                logger.info("the page is loaded after %.1f s", time.monotonic() - began)
            return self._gradio

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; `scope["path"]` is whole."""
        request, path = Request(scope, receive), scope["path"].removeprefix(PREFIX)
        if self._service.settings.page == "off" and path != "/docs.css":
            raise NotFound("this node has no web page", "Its APIs are described at /docs")
        if scope["method"] in ("GET", "HEAD") and path in ("", "/"):
            await (await self._page(request))(scope, receive, send)
        elif scope["method"] in ("GET", "HEAD") and (file := await self._assets.file(path, request)) is not None:
            await file(scope, receive, send)
        elif (scope["method"], path) in (("POST", _EVENTS), ("GET", _THEME)):
            await (await self.load())(_below(scope, path), await _bounded(receive), send)
        else:
            raise NotFound(f"the page has nothing at {scope['path'][:80]!r}")

    async def _page(self, request: Request) -> Response:
        looks = language_of(request), theme_of(request)
        if looks not in self._pages:
            self._pages[looks] = self._into(self._html.ours(await self._gradios(request), *looks))
        nonce = secrets.token_urlsafe(16)
        data = self._pages[looks].replace(NONCE, nonce).encode("utf-8")
        headers = {"content-security-policy": policy(nonce), "vary": "accept-encoding, accept-language, cookie"}
        if takes_brotli(request):
            # Nothing that a visitor says is in the page beside what they may not know.
            data, headers["content-encoding"] = await asyncio.to_thread(packed, data), "br"
        return Response(data, media_type="text/html", headers=headers)

    async def _gradios(self, request: Request) -> str:
        """Return Gradio's own HTML, which is the same for everybody but for the address that it was asked at."""
        told: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def keep(message: Message) -> None:
            told.append(message)

        await (await self.load())({**_below(request.scope, "/"), "method": "GET", "query_string": b""}, receive, keep)
        return b"".join(message.get("body", b"") for message in told).decode("utf-8")


def _below(scope: Scope, path: str) -> Scope:
    """Return the request as Gradio sees it: below where it is mounted."""
    return {**scope, "root_path": PREFIX, "path": PREFIX + path, "raw_path": (PREFIX + path).encode()}


async def _bounded(receive: Receive) -> Receive:
    """Return the body of a request as one message; Gradio reads whatever comes.

    Raises:
        TooLarge: there is more than any form of ours has.
    """
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        more = message.get("more_body", False)
        if size > _LARGEST_BODY:
            raise TooLarge(f"the form has more than {_LARGEST_BODY} bytes", "Make the words shorter")
    body: Message = {"type": "http.request", "body": b"".join(parts), "more_body": False}
    first = True

    async def replayed() -> Message:
        nonlocal first
        if first:
            first = False
            return body
        return await receive()

    return replayed
