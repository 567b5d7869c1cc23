"""The native door: pictures as jobs, by their ids, for callers whose connection does not live as long as their job."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from garret.service_runtime.api import fields
from garret.service_runtime.api.body import read_json
from garret.service_runtime.api.describe import query
from garret.service_runtime.api.idempotency import digest_of, key_of
from garret.service_runtime.api.job_body import keep_pictures, parse_job
from garret.service_runtime.api.job_view import own_job, view_of, views_of
from garret.service_runtime.api.job_words import ACCEPTED, CANCELLED, LISTED, SHOWN, WAIT, body_of_job
from garret.service_runtime.api.lists import LIMIT, flag_of, limit_of
from garret.service_runtime.api.picture_json import picture_reply
from garret.service_runtime.api.waiting import first_of, wait_s_of
from garret.service_runtime.errors import BadRequest, NotFound
from garret.service_runtime.jobs import STATES
from garret.service_runtime.limits import check_choice, check_number
from garret.service_runtime.request import ImageRequest
from garret.service_runtime.service import Service
from garret.service_runtime.terms import Terms

LONGEST_EXPIRY_S = 30 * 86_400.0
_SUBMIT = {**body_of_job(), "parameters": [WAIT]}
_LIST = {
    "parameters": [
        LIMIT,
        query("state", {"type": "string", "enum": ["", *STATES]}, "only those in it; empty: all"),
        query("before", {"type": "string"}, "only those older than this job"),
    ]
}
_CANCEL = {
    "parameters": [query("forget", {"type": "string", "enum": ["true", "false"]}, "true: delete one that is over")]
}


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/v1/jobs", tags=["jobs"])

    async def shown(job_id: str, request: Request, wait_s: float) -> dict[str, Any]:
        live = service.find(job_id)
        if wait_s and live is not None:
            await first_of(live.future, request, service, wait_s)
        return await view_of(service, await own_job(service, job_id, request))

    def request_of(body: dict[str, Any]) -> ImageRequest:
        asked = keep_pictures(body, service.inputs) if body.get("start") or body.get("upscale") else body
        return parse_job(asked, service.models.usable_checkpoint, service.inputs)

    @routes.post("", status_code=202, openapi_extra=_SUBMIT, responses=ACCEPTED)
    async def submit(request: Request) -> Response:
        """Ask for pictures: the fields of a request, `webhook` and `expires_in`; docs/jobs.md has them all.

        Answers 202 with the job at once, or after at most `wait` seconds: then 200 if it is over. With an
        Idempotency-Key, the same body again gives the same job. 429 says in Retry-After when there is room.
        """
        wait_s = wait_s_of(request)
        body = await read_json(request, service.settings.client_timeout_s, service.settings.picture_body_bytes)
        terms, owner = await _terms(request, body), request.state.caller
        job_id = known = await service.repeated(owner, terms)
        if not known:
            service.check_room(owner)
            if terms.webhook:
                await asyncio.to_thread(service.webhooks.check, terms.webhook)
            # Beside the event loop: pictures are decoded, and models' files looked up.
            job_id = await service.submit(await asyncio.to_thread(request_of, body), owner, terms)
        seen = await shown(job_id, request, wait_s)
        headers = {"location": f"/v1/jobs/{job_id}", **({"idempotent-replayed": "true"} if known else {})}
        return JSONResponse(seen, 202 if seen["ended_at"] is None else 200, headers)

    @routes.get("", openapi_extra=_LIST, responses=LISTED)
    async def list_jobs(request: Request) -> Response:
        """List the caller's newest jobs: at most `limit`, of one `state`, older than the job `before`."""
        asked, limit = request.query_params, limit_of(request)
        if state := asked.get("state", ""):
            check_choice("state", state, STATES)
        if before := asked.get("before", ""):
            await _check_place(service, before, request)
        found = await service.records.recent(request.state.caller, limit, state, before)
        return await picture_reply(await views_of(service, found))

    @routes.get("/{job_id}", openapi_extra={"parameters": [WAIT]}, responses=SHOWN)
    async def show_job(job_id: str, request: Request) -> Response:
        """Show one of the caller's jobs; with `wait`, when it is over or after so many seconds."""
        wait_s = wait_s_of(request)
        await own_job(service, job_id, request)
        # As it is: the framework's own encoder would look at each of its fields, and hold up everybody meanwhile.
        return JSONResponse(await shown(job_id, request, wait_s))

    @routes.delete("/{job_id}", openapi_extra=_CANCEL, responses=CANCELLED)
    async def cancel_job(job_id: str, request: Request) -> dict[str, bool]:
        """Cancel one of the caller's jobs: it stops at its next step. With `forget=true`, delete one that is over."""
        forget = flag_of(request, "forget")
        job = await own_job(service, job_id, request)
        cancelled = await service.cancel_for_good(job.id, "cancelled by its owner")
        if forget and not cancelled:
            await service.results.forget_job(job.id)
        return {"cancelled": cancelled, "forgotten": forget and await service.records.get(job.id) is None}

    return routes


def webhook_router(service: Service) -> APIRouter:
    """Return the route that tells what webhooks are signed with."""
    routes = APIRouter(prefix="/v1/webhooks", tags=["jobs"])

    @routes.get("/secret")
    async def secret() -> dict[str, str]:
        """Tell the secret by which a receiver of webhooks knows that they are from here; docs/jobs.md says how."""
        return {"secret": await asyncio.to_thread(service.webhooks.secret)}

    return routes


async def _check_place(service: Service, before: str, request: Request) -> None:
    """Refuse to go on after a job that is not there: what is older is not known, and none would look like the end."""
    try:
        await own_job(service, before, request)
    except NotFound as error:
        raise BadRequest("before", error.message, "Begin with the newest again") from None


async def _terms(request: Request, body: dict[str, Any]) -> Terms:
    """Return what a body says beside the pictures."""
    expires_in = body.get("expires_in")
    if expires_in is not None:
        expires_in = fields.number(body, "expires_in", 0.0)
        check_number("expires_in", expires_in, 1, LONGEST_EXPIRY_S)
    key = key_of(request)
    digest = await asyncio.to_thread(digest_of, request, body) if key else ""
    return Terms(False, key, digest, fields.text(body, "webhook"), expires_in)
