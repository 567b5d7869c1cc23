"""Larger pictures from Stability's REST API: one picture, to a width or a height, or twice as large."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from garret.service_runtime.api import fields
from garret.service_runtime.api.describe import body, field, record
from garret.service_runtime.api.idempotency import key_of
from garret.service_runtime.api.job_body import text_of
from garret.service_runtime.api.multipart import MEDIA_TYPE, read_form
from garret.service_runtime.api.stability.answering import ANSWERS, BINARY, Engine, answered, file_of
from garret.service_runtime.api.stability.engines import find_upscaling_engine
from garret.service_runtime.api.stability.start import missing_image
from garret.service_runtime.asked import Upscale
from garret.service_runtime.errors import BadRequest
from garret.service_runtime.limits import MAXIMUM_FINAL_SIDE, check_whole
from garret.service_runtime.request import ImageRequest
from garret.service_runtime.service import Service

TWICE = 2.0
_SIDES = ("width", "height")


def router(service: Service) -> APIRouter:
    """Return the route."""
    routes = APIRouter(prefix="/v1/generation/{engine_id}", tags=["Stability"])

    @routes.post(
        "/image-to-image/upscale", openapi_extra=body(_BODY, MEDIA_TYPE), responses=ANSWERS, response_class=Response
    )
    async def upscale(engine_id: Engine, request: Request) -> Response:
        """Make a picture larger with nothing painted anew: by an upscaler of the node, or its own choice."""
        settings = service.settings
        form = await read_form(request, settings.client_timeout_s, settings.picture_body_bytes, always_files=("image",))
        width, height = _sides(form.values(whole=_SIDES))
        name = await asyncio.to_thread(find_upscaling_engine, service.models, engine_id)
        if not key_of(request):  # one that has a key may have its picture already
            service.check_room(request.state.caller)
        image = file_of(form, "image")
        if not image:
            raise missing_image("image")
        kept = await asyncio.to_thread(service.inputs.put, image, "image")
        about = await asyncio.to_thread(text_of, image)
        wanted = Upscale(kept, name, scale=TWICE, width=width, height=height, about=about)
        own = service.inputs.size(kept)
        asked = ImageRequest("", "", *own, steps=1, cfg_scale=1.0, seed=0, upscale=wanted)
        return await answered(service, request, asked, {"form": await asyncio.to_thread(form.told)})

    return routes


def _sides(said: dict[str, Any]) -> tuple[int, int]:
    """Return the side that is asked for, and 0 for the other, which follows; 0 for both is twice as large."""
    width, height = (fields.integer(said, name, 0) for name in _SIDES)
    if width and height:
        raise BadRequest("height", "does not go together with width", "Send one; the other follows in proportion")
    for name, side in zip(_SIDES, (width, height), strict=True):
        check_whole(name, side, 0, MAXIMUM_FINAL_SIDE)
    return width, height


_SIDE = field("integer", "one of the two; empty: twice as large", minimum=1, maximum=MAXIMUM_FINAL_SIDE)
_BODY = record(
    {"image": {**BINARY, "description": "the picture"}, "width": _SIDE, "height": _SIDE}, required=("image",)
)
