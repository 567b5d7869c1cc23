"""A1111's options: the settings that clients read, and the few that they change."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from garret.service_runtime.api import fields
from garret.service_runtime.api.body import read_json
from garret.service_runtime.service import Service


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/sdapi/v1", tags=["A1111"])

    @routes.get("/options")
    async def options() -> dict[str, Any]:
        """Return the settings that clients read."""
        models = service.models.all("checkpoint")
        model = service.models.find_checkpoint() if models else None
        return {
            "sd_model_checkpoint": model.title if model else None,
            "sd_checkpoint_hash": model.sha256 if model else None,
            "sd_vae": "Automatic",
            "samples_format": "png",
            "CLIP_stop_at_last_layers": 1,
        }

    @routes.post("/options")
    async def set_options(request: Request) -> Response:
        """Choose the checkpoint for requests that name none; other settings are accepted and change nothing."""
        title = fields.text(await read_json(request, service.settings.client_timeout_s), "sd_model_checkpoint")
        if title:
            service.models.choose(service.models.usable_checkpoint(title))
        return JSONResponse(None)

    return routes
