"""The line before the workers: how long it is, where the caller's own jobs stand, and how long that may take."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from garret.service_runtime.api.describe import Schema, answer, record
from garret.service_runtime.api.job_view import progress_of
from garret.service_runtime.live import Live
from garret.service_runtime.service import Service

_COUNT: Schema = {"type": "integer", "minimum": 0}
_SECONDS: Schema = {"type": ["number", "null"], "description": "about how many seconds; null before a job has ended"}
_MINE = record(
    {
        "id": {"type": "string"},
        "url": {"type": "string"},
        "position": {**_COUNT, "description": "0 while it is being made"},
        "expected_s": {**_SECONDS, "description": "until it is done"},
        "progress": {"type": "object", "description": "as the job itself has it"},
    },
    required=("id", "url", "position", "expected_s", "progress"),
)
SCHEMA = record(
    {
        "length": {**_COUNT, "description": "jobs of everybody that are not over"},
        "running": {**_COUNT, "description": "those that a worker has begun"},
        "limit": {**_COUNT, "description": "so many are accepted at a time"},
        "expected_s": {**_SECONDS, "description": "until a job that came now would be done"},
        "ended": {**_COUNT, "description": "how many of the caller's own are over since the service started"},
        "mine": {"type": "array", "items": _MINE, "description": "the caller's own, in their order"},
    },
    required=("length", "running", "limit", "expected_s", "ended", "mine"),
)


def router(service: Service) -> APIRouter:
    """Return the route."""
    routes = APIRouter(prefix="/v1/queue", tags=["jobs"])

    @routes.get("", responses={200: answer("The queue", SCHEMA)})
    async def queue(request: Request) -> dict[str, Any]:
        """Tell the length of the queue; of the caller's own jobs position, time left and progress. Asking is no use."""
        places, live = service.positions(), service.live
        mine = [one for one in live if one.owner == request.state.caller]
        # One that a worker has begun, or holds ready, stands before all that wait.
        records = [_record(service, one, 0 if one.started else places.get(one.job_id, 1)) for one in mine]
        ended = service.tally.ends_of[request.state.caller]
        return {**length_of(service), "ended": ended, "mine": sorted(records, key=lambda one: one["position"])}

    return routes


def length_of(service: Service) -> dict[str, Any]:
    """Return what everybody may know of the queue."""
    live = service.live
    return {
        "length": len(live),
        "running": sum(one.started for one in live),
        "limit": service.settings.queue_limit,
        "expected_s": service.expected_s(len(service.positions()) + 1),
    }


def _record(service: Service, live: Live, position: int) -> dict[str, Any]:
    return {
        "id": live.job_id,
        "url": f"/v1/jobs/{live.job_id}",
        "position": position,
        "expected_s": service.expected_s(position),
        "progress": progress_of(live),
    }
