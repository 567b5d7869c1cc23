"""The node itself: how long nobody has needed it, and when it will stop for that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request

from garret.service_runtime.api.body import read_json
from garret.service_runtime.api.describe import answer, body, record
from garret.service_runtime.api.machine_facts import SCHEMA, MachineFacts
from garret.service_runtime.api.queue import length_of
from garret.service_runtime.autostop_settings import AutostopSettings, WrongAutostop
from garret.service_runtime.errors import BadRequest
from garret.service_runtime.service import Service
from garret.service_runtime.worker_place import Worker


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["machine"])
    own = MachineFacts(service)

    @routes.get("/machine", responses={200: answer("The node now", SCHEMA)})
    async def machine(request: Request) -> dict[str, Any]:
        """Say how the node is, and when autostop will act; asking this does not count as use. Times are seconds.

        `certificate` is how far the trusted certificate is that was asked for, null when none was; `caller` is the
        address that the request came from; `workers` has each one's device, memory in bytes, mode ("normal" or
        "low-vram") and the models that it holds. `gpu` is what the driver says of the devices, `host` the machine's
        memory and the disk of the models in bytes, `cost` what an hour and this run cost as far as it was told.
        """
        certificate = certificate_facts(service.settings.certificate_state)
        return {
            "deployment": service.settings.deployment,
            "autostop": service.autostop.facts(),
            "certificate": certificate,
            "state": service.state.status,
            "workers": [worker_facts(worker) for worker in service.pool.workers],
            "caller": request.client.host if request.client else "",
            "queue": length_of(service),
            **await own.facts(),
        }

    @routes.put("/machine/autostop", openapi_extra=_AUTOSTOP)
    async def set_autostop(request: Request) -> dict[str, Any]:
        """Change when the node stops itself, from now on: idle_s, learn, stop_by, time_zone, delete_after_s.

        What is left out stays as it is. Returns what GET /machine calls autostop.
        """
        said = await read_json(request, service.settings.client_timeout_s)
        try:
            settings = AutostopSettings.from_dict({**service.autostop_file.read().to_dict(), **said})
        except WrongAutostop as error:
            raise BadRequest(error.field, error.reason, error.hint) from None
        service.autostop_file.write(settings)
        return service.autostop.facts()

    @routes.post("/machine/page")
    async def page() -> dict[str, Any]:
        """Say that somebody sits before an open page, which counts as use; returns what GET /machine calls autostop."""
        return service.autostop.facts()

    return routes


_AUTOSTOP = body(
    record(
        {
            "idle_s": {"type": "number", "minimum": 0, "description": "stop after so long without use; 0: never"},
            "learn": {"type": "boolean", "description": "true: wait longer where use comes back soon"},
            "stop_by": {"type": "string", "description": "a time at which it stops anyway; empty: none"},
            "time_zone": {"type": "string", "description": "of stop_by, as +08:00 or a name"},
            "delete_after_s": {"type": "number", "minimum": 0, "description": "stopped for so long it is released"},
        }
    )
)


def worker_facts(worker: Worker) -> dict[str, Any]:
    """Return what there is to know of a worker; what its engine does not say is null."""
    names = ("device", "mode", "dtype", "compiled", "memory_used", "memory_total")
    return {
        "ready": worker.ready is not None,
        "working": not worker.is_idle and worker.ready is not None,
        **{name: worker.facts.get(name) for name in names},
        "models": [Path(path).stem for path in worker.loaded],
        "restarts": worker.deaths,
    }


def certificate_facts(file: str) -> dict[str, Any] | None:
    """What the node has written about its trusted certificate; None when there is nothing to be read."""
    if not file:
        return None
    try:
        found = json.loads(Path(file).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
