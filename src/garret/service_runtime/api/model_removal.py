"""Models taken away and had back: removed ones lie in a bin for two weeks, unless they are deleted for good."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request

from garret.service_runtime.api.describe import Schema, answer, query, record
from garret.service_runtime.api.lists import flag_of, list_of, list_schema
from garret.service_runtime.api.model_view import CHECKPOINT, find_model, place_of
from garret.service_runtime.errors import NotFound
from garret.service_runtime.operations.bin import Bin, Removed
from garret.service_runtime.service import Service

_TEXT: Schema = {"type": "string"}
_REMOVED: dict[str, Schema] = {
    "id": {**_TEXT, "description": "what it is restored by"},
    "name": _TEXT,
    "type": _TEXT,
    "folder": _TEXT,
    "files": {"type": "array", "items": _TEXT},
    "size": {"type": "integer"},
    "sha256": _TEXT,
    "family": _TEXT,
    "removed_at": _TEXT,
    "removed_by": _TEXT,
    "kept_until": {**_TEXT, "description": "not there when it was deleted for good"},
}
_ENTRY = record(_REMOVED, required=tuple(name for name in _REMOVED if name != "kept_until"))
_GONE = record({**_REMOVED, "object": {"const": "model"}, "deleted": {"const": True}}, required=("id", "deleted"))
_RESTORED = record(
    {"name": _TEXT, "type": _TEXT, "family": _TEXT, "size": {"type": "integer"}, "sha256": _TEXT, "path": _TEXT},
    required=("name", "type"),
)
_DELETED = record({"deleted": {"const": True}}, required=("deleted",))
_FLAG: Schema = {"type": "boolean", "default": False}
_FLAGS = {
    "parameters": [
        query("force", _FLAG, "also the last checkpoint that pictures can be made with"),
        query("for_good", _FLAG, "at once and for ever, not into the bin"),
    ]
}


def router(service: Service) -> APIRouter:
    """Return the routes that remove."""
    routes = APIRouter(prefix="/v1/models", tags=["models"])

    def removed(model_type: str, name: str, caller: str, *, force: bool, for_good: bool) -> dict[str, Any]:
        model = find_model(service, model_type, name)
        named = {"name": place_of(service, model.path), "type": model.type, "force": force, "for_good": for_good}
        gone = service.operations.do("remove-model", named, caller)
        del gone["purged"], gone["for_good"]
        return {**gone, "object": "model", "deleted": True}

    async def remove(model_type: str, name: str, request: Request) -> dict[str, Any]:
        force, for_good = flag_of(request, "force"), flag_of(request, "for_good")
        caller = request.state.caller
        return await asyncio.to_thread(removed, model_type, name, caller, force=force, for_good=for_good)

    @routes.delete("/{model_type}/{name:path}", responses={200: answer("It is gone", _GONE)}, openapi_extra=_FLAGS)
    async def remove_model(model_type: str, name: str, request: Request) -> dict[str, Any]:
        """Move a model and its preview into the bin; `id` is what it is restored by."""
        return await remove(model_type, name, request)

    @routes.delete("/{name}", responses={200: answer("It is gone", _GONE)}, openapi_extra=_FLAGS)
    async def remove_checkpoint(name: str, request: Request) -> dict[str, Any]:
        """Move a checkpoint and its preview into the bin."""
        return await remove(CHECKPOINT, name, request)

    return routes


def bin_router(service: Service) -> APIRouter:
    """Return the routes of the bin."""
    routes = APIRouter(prefix="/v1/bin", tags=["models"])
    trash = Bin(service.settings.models_dir)

    def found(identifier: str) -> Removed:
        one = next((one for one in trash.all() if one.id == identifier), None)
        if one is None:
            raise NotFound(f"nothing in the bin has the id {identifier[:64]!r}", "GET /v1/bin lists what is in it")
        return one

    def restored(identifier: str, caller: str) -> dict[str, Any]:
        output = service.operations.do("restore-model", {"name": found(identifier).id}, caller)
        (one,) = output["models"]
        return {name: one[name] for name in ("name", "type", "family", "size", "sha256")}

    @routes.get("", responses={200: answer("What is in the bin", list_schema(_ENTRY))})
    async def list_bin() -> dict[str, Any]:
        """List the removed models, those removed last first, and until when each is kept."""
        return list_of(one.to_dict() for one in await asyncio.to_thread(trash.all))

    @routes.post("/{identifier}/restore", responses={200: answer("It is back", _RESTORED)})
    async def restore(identifier: str, request: Request) -> dict[str, Any]:
        """Move a removed model back to where it lay; 422 when another file has its name by now."""
        return await asyncio.to_thread(restored, identifier, request.state.caller)

    @routes.delete("/{identifier}", responses={200: answer("It is gone", _DELETED)})
    async def delete(identifier: str) -> dict[str, bool]:
        """Delete a removed model for good."""
        await asyncio.to_thread(lambda: trash.forget(found(identifier)))
        return {"deleted": True}

    return routes
