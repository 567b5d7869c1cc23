"""A1111's lists of models, and its orders to look for new ones."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from garret.service_runtime.models import Model
from garret.service_runtime.service import Service


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/sdapi/v1", tags=["A1111"])

    @routes.get("/sd-models")
    async def sd_models() -> list[dict[str, Any]]:
        """List the checkpoints."""
        return [_checkpoint(model) for model in service.models.all("checkpoint")]

    @routes.post("/refresh-checkpoints")
    async def refresh_checkpoints() -> Response:
        """Look for new checkpoints; they would be seen without this as well."""
        service.models.all("checkpoint")
        return JSONResponse(None)

    return routes


def _checkpoint(model: Model) -> dict[str, Any]:
    return {
        "title": model.title,
        "model_name": model.name,
        "hash": model.sha256[:10] or None,
        "sha256": model.sha256 or None,
        "filename": str(model.path),
        "config": None,
        # Not A1111's: the side in pixels the model was made for. A client that does not read it asks for 512.
        "garret_native_size": model.native_size,
        "garret_family": model.family,
    }
