"""Two questions for whoever watches: is the service alive, which needs no login, and can a picture be made."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from garret import __version__
from garret.service_runtime.api.describe import answer, record
from garret.service_runtime.api.machine import worker_facts
from garret.service_runtime.api.model_view import default_path
from garret.service_runtime.api.queue import length_of
from garret.service_runtime.service import MINIMUM_FREE_BYTES, Service

OPEN = "/healthz"
"""The one path of the service that needs no login."""
_HEALTH = record({"status": {"type": "string"}, "workers": {"type": "integer"}}, ["status", "workers"])
_NOT_YET = answer(
    "Not yet, or not any more",
    record({"status": {"type": "string"}, "detail": {"type": "string"}, "seconds": {"type": ["number", "null"]}}),
)

_REPORT = record(
    {
        "status": {"enum": ["ready", "warming", "down", "stopping"]},
        "ready": {"type": "boolean", "description": "whether a picture can be made now"},
        "detail": {"type": "string"},
        "remaining_s": {"type": ["integer", "null"], "description": "about how long until it is ready, where known"},
        "version": {"type": "string"},
        "deployment": {"type": "string"},
        "uptime_s": {"type": "number"},
        "checkpoint": {"type": ["string", "null"]},
        "workers": {"type": "array", "items": {"type": "object"}},
        "queue": {"type": "object"},
        "disk_free_bytes": {"type": "integer"},
        "problems": {"type": "array", "items": {"type": "string"}},
    },
    required=("status", "ready", "version", "workers", "queue", "problems"),
)


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["health"])

    @routes.head("/healthz", include_in_schema=False)
    @routes.get("/healthz", responses={200: answer("It is alive", _HEALTH)})
    async def healthz() -> Response:
        """Answer at all, which is what is asked; whoever means readiness and asks here reads "ok" for it."""
        status = {"ready": "ok", "stopping": "stopping"}.get(service.state.status, "starting")
        return JSONResponse({"status": status, "workers": service.pool.ready})

    @routes.head("/readyz", include_in_schema=False)
    @routes.get("/readyz", responses={200: answer("A picture can be made", _HEALTH), 503: _NOT_YET})
    async def readyz() -> Response:
        """Say whether a picture can be made, else 503 with when to ask again."""
        state = service.state
        if state.status == "ready":
            return JSONResponse({"status": "ready", "workers": service.pool.ready})
        said = {"status": state.status, "detail": state.detail, "seconds": state.remaining_s}
        return JSONResponse(said, 503, {"retry-after": str(state.retry_after)})

    return routes


def report_router(service: Service) -> APIRouter:
    """Return the route that tells all of it, to who may know it."""
    routes = APIRouter(prefix="/v1/health", tags=["machine"])
    began = time.monotonic()

    @routes.get("", responses={200: answer("How the service is", _REPORT)})
    async def report() -> dict[str, Any]:
        """Tell whether a picture can be made, and if not why and for about how long; asking is no use of the node.

        Always 200: whoever wants a status instead asks /readyz. `problems` are what an operator should see to.
        """
        state = service.state
        free, checkpoint = await asyncio.to_thread(_disk_and_model, service)
        queue = length_of(service)
        return {
            "status": state.status,
            "ready": state.status == "ready",
            "detail": state.detail,
            "remaining_s": state.remaining_s,
            "version": __version__,
            "deployment": service.settings.deployment,
            "uptime_s": round(time.monotonic() - began, 1),
            "checkpoint": checkpoint,
            "workers": [worker_facts(worker) for worker in service.pool.workers],
            "queue": queue,
            "disk_free_bytes": free,
            "problems": list(_problems(service, free, checkpoint, full=queue["length"] >= queue["limit"])),
        }

    return routes


def _disk_and_model(service: Service) -> tuple[int, str | None]:
    """Return how many bytes are free for pictures, and the name of the default checkpoint."""
    path = default_path(service)
    return shutil.disk_usage(service.results.folder).free, path.stem if path else None


def _problems(service: Service, free: int, checkpoint: str | None, *, full: bool) -> Iterator[str]:
    if service.state.status == "down":
        yield service.state.detail
    if checkpoint is None:
        yield "there is no checkpoint: garret ops download-model"
    if free < MINIMUM_FREE_BYTES:
        yield f"the disk has {free >> 20} MiB left"
    if full:
        yield "the queue is full"
