"""A1111's lists of samplers and of spacings of their noise levels."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from garret.service_runtime.samplers import SAMPLERS, SCHEDULES
from garret.service_runtime.service import Service


def router(_: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/sdapi/v1", tags=["A1111"])

    @routes.get("/samplers")
    async def samplers() -> list[dict[str, Any]]:
        """List the samplers."""
        return [{"name": entry.name, "aliases": list(entry.aliases), "options": {}} for entry in SAMPLERS]

    @routes.get("/schedulers")
    async def schedulers() -> list[dict[str, Any]]:
        """List the spacings of noise levels."""
        return [
            {
                "name": entry.name,
                "label": entry.label,
                "aliases": list(entry.aliases) or None,
                "default_rho": entry.rho,
                "need_inner_model": False,
            }
            for entry in SCHEDULES
        ]

    return routes
