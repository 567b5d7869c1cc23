"""A job's changes as server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

from garret.service_runtime.api.job_view import view_of
from garret.service_runtime.service import Service

LOOK_EVERY_S = 0.25
ALIVE_EVERY_S = 15.0


async def events_of(service: Service, job_id: str) -> AsyncIterator[str]:
    """Yield `job` with the record whenever it has changed, and `end` with the last one; comments keep the line open."""
    last, said_at = "", 0.0
    while True:
        live = service.find(job_id)
        job = await service.records.get(job_id)
        if job is None:
            return
        text = json.dumps(await view_of(service, job))
        if not job.is_open:
            yield f"event: end\ndata: {text}\n\n"
            return
        if text != last:
            yield f"event: job\ndata: {text}\n\n"
            last, said_at = text, time.monotonic()
        elif time.monotonic() - said_at > ALIVE_EVERY_S:
            yield ": still here\n\n"
            said_at = time.monotonic()
        await change(service, live.future if live is not None else None)
        if service.stopping:
            return


async def change(service: Service, end: asyncio.Future[Any] | None) -> None:
    """Wait a little for something new, and no longer than until the job is over or the service stops."""
    stop = asyncio.ensure_future(service.closing.wait())
    try:
        # Not shielded: waiting ends nothing, and each shield would stay with the job until its end.
        awaited: set[asyncio.Future[Any]] = {stop} if end is None else {stop, end}
        await asyncio.wait(awaited, timeout=LOOK_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.cancel()
