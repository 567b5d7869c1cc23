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

from garret.service_runtime.errors import NotFound
from garret.service_runtime.page.assets import FOR_EVER, PREFIX, Assets, kept_answer, packed, takes_brotli
from garret.service_runtime.page.form_event import event_of, outdated, sent_again
from garret.service_runtime.page.html import NONCE, Html, policy, theme_of
from garret.service_runtime.page.words import language_of
from garret.service_runtime.service import Service

logger = logging.getLogger(__name__)

_LOOK_S = 0.5
_EVENTS = "/gradio_api/run/predict"
_THEME = "/theme.css"
_SHAPE = "garret-page"
_HEADERS = [(b"host", b"localhost"), (b"content-type", b"application/json")]
_HEARD = (b"cookie", b"accept-language")


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
        self._inputs: dict[int, int] = {}
        self._early: asyncio.Task[None] | None = None
        self._html: Html | None = None
        self._css: bytes | None = None
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
                self._inputs = {key: len(one.inputs) for key, one in inner.get_blocks().fns.items()}
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
        elif (scope["method"], path) == ("GET", _THEME):
            await (await self._theme(request))(scope, receive, send)
        elif (scope["method"], path) == ("POST", _EVENTS):
            await self._event(request, receive, send)
        else:
            raise NotFound(f"the page has nothing at {scope['path'][:80]!r}")

    async def _event(self, request: Request, receive: Receive, send: Send) -> None:
        gradio = await self.load()
        event = await event_of(request, self._service.settings.client_timeout_s, self._inputs)
        parts = (await self._htmls()).parts
        if event is None or request.headers.get(_SHAPE) != parts.shape:
            await outdated(request)(request.scope, receive, send)
            return
        if (part := parts.answers.get(event["fn_index"])) is not None:
            await (await kept_answer(part, "application/json", {}, request))(request.scope, receive, send)
            return
        # Whose event it is and in which language; nothing else of a request is for Gradio to read.
        headers = [(name, value) for name, value in request.scope["headers"] if name in _HEARD]
        scope = {**_alone(_EVENTS, "POST"), "state": request.scope["state"], "client": request.scope.get("client")}
        await gradio({**scope, "headers": [*_HEADERS, *headers]}, sent_again(event, receive), send)

    async def _page(self, request: Request) -> Response:
        html, looks = await self._htmls(), (language_of(request), theme_of(request))
        if looks not in self._pages:
            self._pages[looks] = self._into(html.ours(*looks))
        nonce = secrets.token_urlsafe(16)
        data = self._pages[looks].replace(NONCE, nonce).encode("utf-8")
        headers = {"content-security-policy": policy(nonce), "vary": "accept-encoding, accept-language, cookie"}
        if takes_brotli(request):
            # Nothing that a visitor says is in the page beside what they may not know.
            data, headers["content-encoding"] = await asyncio.to_thread(packed, data), "br"
        return Response(data, media_type="text/html", headers=headers)

    async def _htmls(self) -> Html:
        """Return what makes the page of Gradio's own HTML, in which nothing is of who asks first."""
        if self._html is None:
            self._html = Html(self._assets, (await self._gradios("/")).decode("utf-8"))
        return self._html

    async def _theme(self, request: Request) -> Response:
        """Return the theme's style: an address that names what is in it is asked for once."""
        if self._css is None:
            self._css = await self._gradios(_THEME)
        named = request.query_params.get("v") == (await self._htmls()).theme_hash
        headers = {"cache-control": FOR_EVER if named else "no-cache"}
        return await kept_answer(self._css, "text/css", headers, request)

    async def _gradios(self, path: str) -> bytes:
        """Return what Gradio has at a path, asked by nobody in particular.

        Raises:
            RuntimeError: it has nothing there.
        """
        told: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def keep(message: Message) -> None:
            told.append(message)

        await (await self.load())(_alone(path), receive, keep)
        status = next((message["status"] for message in told if "status" in message), 0)
        if status != 200:
            raise RuntimeError(f"Gradio answers {status} at {path}")
        return b"".join(message.get("body", b"") for message in told)


def _alone(path: str, method: str = "GET") -> Scope:
    """Return a request to Gradio below where it is mounted, with nothing in it of the visitor's own."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "server": ("localhost", 80),
        "client": None,
        "root_path": PREFIX,
        "path": PREFIX + path,
        "raw_path": (PREFIX + path).encode(),
        "query_string": b"",
        "headers": _HEADERS,
        "state": {},
    }
