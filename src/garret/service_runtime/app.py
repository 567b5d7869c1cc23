"""The HTTP application: one guard before everything, the dialects, a page, and errors that say what to do."""

from __future__ import annotations

import html
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from garret.service_runtime.api import (
    a1111,
    drain,
    health,
    img2img,
    inputs,
    job_pictures,
    jobs,
    machine,
    metrics,
    models,
    uploads,
)
from garret.service_runtime.auth import Authenticator, check_origin
from garret.service_runtime.errors import BadRequest, NotFound, ServiceError, Unauthorized, Unavailable
from garret.service_runtime.extensions.loading import failure
from garret.service_runtime.extensions.web import Pages, add_extensions, name_in
from garret.service_runtime.idle import PAGE, Idle, is_use
from garret.service_runtime.service import Service

logger = logging.getLogger(__name__)

_UI = Path(__file__).resolve().parent / "ui"
_PAGE_FILES = {"page.js": "text/javascript", "page.css": "text/css"}
OPEN_PATHS = health.PATHS
# What a front on this machine shows itself as long as there is no worker: how far the node is.
_SHOWN_BY_FRONT = ("/", "/boot.json")
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
}


class Guard:
    """Stands before every route: says who calls, keeps strangers out, and puts the safe headers on every answer."""

    def __init__(
        self,
        app: ASGIApp,
        authenticator: Authenticator,
        idle: Idle,
        *,
        local_only: bool,
        is_starting: Callable[[], bool],
    ) -> None:
        self._app = app
        self._is_starting = is_starting
        self._idle = idle
        self._authenticator = authenticator
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
                extra = {**_HEADERS, "x-process-time": f"{time.perf_counter() - began:.4f}"}
                message["headers"] = [*message["headers"], *((k.encode(), v.encode()) for k, v in extra.items())]
            await send(message)

        try:
            scope.setdefault("state", {})["caller"] = await self._caller(scope)
        except ServiceError as error:
            await error_response(error)(scope, receive, send_with_headers)
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

        await self._app(scope, receive_and_note, send_with_headers)

    async def _caller(self, scope: Scope) -> str:
        if scope["path"] in OPEN_PATHS and scope["method"] in ("GET", "HEAD"):
            return ""
        if scope["path"] in _SHOWN_BY_FRONT and self._is_starting():
            raise Unavailable("the service is starting", retry_after=5)
        connection = HTTPConnection(scope)
        check_origin(connection.headers, local_only=self._local_only)
        address = connection.client.host if connection.client else ""
        return await self._authenticator.caller(connection.headers.get("authorization", ""), address)


def create_app(service: Service) -> FastAPI:
    """Return the application around a service; its lifespan starts and stops the service."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        yield
        await service.stop()

    app = FastAPI(title="garret", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(health.router(service))
    app.include_router(a1111.router(service))
    app.include_router(img2img.router(service))
    app.include_router(jobs.router(service))
    app.include_router(job_pictures.router(service))
    app.include_router(jobs.webhook_router(service))
    app.include_router(inputs.router(service))
    app.include_router(machine.router(service))
    app.include_router(metrics.router(service))
    app.include_router(drain.router(service))
    app.include_router(models.router(service))
    app.include_router(uploads.router(service))
    _add_pages(app, add_extensions(app, service.extensions))
    _add_errors(app)
    settings = service.settings
    app.add_middleware(
        Guard,
        authenticator=Authenticator(settings),
        idle=service.idle,
        local_only=not settings.has_login,
        is_starting=lambda: settings.trusted_proxy and not service.pool.was_ready,
    )
    return app


def _add_pages(app: FastAPI, pages: Pages) -> None:
    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return HTMLResponse(pages.into((_UI / "page.html").read_text(encoding="utf-8")))

    @app.get("/ui/{name}", include_in_schema=False)
    async def page_file(name: str) -> Response:
        if name not in _PAGE_FILES:
            raise NotFound(f"there is no file {name[:64]!r}")
        return Response((_UI / name).read_bytes(), media_type=_PAGE_FILES[name])

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> dict[str, Any]:
        return app.openapi()

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return HTMLResponse(_docs_page(app.openapi()))


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(ServiceError)
    async def on_service_error(_: Request, error: ServiceError) -> Response:
        return error_response(error)

    @app.exception_handler(RequestValidationError)
    async def on_validation(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return error_response(BadRequest(str(first["loc"][-1]), str(first["msg"])))

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> Response:
        wrapped = ServiceError(
            f"{request.method} {request.url.path[:200]}: {error.detail}", "GET /docs lists the routes"
        )
        wrapped.status = error.status_code
        return error_response(wrapped)

    @app.exception_handler(Exception)
    async def on_anything(request: Request, error: Exception) -> Response:
        if name := name_in(request.url.path):
            logger.error("extension %s", name, exc_info=error)
            return error_response(failure(name, f"{type(error).__name__}: {error}"[:300]))
        # The traceback is in the log, with whoever runs the service; a caller has no use for it.
        logger.error("unexpected", exc_info=error)
        return error_response(ServiceError("the service made a mistake", "Its log says which"))


def error_response(error: ServiceError) -> Response:
    """Return an error's answer."""
    headers = {"retry-after": str(error.retry_after)} if error.retry_after is not None else {}
    if isinstance(error, Unauthorized):
        headers["www-authenticate"] = 'Basic realm="garret", charset="UTF-8"'
    return JSONResponse(error.to_dict(), error.status, headers)


def _docs_page(openapi: dict[str, Any]) -> str:
    """Return a plain list of the routes, without scripts from elsewhere as the usual pages have them."""
    rows = [
        f"<dt><code>{html.escape(method.upper())} {html.escape(path)}</code></dt>"
        f"<dd>{html.escape(operation.get('description') or operation.get('summary', ''))}</dd>"
        for path, operations in openapi["paths"].items()
        for method, operation in operations.items()
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>garret: routes</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        '<link rel="stylesheet" href="/ui/page.css"></head><body><main><h1>Routes</h1>'
        '<p><a href="/">Back to the page</a></p>'
        f'<dl>{"".join(rows)}</dl><p><a href="/openapi.json">openapi.json</a></p></main></body></html>'
    )
