"""Models' previews made small: a page of cards loads these, once."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from garret.service_runtime.api.caching import cache_headers, not_changed
from garret.service_runtime.api.describe import answer, query
from garret.service_runtime.api.model_view import find_model, version_of
from garret.service_runtime.errors import Gone, NotFound
from garret.service_runtime.service import Service
from garret.service_runtime.thumbnails import MEDIA_TYPE, Thumbnails, size_of

_SMALL = answer("Its small form", {"type": "string", "format": "binary"}, MEDIA_TYPE)
_UNCHANGED = answer("The caller has it already")
_VERSION = {"parameters": [query("v", {"type": "string"}, "which version, as `thumbnail` of a model's record says")]}


def router(service: Service) -> APIRouter:
    """Return the route; it stands before those of models, whose names may have slashes in them."""
    routes = APIRouter(prefix="/v1/models", tags=["models"])
    thumbnails = Thumbnails(service.settings.state_dir / "cards")

    def look(model_type: str, name: str) -> tuple[Path, str, str]:
        """Return a model's preview, its version, and the name of its small form."""
        found = find_model(service, model_type, name).preview
        version = version_of(found) if found else ""
        if found is None or not version:
            raise NotFound(f"there is no preview of the {model_type} {name[:120]!r}", "PUT one at /preview")
        return found, version, hashlib.sha256(str(found).encode("utf-8", "surrogateescape")).hexdigest()[:32]

    def check(preview: Path) -> None:
        sides = size_of(preview)
        if sides is None or sides[0] * sides[1] > service.settings.picture_pixels:
            raise Gone("the file of this preview is broken, or too large to be made small", "PUT another one there")

    @routes.get(
        "/{model_type}/{name:path}/thumbnail",
        response_class=Response,
        responses={200: _SMALL, 304: _UNCHANGED},
        openapi_extra=_VERSION,
    )
    async def show_thumbnail(model_type: str, name: str, request: Request) -> Response:
        """Return a model's preview small, its longer side at most 384 pixels; made at the first look, and kept.

        With the version in its address, a browser asks for it once.
        """
        preview, version, place = await asyncio.to_thread(look, model_type, name)
        headers = cache_headers(f"{place}-{version}", for_ever=request.query_params.get("v") == version)
        if known := not_changed(request, headers):
            return known
        try:
            data = await thumbnails.known(place, version)
            if data is None:
                await asyncio.to_thread(check, preview)
                data = await thumbnails.keep(preview, place, version)
        except OSError:
            raise Gone("the file of this preview is broken", "PUT another one there") from None
        return Response(data, media_type=MEDIA_TYPE, headers=headers)

    return routes
