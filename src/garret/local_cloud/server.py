"""The local cloud's HTTP server: one port on 127.0.0.1 for all products.

`/` takes the SDKs' requests, `/waitcondition` the nodes' signals, `/_node/…` what they ask about themselves; `/healthz`
is open, and `/_garret/…` is in `control.py`.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sqlite3
import sys
import time
import traceback
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from garret.local_cloud import metadata, wire
from garret.local_cloud.control import Control
from garret.local_cloud.core import (
    ApiError,
    Call,
    Cloud,
    LostReply,
    new_request_id,
    not_emulated,
    product_of_version,
)
from garret.local_cloud.keys import Keyring
from garret.local_cloud.listening import HangUp
from garret.local_cloud.round_trip import RoundTrip

NONCE_KEPT_S = 2 * wire.CLOCK_SKEW.total_seconds()


def application(cloud: Cloud, secrets: Mapping[str, str]) -> Starlette:
    """The ASGI application of one local cloud; `secrets` holds the secrets of the account's own access keys."""
    doors, control = Doors(cloud, secrets), Control(cloud, secrets)
    app = Starlette(
        routes=[
            Route("/", doors.api, methods=["GET", "POST"]),
            Route("/healthz", doors.healthz, methods=["GET"]),
            Route("/waitcondition", doors.signal, methods=["POST", "PUT"]),
            Route(metadata.PATH + "/{path:path}", doors.metadata, methods=["GET", "PUT"]),
            *control.routes(),
        ]
    )
    app.add_middleware(RoundTrip, board=cloud.faults, clock=cloud.clock)
    return app


class Doors:
    """The server's endpoints; all work is done on the threads of the pool."""

    def __init__(self, cloud: Cloud, secrets: Mapping[str, str]) -> None:
        self._cloud = cloud
        self._keyring = Keyring(secrets, cloud.store)

    async def api(self, http: HttpRequest) -> Response:
        """One signed call of an SDK."""
        body = await http.body()
        request = wire.Request(
            http.method, http.url.path, http.scope["query_string"].decode("latin-1"), _headers(http), body
        )
        return await run_in_threadpool(self._answer, request)

    async def healthz(self, _http: HttpRequest) -> Response:
        """Say that the server is up, and which process it is."""
        return JSONResponse({"status": "ok", "pid": os.getpid(), "driver": self._cloud.driver.name})

    async def signal(self, http: HttpRequest) -> Response:
        """A node's signal to its stack; who knows the address of the handle may signal."""
        body = await http.body()
        handle = importlib.import_module("garret.local_cloud.ros.waitcondition").handle
        status, reply = await run_in_threadpool(handle, self._cloud, dict(http.query_params), body)
        return JSONResponse(reply, status)

    async def metadata(self, http: HttpRequest) -> Response:
        """What a node asks about itself, at the secret address that it was told."""
        path = str(http.path_params["path"])
        status, text = await run_in_threadpool(metadata.handle, self._cloud, http.method, path, _headers(http))
        return PlainTextResponse(text, status)

    def _answer(self, request: wire.Request) -> Response:
        request_id, started, code = new_request_id(), time.perf_counter(), ""
        asked = wire.Asked("", "", {}, "")
        try:
            asked = wire.verify(request, self._keyring, self._now(), self._use_nonce, self._keyring.token)
            reply = self._perform(asked, request_id)
            return JSONResponse({**reply, "RequestId": request_id})
        except ApiError as error:
            code = error.code
            return _refusal(error, request_id, request.headers.get("host", ""))
        except LostReply:
            code = "(lost)"
            return HangUp()
        except Exception as error:  # noqa: BLE001 - a fault of ours is an answer in the vendor's form, and in the log
            with contextlib.suppress(OSError):  # the log may be what cannot be written
                traceback.print_exc(file=sys.stderr)
            code = "InternalError"
            return _refusal(self._own_fault(error), request_id, request.headers.get("host", ""))
        finally:
            with contextlib.suppress(sqlite3.Error):
                self._log(asked, code, request_id, time.perf_counter() - started)

    def _log(self, asked: wire.Asked, code: str, request_id: str, seconds: float) -> None:
        product = product_of_version(asked.version)
        name = product.name if product else asked.version
        region = asked.params.get("RegionId", "")
        self._cloud.log(Call(name, asked.action, region, asked.params, request_id, asked.access_key_id), code, seconds)

    def _now(self) -> datetime:
        # Requests are signed by the world's time, however far the cloud's own was moved on.
        return self._cloud.clock.real() + timedelta(seconds=self._cloud.faults.clock_skew_s)

    def _own_fault(self, error: Exception) -> ApiError:
        text = "The local cloud met a fault of its own; its log says more."
        if isinstance(error, sqlite3.Error):
            text = f"The local cloud cannot use {self._cloud.store.path}: {error}."
            if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
                text += " Most likely no space is left on that disk: make room, or set GARRET_HOME to another."
        return ApiError("InternalError", text, 500)

    def _perform(self, asked: wire.Asked, request_id: str) -> dict[str, Any]:
        product = product_of_version(asked.version)
        if product is None:
            raise not_emulated(f"API version {asked.version} (action {asked.action})")
        region = asked.params.get("RegionId", "")
        return self._cloud.perform(
            Call(product.name, asked.action, region, asked.params, request_id, asked.access_key_id)
        )

    def _use_nonce(self, nonce: str) -> bool:
        return self._cloud.store.use_nonce(nonce, self._cloud.clock.real().timestamp(), NONCE_KEPT_S)


def _headers(http: HttpRequest) -> dict[str, str]:
    return {name.lower(): value for name, value in http.headers.items()}


def _refusal(error: ApiError, request_id: str, host: str) -> Response:
    body: dict[str, Any] = {
        "Code": error.code,
        "Message": error.message,
        "RequestId": request_id,
        "HostId": host,
        "Recommend": "docs/local-cloud-coverage.md",
    }
    if error.detail:
        body["AccessDeniedDetail"] = error.detail
    headers = {"x-acs-retry-after": str(error.retry_after_ms)} if error.retry_after_ms else {}
    return JSONResponse(body, error.status, headers=headers)
