"""What a request may name beside models: samplers with their schedules, SDXL's sizes, upscalers, styles."""

from __future__ import annotations

import asyncio
from math import gcd
from typing import Any

from fastapi import APIRouter

from garret.service_runtime.api.describe import Schema, answer, record
from garret.service_runtime.api.lists import list_of, list_schema
from garret.service_runtime.model_files import UPSCALER
from garret.service_runtime.samplers import DIALECTS, SAMPLERS, SCHEDULES, Sampler, Schedule
from garret.service_runtime.sdxl_sizes import SDXL_SIZES
from garret.service_runtime.service import Service
from garret.service_runtime.upscalers import LATENT, NETWORK, PLAIN, Upscaler, all_upscalers, latent_modes

_TEXT: Schema = {"type": "string"}
_TEXTS: Schema = {"type": "array", "items": _TEXT}
_SIDE: Schema = {"type": "integer", "description": "in pixels"}
_SAMPLER = record(
    {
        "name": _TEXT,
        "aliases": {**_TEXTS, "description": "other names of it that every dialect takes"},
        "implied_schedules": {
            "type": "object",
            "additionalProperties": _TEXT,
            "description": "of those names that mean a schedule as well, which one",
        },
        "automatic_schedule": {**_TEXT, "description": "which schedule `automatic` means"},
        "noise_fields": {**_TEXTS, "description": "the fields of `noise` that it takes: eta, s_churn, …"},
        "diffusers": {"type": ["string", "null"], "description": "the scheduler of diffusers that it equals"},
    },
    required=("name", "aliases", "automatic_schedule"),
)
_SCHEDULE = record({"name": _TEXT, "label": _TEXT, "aliases": _TEXTS}, required=("name", "label", "aliases"))
_SIZE = record({"width": _SIDE, "height": _SIDE, "ratio": {**_TEXT, "description": "in lowest terms"}})
_UPSCALER = record(
    {
        "name": _TEXT,
        "kind": {"enum": [PLAIN, NETWORK, LATENT], "description": "arithmetic, a model, or only for a second pass"},
        "scale": {"type": ["integer", "null"], "description": "how much larger a network makes a picture in one go"},
        "model": {"type": ["string", "null"], "description": "a network's model: upscaler/NAME"},
    },
    required=("name", "kind", "scale", "model"),
)
_STYLE = record({"name": _TEXT, "prompt": _TEXT, "negative_prompt": _TEXT}, required=("name",))


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/v1", tags=["catalog"])
    schedules = {"schedules": {"type": "array", "items": _SCHEDULE}}

    @routes.get("/samplers", responses={200: answer("The samplers", list_schema(_SAMPLER, **schedules))})
    async def samplers() -> dict[str, Any]:
        """List the samplers, and the schedules that each of them may be used with."""
        return list_of(map(_sampler, SAMPLERS), schedules=[_schedule(one) for one in SCHEDULES])

    @routes.get("/sizes", responses={200: answer("The sizes", list_schema(_SIZE))})
    async def sizes() -> dict[str, Any]:
        """List the sizes that SDXL was trained at, from the tallest to the widest; others work as well."""
        return list_of(
            {"width": width, "height": height, "ratio": _ratio(width, height)} for width, height in SDXL_SIZES
        )

    @routes.get("/upscalers", responses={200: answer("The upscalers", list_schema(_UPSCALER))})
    async def upscalers() -> dict[str, Any]:
        """List what enlarges pictures; those of the kind latent are for `hires.upscaler` alone."""
        found = await asyncio.to_thread(all_upscalers, service.models)
        latent = [{"name": name, "kind": LATENT, "scale": None, "model": None} for name in latent_modes()]
        return list_of([*map(_upscaler, found), *latent])

    @routes.get("/styles", responses={200: answer("The styles", list_schema(_STYLE))})
    async def styles() -> dict[str, Any]:
        """List the words that a request puts around its own by the names of `styles`."""
        return list_of(vars(style) for style in await asyncio.to_thread(service.vocabulary.styles.all))

    return routes


def _sampler(one: Sampler) -> dict[str, Any]:
    others = {name: schedule for name, (sampler, schedule) in DIALECTS.items() if sampler == one.name}
    return {
        "name": one.name,
        "aliases": [*one.aliases, *others],
        "implied_schedules": {name: schedule for name, schedule in others.items() if schedule != "automatic"},
        "automatic_schedule": one.automatic,
        "noise_fields": sorted(one.uses),
        "diffusers": one.scheduler or None,
    }


def _upscaler(one: Upscaler) -> dict[str, Any]:
    is_network = one.kind == NETWORK
    return {
        "name": one.name,
        "kind": one.kind,
        "scale": one.scale if is_network else None,
        "model": f"{UPSCALER}/{one.name}" if is_network else None,
    }


def _schedule(one: Schedule) -> dict[str, Any]:
    return {"name": one.name, "label": one.label, "aliases": list(one.aliases)}


def _ratio(width: int, height: int) -> str:
    part = gcd(width, height)
    return f"{width // part}:{height // part}"
