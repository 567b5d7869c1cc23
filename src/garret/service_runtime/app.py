"""The HTTP application: one guard before everything, the dialects, a page, and errors that say what to do."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.routing import Match, Route

from garret.service_runtime.api.dialects import spoken
from garret.service_runtime.api.openapi import document_of
from garret.service_runtime.api.refusing import error_response, no_route
from garret.service_runtime.auth import Authenticator
from garret.service_runtime.docs_page import docs_page
from garret.service_runtime.errors import BadRequest, ServiceError
from garret.service_runtime.extensions.loading import failure
from garret.service_runtime.extensions.web import add_extensions, name_in
from garret.service_runtime.guard import Guard
from garret.service_runtime.login_page import router as login_router
from garret.service_runtime.page.page_app import PageApp
from garret.service_runtime.service import Service
from garret.service_runtime.session_door import SessionDoor

logger = logging.getLogger(__name__)

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_NOT_THIS_WAY = 405


def create_app(service: Service) -> FastAPI:
    """Return the application around a service; its lifespan starts and stops the service."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        if settings.page == "early":
            page.load_when(lambda: service.pool.was_ready)
        yield
        await page.close()
        await service.stop()

    app = FastAPI(title="garret", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    for dialect in spoken(service.settings.dialects_off):
        for router in dialect.routers:
            app.include_router(router(service))
    settings = service.settings
    authenticator = Authenticator(settings)
    door = SessionDoor(authenticator, service.sessions)
    if settings.has_login:
        app.include_router(login_router(settings, authenticator, door))
    page = PageApp(service, add_extensions(app, service.extensions).into)
    _add_pages(app, page)
    _add_errors(app, settings.dialects_off)
    app.add_middleware(
        Guard,
        authenticator=authenticator,
        links=service.links,
        entrance=service.entrance,
        door=door,
        idle=service.idle,
        local_only=not settings.has_login,
        is_starting=lambda: settings.trusted_proxy and not service.pool.was_ready,
    )
    return app


def _add_pages(app: FastAPI, page: PageApp) -> None:
    # Half a megabyte, which changes as little as the routes do: made at its first use, and never in the event loop.
    document = cache(lambda: document_of(app))
    written = cache(lambda: json.dumps(document(), ensure_ascii=False, separators=(",", ":")).encode())
    app.router.routes.append(Route("/", page, methods=["GET"], include_in_schema=False))
    app.router.routes.append(Route("/ui/{path:path}", page, methods=["GET", "POST"], include_in_schema=False))

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return Response(await asyncio.to_thread(written), media_type="application/json")

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> Response:
        address = str(request.base_url).rstrip("/")
        return HTMLResponse(await asyncio.to_thread(lambda: docs_page(document(), address)))


def _add_errors(app: FastAPI, off: tuple[str, ...]) -> None:
    @app.exception_handler(ServiceError)
    async def on_service_error(request: Request, error: ServiceError) -> Response:
        return error_response(error, request.url.path)

    @app.exception_handler(RequestValidationError)
    async def on_validation(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return error_response(BadRequest(str(first["loc"][-1]), str(first["msg"])), request.url.path)

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> Response:
        path = request.url.path
        headers = None
        if error.status_code == _NOT_THIS_WAY:
            # The document is made at its first use, which takes a moment.
            headers = {"allow": ", ".join(await asyncio.to_thread(_methods_of, app, request))}
        return error_response(no_route(request.method, path, str(error.detail), error.status_code, off), path, headers)

    @app.exception_handler(Exception)
    async def on_anything(request: Request, error: Exception) -> Response:
        if name := name_in(request.url.path):
            logger.error("extension %s", name, exc_info=error)
            return error_response(failure(name, f"{type(error).__name__}: {error}"[:300]), request.url.path)
        # The traceback is in the log, with whoever runs the service; a caller has no use for it.
        logger.error("unexpected", exc_info=error)
        return error_response(ServiceError("the service made a mistake", "Its log says which"), request.url.path)


def _methods_of(app: FastAPI, request: Request) -> list[str]:
    """Return the methods that some route takes at a request's path; the framework names those of the first one only.

    A path that a route names whole is none of those with a parameter in its place, as OpenAPI has it.
    """
    whole = app.openapi()["paths"].get(request.url.path, {})
    if whole:
        return [method for method in _METHODS if method.lower() in whole]
    tried = ((method, {**request.scope, "method": method}) for method in _METHODS)
    return [method for method, scope in tried if any(route.matches(scope)[0] is Match.FULL for route in app.routes)]
