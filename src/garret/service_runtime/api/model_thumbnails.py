"""Models' previews made small: a page of cards loads these, once."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from garret.service_runtime.api.caching import cache_headers, not_changed
from garret.service_runtime.api.describe import answer, query
from garret.service_runtime.api.model_view import LISTED, find_model, version_of
from garret.service_runtime.errors import Gone, NotFound
from garret.service_runtime.service import Service
from garret.service_runtime.thumbnails import MEDIA_TYPE, Thumbnails, size_of

_SMALL = answer("Its small form", {"type": "string", "format": "binary"}, MEDIA_TYPE)
_UNCHANGED = answer("The caller has it already")
_VERSION = {"parameters": [query("v", {"type": "string"}, "which version, as `thumbnail` of a model's record says")]}

_FRESH_S = 10.0


def router(service: Service) -> APIRouter:
    """Return the route; it stands before those of models, whose names may have slashes in them."""
    routes = APIRouter(prefix="/v1/models", tags=["models"])
    thumbnails = Thumbnails(service.settings.state_dir / "cards")

    known = _KnownPreviews(service)

    def look(model_type: str, name: str, wanted: str) -> tuple[Path, str, str]:
        """Return a model's preview, its version, and the name of its small form."""
        found = known.of(model_type, name, wanted)
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
        preview, version, place = await asyncio.to_thread(look, model_type, name, request.query_params.get("v", ""))
        headers = cache_headers(f"{place}-{version}", for_ever=request.query_params.get("v") == version)
        if unchanged := not_changed(request, headers):
            return unchanged
        try:
            data = await thumbnails.known(place, version)
            if data is None:
                await asyncio.to_thread(check, preview)
                data = await thumbnails.keep(preview, place, version)
        except OSError:
            raise Gone("the file of this preview is broken", "PUT another one there") from None
        return Response(data, media_type=MEDIA_TYPE, headers=headers)

    return routes


class _KnownPreviews:
    """Where previews were a moment ago: a page of cards asks for hundreds, each of which would look at every model."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._known: dict[str, tuple[float, dict[str, Path]]] = {}

    def of(self, model_type: str, name: str, wanted: str) -> Path | None:
        """Return a model's preview; what was seen lately does as long as it is the version that is `wanted`.

        Raises:
            NotFound, BadRequest: there is no such model, or there are several.
        """
        at, previews = self._known.get(model_type, (-_FRESH_S, {}))
        found = previews.get(name) if time.monotonic() - at < _FRESH_S else None
        if found is not None and wanted and version_of(found) == wanted:
            return found
        now, models = time.monotonic(), self._service.models.all(model_type) if model_type in LISTED else []
        often = Counter(model.name for model in models)
        named = {model.name: model.preview for model in models if model.preview and often[model.name] == 1}
        self._known[model_type] = now, named
        return named.get(name) or find_model(self._service, model_type, name).preview
