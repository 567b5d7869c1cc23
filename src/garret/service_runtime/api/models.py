"""The models on this node, their previews, and where a token for a download is handed over."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from garret.service_runtime.api.body import read_json
from garret.service_runtime.errors import BadRequest, NotFound
from garret.service_runtime.handed import NotTaken, hand_over
from garret.service_runtime.model_files import EMBEDDING, TYPES
from garret.service_runtime.models import Model
from garret.service_runtime.service import Service

LONGEST_TOKEN = 4096
MOST_TOKENS = 16
_MEDIA = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["models"])

    @routes.get("/models")
    async def list_models(type: str = "") -> list[dict[str, Any]]:
        """List the models, of one type or of all; a file that came a moment ago is among them."""
        types = (*TYPES, EMBEDDING)
        if type and type not in types:
            raise BadRequest("type", f"{type[:40]!r} is not a type of model", f"Give one of {', '.join(types)}")
        return [_facts(model) for model in await asyncio.to_thread(service.models.all, type or None)]

    @routes.get("/models/{model_type}/{name:path}/preview")
    async def preview(model_type: str, name: str) -> Response:
        """Return the picture that belongs to a model."""
        models = await asyncio.to_thread(service.models.all, model_type)
        found = next((model.preview for model in models if model.name == name and model.preview), None)
        if found is None:
            raise NotFound(f"there is no preview of a {model_type[:40]} {name[:120]!r}", "GET /models lists them")
        data = await asyncio.to_thread(found.read_bytes)
        return Response(data, media_type=_MEDIA[found.suffix.lower()])

    @routes.put("/executions/{identifier}/secrets")
    async def secrets(identifier: str, request: Request) -> dict[str, Any]:
        """Take tokens, by their names, for an operation that is about to begin; it takes them once, within minutes."""
        tokens = (await read_json(request, service.settings.client_timeout_s)).get("tokens")
        if not isinstance(tokens, dict) or not 1 <= len(tokens) <= MOST_TOKENS:
            raise BadRequest("tokens", f"must be a table of 1 to {MOST_TOKENS} texts")
        if not all(isinstance(text, str) and 1 <= len(text) <= LONGEST_TOKEN for text in tokens.values()):
            raise BadRequest("tokens", f"must hold texts of 1 to {LONGEST_TOKEN} characters")
        try:
            await asyncio.to_thread(hand_over, service.settings.state_dir, identifier, tokens)
        except NotTaken as error:
            raise BadRequest("identifier", str(error)) from None
        return {"taken": len(tokens)}

    return routes


def _facts(model: Model) -> dict[str, Any]:
    return {
        "name": model.name,
        "type": model.type,
        "family": model.family,
        "size": model.size,
        "sha256": model.sha256 or None,
        "native_size": model.native_size,
        "preview": f"/models/{model.type}/{model.name}/preview" if model.preview else None,
        "problem": model.why_useless or None,
    }
