"""Two questions for whoever watches: is the service alive, which needs no login, and can a picture be made."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from garret.service_runtime.service import Service

OPEN = "/healthz"
"""The one path of the service that needs no login."""


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(include_in_schema=False)

    @routes.api_route("/healthz", methods=["GET", "HEAD"])
    async def healthz() -> Response:
        """Answer at all, which is what is asked; whoever means readiness and asks here reads "ok" for it."""
        status = {"ready": "ok", "stopping": "stopping"}.get(service.state.status, "starting")
        return JSONResponse({"status": status, "workers": service.pool.ready})

    @routes.api_route("/readyz", methods=["GET", "HEAD"])
    async def readyz() -> Response:
        """Say whether a picture can be made, else 503 with when to ask again."""
        state = service.state
        if state.status == "ready":
            return JSONResponse({"status": "ready", "workers": service.pool.ready})
        said = {"status": state.status, "detail": state.detail, "seconds": state.remaining_s}
        return JSONResponse(said, 503, {"retry-after": str(state.retry_after)})

    return routes
