"""A1111's `txt2img`: pictures from words."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Request
from starlette.responses import Response

from garret.service_runtime.api import fields
from garret.service_runtime.api.a1111.desk import Desk
from garret.service_runtime.api.a1111.fields import parse_txt2img
from garret.service_runtime.api.a1111.making import make
from garret.service_runtime.api.a1111.reply import ANSWER, reply_of
from garret.service_runtime.api.a1111.schema import TXT2IMG
from garret.service_runtime.api.body import read_json
from garret.service_runtime.api.describe import body as described


def router(desk: Desk) -> APIRouter:
    """Return the route."""
    routes = APIRouter(prefix="/sdapi/v1", tags=["A1111"])
    service = desk.service
    parse = partial(parse_txt2img, find=service.models.usable_checkpoint)

    @routes.post("/txt2img", openapi_extra=described(TXT2IMG), responses={200: ANSWER})
    async def txt2img(request: Request) -> Response:
        """Make pictures from words; the reply comes when the last one is there."""
        body = await read_json(request, service.settings.client_timeout_s)
        send_images = fields.boolean(body, "send_images", True)
        made = await make(desk, request, body, parse)
        return await reply_of(made, body, send_images=send_images)

    return routes
