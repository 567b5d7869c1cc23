"""The local cloud's HTTP server: one port on 127.0.0.1 for all products.

`/` takes the SDKs' requests, `/waitcondition` the nodes' signals, `/healthz` is open, and `/_garret/…` (faults, bill,
calls) asks for the secret of this home's access key in the header x-garret-secret.
"""

from __future__ import annotations

import contextlib
import hmac
import importlib
import json
import os
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from garret.local_cloud import prices, wire
from garret.local_cloud.core import (
    ApiError,
    Call,
    Cloud,
    LostReply,
    access,
    new_request_id,
    not_emulated,
    product_of_version,
)
from garret.local_cloud.faults import Fault
from garret.local_cloud.listening import HangUp

NONCE_KEPT_S = 2 * wire.CLOCK_SKEW.total_seconds()

Answer = tuple[int, dict[str, Any]]


def application(cloud: Cloud, secrets: Mapping[str, str]) -> Starlette:
    """The ASGI application of one local cloud; `secrets` holds the secret of each access key id."""
    doors = Doors(cloud, secrets)
    return Starlette(
        routes=[
            Route("/", doors.api, methods=["GET", "POST"]),
            Route("/healthz", doors.healthz, methods=["GET"]),
            Route("/waitcondition", doors.signal, methods=["POST", "PUT"]),
            Route("/_garret/faults", doors.faults, methods=["GET", "POST", "DELETE"]),
            Route("/_garret/bill", doors.bill, methods=["GET"]),
            Route("/_garret/calls", doors.calls, methods=["GET"]),
        ]
    )


class Doors:
    """The server's endpoints; all work is done on the threads of the pool."""

    def __init__(self, cloud: Cloud, secrets: Mapping[str, str]) -> None:
        self._cloud = cloud
        self._secrets = secrets

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

    async def faults(self, http: HttpRequest) -> Response:
        """See, add or clear what goes wrong: {"faults": [{"action": …}], "stock": {"<zone>/<type>": "…"}}."""
        body = await http.body()
        return await self._own(http, lambda: self._switch(http.method, body))

    async def bill(self, http: HttpRequest) -> Response:
        """What would be paid per hour now."""
        return await self._own(http, lambda: (200, prices.bill(self._cloud.store)))

    async def calls(self, http: HttpRequest) -> Response:
        """The log of the SDKs' calls after number `since`."""
        since = http.query_params.get("since", "0")
        return await self._own(http, lambda: (200, {"calls": self._cloud.store.calls(int(since))}))

    async def _own(self, http: HttpRequest, work: Callable[[], Answer]) -> Response:
        given = http.headers.get("x-garret-secret", "").encode()
        if not any(hmac.compare_digest(given, secret.encode()) for secret in self._secrets.values()):
            return JSONResponse({"error": "x-garret-secret: not the secret of this local cloud's access key"}, 403)
        try:
            status, reply = await run_in_threadpool(work)
        except (ValueError, TypeError) as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse(reply, status)

    def _switch(self, method: str, body: bytes) -> Answer:
        board = self._cloud.faults
        if method == "DELETE":
            board.clear()
        elif method == "POST":
            wanted = json.loads(body)
            faults = [Fault(**fields) for fields in wanted.get("faults", [])]
            for shelf, word in wanted.get("stock", {}).items():
                zone, _, instance_type = shelf.partition("/")
                board.set_stock(zone, instance_type, word)
            for fault in faults:
                board.add(fault)
        return 200, {"faults": board.listed(), "stock": self._cloud.store.find("stock")}

    def _answer(self, request: wire.Request) -> Response:
        request_id, started, code = new_request_id(), time.perf_counter(), ""
        asked = wire.Asked("", "", {}, "")
        try:
            asked = wire.verify(request, self._secrets, self._cloud.clock.now(), self._use_nonce)
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
        self._cloud.store.log_call(
            {
                "at": self._cloud.clock.stamp(),
                "product": product.name if product else asked.version,
                "action": asked.action,
                "access": access(asked.action) if asked.action else "none",
                "code": code,
                "request_id": request_id,
                "seconds": round(seconds, 6),
            }
        )

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
        return self._cloud.store.use_nonce(nonce, self._cloud.clock.now().timestamp(), NONCE_KEPT_S)


def _headers(http: HttpRequest) -> dict[str, str]:
    return {name.lower(): value for name, value in http.headers.items()}


def _refusal(error: ApiError, request_id: str, host: str) -> Response:
    body = {
        "Code": error.code,
        "Message": error.message,
        "RequestId": request_id,
        "HostId": host,
        "Recommend": "docs/local-cloud-coverage.md",
    }
    headers = {"x-acs-retry-after": str(error.retry_after_ms)} if error.retry_after_ms else {}
    return JSONResponse(body, error.status, headers=headers)
