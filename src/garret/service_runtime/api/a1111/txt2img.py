"""A1111's `txt2img`: pictures from words."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from garret.service_runtime.api import fields
from garret.service_runtime.api.a1111.fields import TXT2IMG_SCHEMA, parse_txt2img
from garret.service_runtime.api.a1111.reply import reply_of
from garret.service_runtime.api.body import read_json
from garret.service_runtime.api.waiting import wait_for
from garret.service_runtime.service import Service


def router(service: Service) -> APIRouter:
    """Return the route."""
    routes = APIRouter(prefix="/sdapi/v1", tags=["A1111"])

    @routes.post("/txt2img", openapi_extra=TXT2IMG_SCHEMA)
    async def txt2img(request: Request) -> Response:
        """Make pictures from words."""
        body = await read_json(request, service.settings.client_timeout_s)
        send_images = fields.boolean(body, "send_images", True)
        asked = parse_txt2img(body, service.models.usable_checkpoint)
        result = await wait_for(service, asked, request, body)
        return await reply_of(result, body, send_images=send_images)

    return routes
