"""A1111's lists of samplers and of spacings of their noise levels."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from garret.service_runtime.api.a1111.desk import Desk
from garret.service_runtime.api.a1111.schema import array
from garret.service_runtime.samplers import SAMPLERS, SCHEDULES


def router(_: Desk) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/sdapi/v1", tags=["A1111"])

    @routes.get("/samplers", responses={200: array("name", "aliases", "options")})
    async def samplers() -> Response:
        """List the samplers."""
        return JSONResponse([{"name": entry.name, "aliases": list(entry.aliases), "options": {}} for entry in SAMPLERS])

    @routes.get("/schedulers", responses={200: array("name", "label", "aliases", "default_rho", "need_inner_model")})
    async def schedulers() -> Response:
        """List the spacings of noise levels."""
        return JSONResponse(
            [
                {
                    "name": entry.name,
                    "label": entry.label,
                    "aliases": list(entry.aliases) or None,
                    "default_rho": entry.rho,
                    "need_inner_model": False,
                }
                for entry in SCHEDULES
            ]
        )

    return routes
