"""Pictures to begin from, sent once as they are and named by their digests in any number of requests."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request

from garret.service_runtime.api.body import read_body
from garret.service_runtime.api.describe import Schema, answer, query, record
from garret.service_runtime.errors import BadRequest
from garret.service_runtime.limits import check_choice
from garret.service_runtime.service import Service

KINDS = ("image", "mask")
_PICTURE: Schema = {"schema": {"type": "string", "format": "binary"}}
_FILE = {
    "requestBody": {
        "required": True,
        "content": dict.fromkeys(("image/png", "image/jpeg", "image/webp"), _PICTURE),
    },
    "parameters": [query("kind", {"type": "string", "enum": list(KINDS), "default": "image"}, "what it will be")],
}
_KEPT: dict[int | str, dict[str, Any]] = {
    200: answer("It is kept", record({"sha256": {"type": "string"}}, required=("sha256",)))
}


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/v1/inputs", tags=["jobs"])

    @routes.put("", openapi_extra=_FILE, responses=_KEPT)
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
