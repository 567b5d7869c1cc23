"""How far pictures are, as A1111 tells it, and orders to stop."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request

from garret.service_runtime.service import Service


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/sdapi/v1", tags=["A1111"])

    @routes.get("/progress")
    async def progress() -> dict[str, Any]:
        """Tell how far the jobs are that are not over."""
        return progress_of(service)

    @routes.post("/interrupt")
    async def interrupt(request: Request) -> dict[str, Any]:
        """Stop the caller's own jobs at their next step."""
        for live in service.live:
            if live.owner == request.state.caller:
                service.cancel(live.job_id, "interrupted by its owner")
        return {}

    return routes


def progress_of(service: Service) -> dict[str, Any]:
    """Return A1111's progress record; idle is progress 0 and job_count 0."""
    live = service.live
    running = [job for job in live if job.started]
    state = {
        "skipped": False,
        "interrupted": False,
        "stopping_generation": False,
        "job": running[0].job_id if running else "",
        "job_count": len(live),
        "job_timestamp": datetime.now(UTC).strftime("%Y%m%d%H%M%S"),
        "job_no": 0,
        "sampling_step": running[0].step if running else 0,
        "sampling_steps": running[0].request.steps if running else 0,
    }
    share, remaining = 0.0, 0.0
    if running:
        job = running[0]
        share = min(1.0, 0.01 + job.step / (len(live) * job.request.steps))
        elapsed = time.time() - job.began
        remaining = elapsed / share - elapsed
    return {"progress": share, "eta_relative": remaining, "state": state, "current_image": None, "textinfo": None}
