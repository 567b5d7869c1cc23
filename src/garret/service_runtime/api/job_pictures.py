"""What a job shows of itself: its pictures, what they look like so far, and each change as it comes."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from garret.service_runtime.api.describe import Schema, answer
from garret.service_runtime.api.events import events_of
from garret.service_runtime.api.job_view import linked, linked_job, own_job
from garret.service_runtime.errors import Gone, NotFound
from garret.service_runtime.jobs import Kept
from garret.service_runtime.pictures.encode import MEDIA_TYPES
from garret.service_runtime.png import encode_png
from garret.service_runtime.service import Service

_FILE: Schema = {"type": "string", "format": "binary"}
PICTURE_ANSWER = {**answer("The file"), "content": {kind: {"schema": _FILE} for kind in MEDIA_TYPES.values()}}
_PREVIEW = answer("A small picture", _FILE, "image/png")
_NOTHING_YET = answer("There is nothing to be seen yet")
_EVENTS = {**answer("Events, until the job is over"), "content": {"text/event-stream": {}}}


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/v1/jobs", tags=["jobs"])

    @routes.get("/{job_id}/pictures/{number}", response_class=Response, responses={200: PICTURE_ANSWER})
    async def show_picture(job_id: str, number: int, request: Request) -> Response:
        """Return one finished picture; the first is number 0. A signed link opens it without a login."""
        job = await linked_job(service, job_id) if linked(request) else await own_job(service, job_id, request)
        if job.removed:
            raise Gone("the pictures of this job are not kept any more", "Ask for them again")
        kept = job.pictures.get(number)
        if kept is None:
            raise NotFound(f"the job has {len(job.pictures)} pictures and no number {number}")
        return await file_of(service, kept)

    @routes.get("/{job_id}/preview", response_class=Response, responses={200: _PREVIEW, 204: _NOTHING_YET})
    async def preview(job_id: str, request: Request) -> Response:
        """Return what the picture `number` (else the newest) looks like so far, small, as PNG; 204 before that."""
        await own_job(service, job_id, request)
        live = service.find(job_id)
        previews = live.previews if live is not None else {}
        asked = request.query_params.get("number", "")
        newest = next(reversed(previews), -1)
        found = previews.get(int(asked) if asked.isdecimal() and len(asked) < 4 else newest)
        if found is None:
            return Response(status_code=204)
        png = await asyncio.to_thread(encode_png, found.rgb, found.width, found.height)
        return Response(png, media_type="image/png")

    @routes.get("/{job_id}/events", response_class=Response, responses={200: _EVENTS})
    async def events(job_id: str, request: Request) -> Response:
        """Tell each change of a job as it comes (server-sent events): `job` with its record, at last `end`."""
        await own_job(service, job_id, request)
        headers = {"x-accel-buffering": "no"}
        return StreamingResponse(events_of(service, job_id), media_type="text/event-stream", headers=headers)

    return routes


async def file_of(service: Service, kept: Kept) -> Response:
    """Return a finished picture's file.

    Raises:
        Gone: it went between the look at its record and this one.
    """
    try:
        data = await asyncio.to_thread(lambda: service.results.path(kept.name).read_bytes())
    except FileNotFoundError:
        raise Gone("this picture is not kept any more", "Ask for it again") from None
    return Response(data, media_type=kept.media_type)
