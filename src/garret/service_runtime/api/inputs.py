"""Pictures to begin from, sent once as they are and named by their digests in any number of requests."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request

from garret.service_runtime.api.body import read_body
from garret.service_runtime.errors import BadRequest
from garret.service_runtime.limits import check_choice
from garret.service_runtime.service import Service

KINDS = ("image", "mask")


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/v1/inputs", tags=["jobs"])

    @routes.put("")
    async def put(request: Request) -> dict[str, str]:
        """Take a PNG, JPEG or WebP file as the body, and answer the `sha256` that a request names it by.

        `kind=mask` takes one in shades of grey, white being what is repainted. It is kept for an hour, and for as long
        as a job that names it.
        """
        kind = request.query_params.get("kind", "image")
        check_choice("kind", kind, KINDS)
        data = await read_body(request, service.settings.client_timeout_s, service.settings.picture_body_bytes)
        if not data:
            raise BadRequest("body", "is empty", "Send the file as it is")
        keep = service.inputs.put if kind == "image" else service.inputs.put_mask
        return {"sha256": await asyncio.to_thread(keep, data, "body")}

    return routes
