"""Accepted jobs by their ids, for callers whose connection did not live as long as their job."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from garret.service_runtime.errors import NotFound
from garret.service_runtime.jobs import Job
from garret.service_runtime.service import Service


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/jobs", tags=["jobs"])

    async def own_job(job_id: str, request: Request) -> Job:
        job = await service.job(job_id)
        if job is None or job.owner != request.state.caller:
            raise NotFound(f"there is no job {job_id[:64]!r}", "GET /jobs lists yours")
        return job

    @routes.get("")
    async def list_jobs(request: Request) -> list[dict[str, Any]]:
        """List the caller's newest jobs."""
        return [job.to_dict() for job in await service.recent_jobs(request.state.caller)]

    @routes.get("/{job_id}")
    async def show_job(job_id: str, request: Request) -> dict[str, Any]:
        """Show one of the caller's jobs."""
        return (await own_job(job_id, request)).to_dict()

    @routes.delete("/{job_id}")
    async def cancel_job(job_id: str, request: Request) -> dict[str, bool]:
        """Cancel one of the caller's jobs."""
        job = await own_job(job_id, request)
        return {"cancelled": service.cancel(job.id, "cancelled by its owner")}

    @routes.get("/{job_id}/pictures/{index}")
    async def show_picture(job_id: str, index: int, request: Request) -> Response:
        """Return one finished picture as PNG."""
        job = await own_job(job_id, request)
        if not 0 <= index < len(job.pictures):
            raise NotFound(f"the job has {len(job.pictures)} pictures and no number {index}")
        png = await asyncio.to_thread(service.results.path(job.pictures[index]).read_bytes)
        return Response(png, media_type="image/png")

    return routes
