"""Pictures to begin from, sent once as they are and named by their digests in any number of requests."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from garret.service_runtime.api import fields
from garret.service_runtime.api.body import parse_json, read_body
from garret.service_runtime.api.caching import cache_headers, not_changed
from garret.service_runtime.api.describe import Schema, answer, query, record
from garret.service_runtime.api.image_view import own_image
from garret.service_runtime.errors import BadRequest, Gone
from garret.service_runtime.limits import check_choice
from garret.service_runtime.service import Service

KINDS = ("image", "mask")
_JSON = "application/json"
_LONGEST_NAMING = 1000
_PICTURE: Schema = {"schema": {"type": "string", "format": "binary"}}
_IMAGE = record({"image": {"type": "string", "description": "one of the caller's images: JOB-NUMBER"}}, ("image",))
_FILE = {
    "requestBody": {
        "required": True,
        "content": {
            **dict.fromkeys(("image/png", "image/jpeg", "image/webp"), _PICTURE),
            _JSON: {"schema": _IMAGE},
        },
    },
    "parameters": [query("kind", {"type": "string", "enum": list(KINDS), "default": "image"}, "what it will be")],
}
_SIDE: Schema = {"type": "integer", "description": "in pixels, as it is kept"}
_KEPT: dict[int | str, dict[str, Any]] = {
    200: answer(
        "It is kept",
        record({"sha256": {"type": "string"}, "width": _SIDE, "height": _SIDE}, ("sha256", "width", "height")),
    )
}
_SHOWN: dict[int | str, dict[str, Any]] = {
    200: answer("The picture", {"type": "string", "format": "binary"}, "image/png"),
    304: answer("The caller has it already"),
}


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/v1/inputs", tags=["jobs"])

    @routes.put("", openapi_extra=_FILE, responses=_KEPT)
    async def put(request: Request) -> dict[str, Any]:
        """Take a PNG, JPEG or WebP file as the body, and answer the `sha256` that a request names it by.

        JSON that names one of the caller's own images takes that, without its file being sent. `kind=mask` takes one in
        shades of grey, white being what is repainted. It is kept for an hour, and for as long as a job that names it.
        """
        kind = request.query_params.get("kind", "image")
        check_choice("kind", kind, KINDS)
        data = await _picture(service, request)
        if not data:
            raise BadRequest("body", "is empty", "Send the file as it is")
        keep = service.inputs.put if kind == "image" else service.inputs.put_mask

        def kept() -> dict[str, Any]:
            digest = keep(data, "body")
            width, height = service.inputs.size(digest)
            return {"sha256": digest, "width": width, "height": height}

        return await asyncio.to_thread(kept)

    @routes.get("/{sha256}", response_class=Response, responses=_SHOWN)
    async def show(sha256: str, request: Request) -> Response:
        """Return a picture as it is kept, as PNG, for whoever knows its digest; it is kept an hour longer then."""
        # A request that names the digest and paints nothing anew has shown its picture to any caller already.
        path = await asyncio.to_thread(service.inputs.path, sha256, "sha256")
        headers = cache_headers(sha256, for_ever=True)
        if known := not_changed(request, headers):
            return known
        try:
            data = await asyncio.to_thread(path.read_bytes)
        except FileNotFoundError:
            raise Gone("this picture is not kept any more", "Send it again") from None
        return Response(data, media_type="image/png", headers=headers)

    return routes


async def _picture(service: Service, request: Request) -> bytes:
    """Return the file in the body, or that of the image which the body names."""
    settings = service.settings
    data = await read_body(request, settings.client_timeout_s, settings.picture_body_bytes)
    # Told by how it begins, as pictures are: they used to come under any Content-Type.
    if not data.startswith(b"{") or len(data) > _LONGEST_NAMING:
        return data
    kept = (await own_image(service, fields.text(parse_json(data), "image"), request)).kept
    try:
        return await asyncio.to_thread(service.results.path(kept.name).read_bytes)
    except FileNotFoundError:
        raise Gone("this picture is not kept any more", "Ask for it again") from None
