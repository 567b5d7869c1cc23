"""The numbers that a Prometheus collects."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from starlette.responses import PlainTextResponse, Response

from garret.service_runtime import metrics
from garret.service_runtime.service import Service


def router(service: Service) -> APIRouter:
    """Return the route."""
    routes = APIRouter(tags=["machine"])

    @routes.get("/metrics", response_class=PlainTextResponse)
    async def numbers() -> Response:
        """Tell queue, pictures, workers, devices and idleness in Prometheus' text format; asking is no use."""
        await asyncio.to_thread(metrics.load)
        text, kind = metrics.render(service, await service.running_operations())
        return Response(text, headers={"content-type": kind})

    return routes
