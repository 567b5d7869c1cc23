"""The models on this node: what is there, and of which type; OpenAI's clients ask here as well."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from garret.service_runtime.api.describe import answer, query
from garret.service_runtime.api.lists import list_reply, list_schema
from garret.service_runtime.api.model_view import CHECKPOINT, LISTED, SCHEMA, default_path, facts_of, find_model
from garret.service_runtime.errors import BadRequest
from garret.service_runtime.service import Service

ALL = "all"
_CHOICES = (*LISTED, ALL)
_TYPE = query("type", {"enum": list(_CHOICES), "default": CHECKPOINT}, "models of which type")


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/v1/models", tags=["models"])

    def listed(model_type: str) -> list[dict[str, Any]]:
        default = default_path(service)
        models = service.models.all(None if model_type == ALL else model_type)
        return [facts_of(service, model, default) for model in models]

    def one(model_type: str, name: str) -> dict[str, Any]:
        return facts_of(service, find_model(service, model_type, name), default_path(service))

    @routes.get("", responses={200: answer("The models", list_schema(SCHEMA))}, openapi_extra={"parameters": [_TYPE]})
    async def list_models(type: str = CHECKPOINT) -> Response:
        """List the checkpoints, or the models of another `type`; a file that came a moment ago is among them."""
        if type not in _CHOICES:
            raise BadRequest("type", f"{type[:40]!r} is not a type of model", f"Give one of {', '.join(_CHOICES)}")
        return await list_reply(await asyncio.to_thread(listed, type))

    @routes.get("/{model_type}/{name:path}", responses={200: answer("The model", SCHEMA)})
    async def show_model(model_type: str, name: str) -> dict[str, Any]:
        """Show one model of a type, by its name, its file's name or its path below the type's folder."""
        return await asyncio.to_thread(one, model_type, name)

    @routes.get("/{name}", responses={200: answer("The checkpoint", SCHEMA)})
    async def show_checkpoint(name: str) -> dict[str, Any]:
        """Show one checkpoint."""
        return await asyncio.to_thread(one, CHECKPOINT, name)

    @routes.post("/refresh", responses={200: answer("How many there are now")})
    async def refresh() -> dict[str, int]:
        """Look at the folders anew, and hash what has no hash so far; models are seen without this as well."""
        found = await asyncio.to_thread(service.models.all)
        service.hash_models()
        return {"models": len(found)}

    return routes
