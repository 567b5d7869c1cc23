"""What this service is set to, as far as callers may know; and what of it they may change while it runs."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request

from garret.service_runtime import asked, limits
from garret.service_runtime.api import fields
from garret.service_runtime.api.body import read_json
from garret.service_runtime.api.describe import Schema, answer, body, field, record
from garret.service_runtime.bounds import second_side
from garret.service_runtime.errors import BadRequest, NotFound
from garret.service_runtime.models import Model
from garret.service_runtime.service import Service
from garret.service_runtime.settings import MAXIMUM_BODY_BYTES

CHANGEABLE = ("checkpoint",)
_KEPT = (
    "queue_limit", "queue_expiry_s", "max_batch", "job_timeout_s", "keep_finished_s", "keep_bytes", "link_s", "engine",
    "watermark", "safety", "deployment",
)  # fmt: skip
_NUMBER: Schema = {"type": "number"}
_SETTINGS = record(
    {
        "checkpoint": {"type": ["string", "null"], "description": "what requests without one get; null: there is none"},
        "defaults": {"type": ["object", "null"], "description": "what an empty field means for that checkpoint"},
        "limits": {"type": "object", "additionalProperties": _NUMBER, "description": "bounds of a request's fields"},
        "formats": {"type": "array", "items": {"enum": list(asked.FORMATS)}},
        "dialects_off": {"type": "array", "items": {"type": "string"}},
        "service": {"type": "object", "description": "settings of the node's file, by their names there"},
        "changeable": {"type": "array", "items": {"type": "string"}, "description": "what PUT takes"},
    },
    required=("checkpoint", "defaults", "limits", "formats", "service", "changeable"),
)
_CHANGES = record({"checkpoint": field("string", "the checkpoint that requests without one get")})


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/v1/settings", tags=["machine"])

    @routes.get("", responses={200: answer("The settings", _SETTINGS)})
    async def show() -> dict[str, Any]:
        """Tell the default checkpoint, what an empty field means, the bounds of requests, and how long is kept what."""
        return await asyncio.to_thread(_facts, service)

    @routes.put("", responses={200: answer("The settings now", _SETTINGS)}, openapi_extra=body(_CHANGES))
    async def change(request: Request) -> dict[str, Any]:
        """Choose the checkpoint that requests without one get, for every caller and every dialect.

        It is kept over a restart. When the node stops itself is changed at PUT /machine/autostop; all else is in the
        node's file.
        """
        said = await read_json(request, service.settings.client_timeout_s)
        if unknown := next((name for name in said if name not in CHANGEABLE), None):
            raise BadRequest(str(unknown)[:40], "cannot be changed here", f"What can: {', '.join(CHANGEABLE)}")
        if name := fields.text(said, "checkpoint"):
            await service.choose_checkpoint(await asyncio.to_thread(service.models.usable_checkpoint, name))
        return await asyncio.to_thread(_facts, service)

    return routes


def _facts(service: Service) -> dict[str, Any]:
    model = _default(service)
    settings = service.settings
    return {
        "checkpoint": model.name if model else None,
        "defaults": _defaults(model) if model else None,
        "limits": {
            "smallest_side": limits.MINIMUM_SIDE,
            "largest_side": settings.longest_side,
            "largest_second_side": second_side(settings),
            "side_step": limits.SIDE_STEP,
            "steps": settings.most_steps,
            "batch_size": limits.MAXIMUM_BATCH,
            "pictures": settings.most_pictures,
            "prompt_characters": settings.longest_prompt,
            "cfg_scale": limits.MAXIMUM_GUIDANCE,
            "body_bytes": MAXIMUM_BODY_BYTES,
            "picture_body_bytes": settings.picture_body_bytes,
            "picture_pixels": settings.picture_pixels,
        },
        "formats": list(asked.FORMATS),
        "dialects_off": list(settings.dialects_off),
        "service": {name: getattr(settings, name) for name in _KEPT},
        "changeable": list(CHANGEABLE),
    }


def _default(service: Service) -> Model | None:
    try:
        return service.models.find_checkpoint()
    except NotFound:
        return None


def _defaults(model: Model) -> dict[str, Any]:
    defaults = model.defaults
    return {
        "width": defaults.size,
        "height": defaults.size,
        "steps": defaults.steps,
        "cfg_scale": defaults.cfg_scale,
        "sampler": defaults.sampler,
        "schedule": "automatic",
    }
