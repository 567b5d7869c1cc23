"""Before a node is stopped: no new jobs for a while, and how many there still are."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from garret.service_runtime.api import fields
from garret.service_runtime.api.body import read_json
from garret.service_runtime.api.describe import body, record
from garret.service_runtime.errors import BadRequest
from garret.service_runtime.service import Service

LONGEST_S = 120.0
_DRAIN = body(
    record(
        {
            "seconds": {"type": "number", "minimum": 0, "maximum": LONGEST_S, "description": "0 takes jobs again"},
            "then_stop": {"type": "boolean", "description": "true: the node has itself stopped when it is done"},
        },
        required=("seconds",),
    )
)


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["machine"])

    @routes.post("/machine/drain", openapi_extra=_DRAIN)
    async def drain(request: Request) -> dict[str, Any]:
        """Refuse new jobs for `seconds`, finish those that were accepted, and say how many those are; 0 ends that.

        It ends by itself, so a caller that went away leaves a service that works; whoever wants it longer asks again.
        With `then_stop` true, the node has itself stopped instead, as soon as it is done.
        `operations` names what else runs: "a delivery" is a job's end on its way to a webhook or to OSS.
        """
        said = await read_json(request, service.settings.client_timeout_s)
        if said.get("seconds") is None:
            raise BadRequest("seconds", "is missing", "For how long no new jobs are taken")
        seconds = fields.number(said, "seconds", 0.0)
        if not 0 <= seconds <= LONGEST_S:
            raise BadRequest("seconds", f"must be from 0 to {LONGEST_S:.0f}")
        then_stop = said.get("then_stop", False)
        if not isinstance(then_stop, bool):
            raise BadRequest("then_stop", "must be true or false")
        jobs = service.refuse_jobs_for(seconds, then_stop=then_stop)
        operations = await service.running_operations()
        if delivery := await service.delivering():
            operations = [*operations, delivery]
        return {"jobs": jobs, "operations": operations}

    return routes
