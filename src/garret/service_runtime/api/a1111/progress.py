"""How far a caller's pictures are, as A1111 tells it, and a caller's orders to stop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from garret.service_runtime.api.a1111.desk import Desk, owner_of
from garret.service_runtime.api.a1111.tasks import INTERRUPTED, SKIPPED
from garret.service_runtime.api.describe import answer, field, query, record
from garret.service_runtime.api.job_view import progress_of
from garret.service_runtime.api.picture_json import Base64, picture_reply
from garret.service_runtime.live import Live
from garret.service_runtime.messages import Previewed
from garret.service_runtime.png import encode_png

_NOTHING = 0.01
"""What A1111 adds to every share, so that what has begun is never 0: only an idle service says that."""
_PROGRESS = record(
    {
        "progress": {"type": "number", "description": "0 to 1; 0 while nothing has begun"},
        "eta_relative": {"type": "number", "description": "seconds that are left, at the pace so far"},
        "state": record({
            "skipped": {"type": "boolean"},
            "interrupted": {"type": "boolean"},
            "stopping_generation": {"type": "boolean"},
            "job": {"type": "string", "description": "the name of the job that is made now"},
            "job_count": {"type": "integer", "description": "pictures of the caller's jobs; 0: there are none"},
            "job_timestamp": {"type": "string"},
            "job_no": {"type": "integer", "description": "how many of them are done"},
            "sampling_step": {"type": "integer"},
            "sampling_steps": {"type": "integer"},
        }),
        "current_image": field("string", "a picture as it looks so far, small, as a PNG in base64"),
        "textinfo": field("string", "what is being done"),
    },
    required=("progress", "eta_relative", "state", "current_image", "textinfo"),
)  # fmt: skip
_EMPTY = answer("Done.", {"type": "object"})


@dataclass(frozen=True)
class Far:
    """How far some jobs are together: pictures, the step of the one that is made, seconds so far."""

    share: float
    count: int
    done: int
    running: Live | None
    seconds: float

    @property
    def eta(self) -> float:
        """Return the seconds that are left, at the pace so far."""
        return self.seconds / self.share - self.seconds if self.share else 0.0


def router(desk: Desk) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/sdapi/v1", tags=["A1111"])
    service = desk.service
    skips = query("skip_current_image", {"type": "boolean"}, "true: without the picture so far")

    @routes.get("/progress", openapi_extra={"parameters": [skips]}, responses={200: answer("How far.", _PROGRESS)})
    async def progress(request: Request) -> Response:
        """Tell how far the caller's own jobs are; with none, progress and job_count are 0."""
        owner = owner_of(request)
        far = far_of(desk.jobs_of(owner))
        wants = request.query_params.get("skip_current_image", "").lower() not in ("true", "1", "yes", "on")
        preview = newest_preview(far.running) if wants else None
        told = progress_body(far, desk, owner)
        return await picture_reply({**told, "current_image": await png_of(preview) if preview else None})

    @routes.post("/interrupt", responses={200: _EMPTY})
    async def interrupt(request: Request) -> Response:
        """Stop the caller's own jobs that came by this API: one that runs at its next step, one that waits at once."""
        owner = owner_of(request)
        for live in desk.jobs_of(owner):
            if live.job_id in desk.tasks:
                desk.tasks.stop(owner, INTERRUPTED)
                service.cancel(live.job_id, "interrupted by its owner")
        return JSONResponse({})

    @routes.post("/skip", responses={200: _EMPTY})
    async def skip(request: Request) -> Response:
        """Stop the caller's own job that runs, with all its pictures that are not done; those that wait go on."""
        owner = owner_of(request)
        for live in desk.jobs_of(owner):
            if live.job_id in desk.tasks and live.started:
                desk.tasks.stop(owner, SKIPPED)
                service.cancel(live.job_id, "skipped by its owner")
        return JSONResponse({})

    return routes


def far_of(jobs: Sequence[Live]) -> Far:
    """Return how far these jobs are; before one has begun, nothing is."""
    running = [live for live in jobs if live.started]
    count = sum(live.request.count for live in jobs)
    if not running:
        return Far(0.0, count, 0, None, 0.0)
    made = sum(progress_of(live)["share"] * live.request.count for live in running)
    seconds = time.time() - min(live.started_at or live.began for live in running)
    done = sum(len(live.kept) for live in running)
    return Far(min(1.0, _NOTHING + made / count), count, done, running[0], max(seconds, 0.0))


def progress_body(far: Far, desk: Desk, owner: str) -> dict[str, Any]:
    """Return A1111's progress record, without a picture."""
    live, order = far.running, desk.tasks.order(owner)
    step = progress_of(live) if live else {"step": 0, "steps": 0, "stage": None}
    return {
        "progress": far.share,
        "eta_relative": far.eta,
        "state": {
            "skipped": order == SKIPPED,
            "interrupted": order == INTERRUPTED,
            "stopping_generation": False,
            "job": desk.tasks.name_of(live.job_id) if live else "",
            "job_count": far.count,
            "job_timestamp": datetime.now(UTC).strftime("%Y%m%d%H%M%S"),
            "job_no": far.done,
            "sampling_step": step["step"],
            "sampling_steps": step["steps"],
        },
        "textinfo": step["stage"] or ("waiting" if far.count else None),
    }


def newest_preview(live: Live | None) -> Previewed | None:
    """Return what the picture that came last looks like so far."""
    return live.previews[next(reversed(live.previews))] if live and live.previews else None


async def png_of(preview: Previewed, prefix: str = "") -> Base64:
    """Return a preview as a PNG, made beside the event loop."""
    return Base64(await asyncio.to_thread(encode_png, preview.rgb, preview.width, preview.height), prefix)
