"""Keeping the node on for a while, whatever autostop would do."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request

from garret.service_runtime.api import fields
from garret.service_runtime.api.body import read_json
from garret.service_runtime.api.describe import Schema, answer, body, record
from garret.service_runtime.errors import BadRequest
from garret.service_runtime.hold import LONGEST_S
from garret.service_runtime.results import storage_error
from garret.service_runtime.service import Service

SCHEMA: Schema = {
    "type": ["object", "null"],
    "properties": {
        "until": {"type": "number", "description": "in seconds since 1970"},
        "left_s": {"type": "number", "minimum": 0},
        "by": {"type": "string", "description": "who said so"},
    },
    "required": ["until", "left_s", "by"],
    "description": "somebody keeps the node on; null when nobody does",
}
_HOLD = body(
    record(
        {"seconds": {"type": "number", "exclusiveMinimum": 0, "maximum": LONGEST_S, "description": "from now on"}},
        required=("seconds",),
    ),
    example={"seconds": 3600},
)
_AUTOSTOP = answer("What GET /machine calls autostop", record({"hold": SCHEMA}, required=("hold",)))


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/machine/hold", tags=["machine"])

    @routes.post("", responses={200: _AUTOSTOP}, openapi_extra=_HOLD)
    async def hold(request: Request) -> dict[str, Any]:
        """Keep the node on for `seconds` from now on, a day at most: autostop does not act before that is over.

        It takes the place of what was said before, holds over a restart, and ends by itself. A stop that a person
        orders goes on as always. Returns what GET /machine calls autostop.
        """
        said = await read_json(request, service.settings.client_timeout_s)
        if said.get("seconds") is None:
            raise BadRequest("seconds", "is missing", "For how long the node is to stay on, for example 3600")
        seconds = fields.number(said, "seconds", 0.0)
        if not 0 < seconds <= LONGEST_S:
            raise BadRequest("seconds", f"must be more than 0 and at most {LONGEST_S:.0f}", "Say it again later")
        try:
            await asyncio.to_thread(service.hold.begin, seconds, request.state.caller)
        except OSError as error:
            raise storage_error(error) from error
        return service.autostop.facts()

    @routes.delete("", responses={200: _AUTOSTOP})
    async def end_hold() -> dict[str, Any]:
        """Let autostop act again as it is set; without a hold nothing changes. Returns what POST does."""
        await asyncio.to_thread(service.hold.end)
        return service.autostop.facts()

    return routes
