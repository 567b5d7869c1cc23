"""Waiting for a job on a caller's behalf; when the caller goes, so does the job."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request

from garret.service_runtime.request import ImageRequest, ImageResult
from garret.service_runtime.service import Service


async def wait_for(service: Service, asked: ImageRequest, request: Request) -> ImageResult:
    """Submit a request and return its result; a closed connection cancels the job."""
    live = await service.submit(asked, request.state.caller)
    leaving = asyncio.create_task(_disconnected(request))
    try:
        waiting: set[asyncio.Future[Any]] = {live.future, leaving}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if not live.future.done():
            service.cancel(live.job_id, "the caller went away")
        return await live.future
    finally:
        leaving.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
