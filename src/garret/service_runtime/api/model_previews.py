"""The pictures that show what models do, each lying beside its model under the same name."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from starlette.responses import Response

from garret.service_runtime.api.model_view import find_model
from garret.service_runtime.errors import NotFound
from garret.service_runtime.service import Service

MEDIA_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}
_PICTURE = {"type": "string", "format": "binary"}
PICTURE_ANSWER = {
    "description": "The picture",
    "content": {kind: {"schema": _PICTURE} for kind in sorted(set(MEDIA_TYPES.values()))},
}


def router(service: Service) -> APIRouter:
    """Return the routes; they stand before those of models, whose names may have slashes in them."""
    routes = APIRouter(prefix="/v1/models", tags=["models"])

    def read(model_type: str, name: str) -> Response:
        found = find_model(service, model_type, name).preview
        if found is None:
            raise NotFound(f"there is no preview of the {model_type} {name[:120]!r}", "PUT one there")
        return Response(found.read_bytes(), media_type=MEDIA_TYPES[found.suffix.lower()])

    @routes.get("/{model_type}/{name:path}/preview", response_class=Response, responses={200: PICTURE_ANSWER})
    async def preview(model_type: str, name: str) -> Response:
        """Return the picture that belongs to a model."""
        return await asyncio.to_thread(read, model_type, name)

    return routes
