"""A1111's lists of what enlarges pictures and mends them."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from garret.service_runtime.api.a1111.desk import Desk
from garret.service_runtime.api.a1111.schema import array
from garret.service_runtime.upscalers import NETWORK, Upscaler, all_upscalers, latent_modes


def router(desk: Desk) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/sdapi/v1", tags=["A1111"])

    @routes.get("/upscalers", responses={200: array("name", "model_name", "model_path", "model_url", "scale")})
    async def upscalers() -> Response:
        """List what enlarges pictures; the first is "None"."""
        return JSONResponse([_upscaler(one) for one in await asyncio.to_thread(all_upscalers, desk.service.models)])

    @routes.get("/latent-upscale-modes", responses={200: array("name")})
    async def latent() -> Response:
        """List what enlarges latents before a second pass."""
        return JSONResponse([{"name": name} for name in latent_modes()])

    @routes.get("/face-restorers", responses={200: array("name", "cmd_dir")})
    async def faces() -> Response:
        """List no mender of faces: none runs here."""
        return JSONResponse([])

    @routes.get("/realesrgan-models", responses={200: array("name", "path", "scale")})
    async def realesrgan() -> Response:
        """List no models of this one kind; those that are here stand among /upscalers."""
        return JSONResponse([])

    return routes


def _upscaler(one: Upscaler) -> dict[str, Any]:
    network = one.name if one.kind == NETWORK else None
    return {
        "name": one.name,
        "model_name": network,
        "model_path": one.path or None,
        "model_url": None,
        "scale": one.scale,
    }
