"""Waiting for a job on a caller's behalf; when the caller goes, so does the job, unless it can be asked for again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request

from garret.service_runtime.api.idempotency import digest_of, key_of
from garret.service_runtime.errors import BadRequest, TooSlow, Unavailable
from garret.service_runtime.limits import check_number
from garret.service_runtime.request import ImageRequest, ImageResult
from garret.service_runtime.service import Service
from garret.service_runtime.terms import Terms

LONGEST_WAIT_S = 300.0


async def accept_for(
    service: Service, asked: ImageRequest, request: Request, body: Mapping[str, Any]
) -> tuple[str, Terms]:
    """Submit a request and return its job's id; one that no Idempotency-Key leads to is its caller's connection's."""
    key = key_of(request)
    digest = await asyncio.to_thread(digest_of, request, body) if key else ""  # of megabytes, where there are pictures
    terms = Terms(attached=not key, key=key, digest=digest)
    owner = request.state.caller
    return await service.repeated(owner, terms) or await service.submit(asked, owner, terms), terms


async def wait_for(
    service: Service,
    asked: ImageRequest,
    request: Request,
    body: Mapping[str, Any],
    accepted: Callable[[str], None] = lambda _: None,
) -> ImageResult:
    """Submit a request and return its result; a closed connection cancels a job that no Idempotency-Key leads to.

    `accepted` is told the job's id before it is waited for.
    """
    job_id, terms = await accept_for(service, asked, request, body)
    accepted(job_id)
    result = asyncio.ensure_future(service.records.result(job_id))
    try:
        if not await first_of(result, request, service):
            if terms.attached:
                service.cancel(job_id, "the caller went away")
            elif service.stopping:
                raise Unavailable("the service is stopping", "Send the request again", retry_after=5)
            else:
                raise TooSlow("the caller went away", "The same Idempotency-Key leads to the same job")
        return await result
    finally:
        result.cancel()


def wait_s_of(request: Request) -> float:
    """Return the parameter `wait`: for how many seconds a caller waits for an end, 0 when it is absent."""
    text = request.query_params.get("wait", "0")
    try:
        seconds = float(text)
    except ValueError:
        raise BadRequest("wait", "must be a number of seconds") from None
    check_number("wait", seconds, 0, LONGEST_WAIT_S)
    return seconds


async def first_of(wanted: asyncio.Future[Any], request: Request, service: Service, timeout_s: float = 0.0) -> bool:
    """Wait until something is there, or its caller goes, the service stops or time is over; say whether it is there."""
    others = [asyncio.ensure_future(_disconnected(request)), asyncio.ensure_future(service.closing.wait())]
    try:
        await asyncio.wait({wanted, *others}, timeout=timeout_s or None, return_when=asyncio.FIRST_COMPLETED)
        return wanted.done()
    finally:
        for other in others:
            other.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
