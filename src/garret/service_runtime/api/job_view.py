"""A job as its owner sees it: its record, and as long as it is not over its place in line and its progress."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request

from garret.service_runtime.errors import NotFound
from garret.service_runtime.jobs import Job
from garret.service_runtime.live import Live
from garret.service_runtime.service import Service

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


async def own_job(service: Service, job_id: str, request: Request) -> Job:
    """Return a job of the caller's; somebody else's is not there for them."""
    job = await service.records.get(job_id) if _ID.fullmatch(job_id) else None
    if job is None or job.owner != request.state.caller:
        raise NotFound(f"there is no job {job_id[:64]!r}", "GET /v1/jobs lists yours")
    return job


def linked(request: Request) -> bool:
    """Say whether a signed link, and no login, has opened this request."""
    return bool(getattr(request.state, "linked", False))


async def linked_job(service: Service, job_id: str) -> Job:
    """Return the job that a signed link leads to."""
    job = await service.records.get(job_id)
    if job is None:
        raise NotFound("the picture of this link is not kept any more")
    return job


async def view_of(service: Service, job: Job) -> dict[str, Any]:
    """Return the record as JSON values; `position` is 0 while it is being made and null when it is over."""
    return {**job.to_dict(), **await _beside(service, job, service.positions() if job.is_open else {})}


async def views_of(service: Service, jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """Return many records as JSON values; a thousand of them take longer than others should wait for the loop."""
    places = service.positions()
    beside = [await _beside(service, job, places) for job in jobs]
    return await asyncio.to_thread(lambda: [{**job.to_dict(), **more} for job, more in zip(jobs, beside, strict=True)])


async def _beside(service: Service, job: Job, places: Mapping[str, int]) -> dict[str, Any]:
    """Return what the service knows of a job beside its record."""
    live = service.find(job.id) if job.is_open else None
    position = None
    if job.is_open:
        # One that a worker holds ready for when it is done is next as well.
        waits = live is not None and not live.started
        position = places.get(job.id, 1) if waits else 0
    return {
        "url": f"/v1/jobs/{job.id}",
        "position": position,
        "progress": progress_of(live) if live is not None else None,
        "deliveries": [one.to_dict() for one in await service.records.deliveries_of(job)],
    }


def progress_of(live: Live) -> dict[str, Any]:
    """Return how far a job is: the step of the batch that is being made, and the share of the whole job."""
    steps = live.steps or live.request.steps
    count, done = live.request.count, len(live.kept)
    at_work = min(live.step / steps, 1.0) * len(live.beside.difference(live.kept))
    return {
        "step": live.step,
        "steps": steps,
        "stage": live.stage or ("waiting" if not live.started else "starting"),
        "pictures_done": done,
        "pictures": count,
        "share": round(min(1.0, (done + at_work) / count), 4),
        "preview": f"/v1/jobs/{live.job_id}/preview" if live.previews else None,
    }
