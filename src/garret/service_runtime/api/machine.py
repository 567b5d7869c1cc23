"""The node itself: how long nobody has needed it, and when it will stop for that."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from garret.service_runtime.service import Service


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["machine"])

    @routes.get("/machine")
    async def machine() -> dict[str, Any]:
        """Say when autostop will act, and why it has not; asking this does not count as use. Times are seconds."""
        return {"deployment": service.settings.deployment, "autostop": service.autostop.facts()}

    return routes
