"""What the script of A1111's own page asks beside its API, and what plug-ins probe for: `/internal/*`, the queue."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from garret.service_runtime.api import fields
from garret.service_runtime.api.a1111.desk import Desk, owner_of
from garret.service_runtime.api.a1111.progress import far_of, newest_preview, png_of
from garret.service_runtime.api.body import read_json
from garret.service_runtime.api.describe import answer, field, record
from garret.service_runtime.api.describe import body as described
from garret.service_runtime.api.picture_json import picture_reply
from garret.service_runtime.live import Live

_ASKED = record({
    "id_task": field("string", "the name that force_task_id gave, or a job's id"),
    "id_live_preview": field("integer", "the number of the preview that is there already; -1: none"),
    "live_preview": field("boolean", "false: without a picture"),
})  # fmt: skip
_TOLD = record({
    "active": {"type": "boolean"},
    "queued": {"type": "boolean"},
    "completed": {"type": "boolean"},
    "progress": field("number", "0 to 1"),
    "eta": field("number", "seconds that are left"),
    "live_preview": field("string", "a data URI, when there is a newer one"),
    "id_live_preview": field("integer", "its number"),
    "textinfo": field("string", "what is being done"),
})  # fmt: skip
_PENDING = record({"size": {"type": "integer"}, "tasks": {"type": "array", "items": {"type": "string"}}})


def router(desk: Desk) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["A1111"])
    service = desk.service

    @routes.post("/internal/progress", openapi_extra=described(_ASKED), responses={200: answer("How far.", _TOLD)})
    async def progress(request: Request) -> Response:
        """Tell how far one of the caller's own tasks is."""
        body = await read_json(request, service.settings.client_timeout_s)
        name, owner = fields.text(body, "id_task"), owner_of(request)
        job_id = desk.tasks.job_of(owner, name) or name
        live = service.find(job_id)
        if live is None or live.owner != owner:
            completed = bool(desk.tasks.job_of(owner, name)) or await _is_over(job_id, owner)
            return JSONResponse(_nothing(completed=completed))
        if not live.started:
            return JSONResponse({**_nothing(), "queued": True, "textinfo": _place(live)})
        wants, seen = fields.boolean(body, "live_preview", True), fields.integer(body, "id_live_preview", -1)
        return await picture_reply(await _active(live, seen, wants=wants))

    async def _is_over(job_id: str, owner: str) -> bool:
        job = await service.records.get(job_id) if len(job_id) <= 64 else None
        return job is not None and job.owner == owner and not job.is_open

    def _place(live: Live) -> str:
        places = service.positions()
        return f"In queue: {places.get(live.job_id, 1)}/{max(places.values(), default=1)}"

    @routes.get("/internal/pending-tasks", responses={200: answer("The caller's tasks that wait.", _PENDING)})
    async def pending(request: Request) -> Response:
        """List the names of the caller's own tasks that no worker has begun, oldest first."""
        waiting = [live for live in desk.jobs_of(owner_of(request)) if not live.started]
        return JSONResponse({"size": len(waiting), "tasks": [desk.tasks.name_of(live.job_id) for live in waiting]})

    @routes.get("/internal/ping", responses={200: answer("The service answers.", {"type": "object"})})
    async def ping() -> Response:
        """Answer, so that a page knows whom it talks to."""
        return JSONResponse({})

    @routes.get("/queue/status", responses={200: answer("The queue, as gradio tells of its own.", {"type": "object"})})
    async def queue(request: Request) -> Response:
        """Tell how many of the caller's own jobs are not over; Krita's plug-in probes for this."""
        far = far_of(desk.jobs_of(owner_of(request)))
        return JSONResponse({
            "msg": "estimation",
            "rank": None,
            "queue_size": len(desk.jobs_of(owner_of(request))),
            "avg_event_process_time": None,
            "avg_event_concurrent_process_time": None,
            "rank_eta": None,
            "queue_eta": round(far.eta, 1),
        })  # fmt: skip

    return routes


def _nothing(*, completed: bool = False) -> dict[str, Any]:
    return {
        "active": False,
        "queued": False,
        "completed": completed,
        "progress": None,
        "eta": None,
        "live_preview": None,
        "id_live_preview": -1,
        "textinfo": None if completed else "Waiting...",
    }


async def _active(live: Live, seen: int, *, wants: bool) -> dict[str, Any]:
    """Return how far a task that runs is, with a preview when there is a newer one than the caller has seen."""
    far = far_of([live])
    told = {**_nothing(), "active": True, "progress": far.share, "eta": far.eta, "textinfo": live.stage or None}
    preview = newest_preview(live) if wants else None
    # Steps count up through a batch, batches through a job: a later preview has a larger number.
    number = len(live.kept) * 1000 + live.step
    if preview is None or number == seen:
        return {**told, "id_live_preview": seen}
    return {**told, "live_preview": await png_of(preview, "data:image/png;base64,"), "id_live_preview": number}
