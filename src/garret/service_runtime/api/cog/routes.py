"""Cog's routes: predictions made while the caller waits or not, asked for again by their ids, told of and cancelled.

Source: https://github.com/replicate/cog/blob/main/docs/http.md
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from garret.service_runtime.api import fields
from garret.service_runtime.api.body import read_json
from garret.service_runtime.api.cog import inputs
from garret.service_runtime.api.cog.prediction import KEY, KIND, SCHEMA, base_of, note_of, prediction_of
from garret.service_runtime.api.cog.prefer import Prefer
from garret.service_runtime.api.describe import answer, body, field, listed, record
from garret.service_runtime.api.idempotency import digest_of, key_of
from garret.service_runtime.api.picture_json import Base64, picture_reply
from garret.service_runtime.api.waiting import first_of
from garret.service_runtime.deliveries import EVENTS
from garret.service_runtime.errors import BadRequest, KeyTaken, NotFound, ServiceError, Unavailable
from garret.service_runtime.infotext import VERSION
from garret.service_runtime.jobs import SUCCESS, Job
from garret.service_runtime.service import Service
from garret.service_runtime.terms import Terms

# A lone dot or two mean another path to whoever sends or passes on an address with them.
_ID = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._~-]{1,128}", re.ASCII)
_LOGS = "logs"
"""An event of Cog's that never comes: there is no output of a program to be told of."""
_HEALTH = {"ready": "READY", "warming": "STARTING", "down": "SETUP_FAILED", "stopping": "DEFUNCT"}


class NotAcceptable(ServiceError):
    """The caller wants an answer in a form that there is not."""

    status = 406


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["Cog"])
    service.tell_as(KIND, lambda job: prediction_of(job, _links(service, job)))

    @routes.post("/predictions", openapi_extra=_BODY, responses=_ANSWERS)
    async def create(request: Request) -> Response:
        """Make a prediction, and wait for it unless `Prefer` says otherwise; with an `id` of one's own only once."""
        return await _create(service, request, "")

    @routes.put("/predictions/{prediction_id}", openapi_extra=_BODY, responses=_ANSWERS)
    async def put(prediction_id: str, request: Request) -> Response:
        """Make a prediction under this id; sent again it is the same one, over or not."""
        return await _create(service, request, prediction_id)

    @routes.get("/predictions/{prediction_id}", responses={200: _ANSWERS[200]})
    async def show(prediction_id: str, request: Request) -> Response:
        """Show one of the caller's predictions, or of their other jobs."""
        return await _reply(service, await _own(service, prediction_id, request), 200)

    @routes.post("/predictions/{prediction_id}/cancel", responses={200: _ANSWERS[200]})
    async def cancel(prediction_id: str, request: Request) -> Response:
        """Cancel one of the caller's predictions: it stops at its next step. One that is over stays as it is."""
        job = await _own(service, prediction_id, request)
        await service.cancel_for_good(job.id, "canceled by its owner")
        return await _reply(service, await _own(service, prediction_id, request), 200)

    @routes.get("/health-check", responses={200: _WELL})
    async def health_check() -> Response:
        """Say whether a picture can be made now; always 200, as Cog has it."""
        state = service.state
        setup = {"READY": "succeeded", "STARTING": "starting"}.get(_HEALTH[state.status], "failed")
        status = "BUSY" if state.status == "ready" and service.is_full else _HEALTH[state.status]
        return JSONResponse({"status": status, "setup": {"status": setup, "logs": state.detail}, "version": _VERSIONS})

    return routes


async def _create(service: Service, request: Request, identifier: str) -> Response:
    if "text/event-stream" in request.headers.get("accept", ""):
        raise NotAcceptable("predictions here are not streamed", "GET /v1/jobs/{id}/events tells each change of a job")
    said = await read_json(request, service.settings.client_timeout_s, service.settings.picture_body_bytes)
    identifier = _check_id(identifier or fields.text(said, "id"))
    prefer, owner = Prefer.of(request), request.state.caller
    terms = _terms(request, said, identifier, attached=prefer.wait_s is None)
    try:
        job_id = await service.repeated(owner, terms) or await _submit(service, request, said, identifier, terms)
    except KeyTaken:
        if not identifier:
            raise
        raise BadRequest("id", "has made a prediction with another body", "Give a new one") from None
    live = service.find(job_id)
    if live is not None and prefer.wait_s != 0:
        there = await first_of(live.future, request, service, prefer.wait_s or 0.0)
        if not there and terms.attached:
            service.cancel(job_id, "the caller went away")
    job = await service.records.get(job_id)
    if job is None:
        raise NotFound(f"there is no prediction {identifier[:64]!r} any more")
    if service.stopping and job.state != SUCCESS:
        raise Unavailable("the service is stopping", "Ask for the prediction again", retry_after=5)
    headers = {"preference-applied": prefer.applied} if prefer.applied else {}
    return await _reply(service, job, 202 if job.is_open else 200, headers)


async def _submit(service: Service, request: Request, said: dict[str, Any], identifier: str, terms: Terms) -> str:
    """Submit what a body asks for and return its job's id."""
    owner = request.state.caller
    service.check_room(owner)
    if terms.webhook:
        await asyncio.to_thread(service.webhooks.check, terms.webhook)
    asked, told = await asyncio.to_thread(inputs.parse_input, fields.mapping(said, "input"), service)
    note = note_of(identifier, told, str(request.base_url).rstrip("/"))
    return await service.submit(asked, owner, replace(terms, note=note))


async def _reply(service: Service, job: Job, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with a prediction; its pictures are in it when it is over."""
    output: list[Base64] = []
    if not job.is_open:
        files = await asyncio.to_thread(service.results.read, job)
        output = [Base64(data, f"data:{job.pictures[number].media_type};base64,") for number, data in files.items()]
    return await picture_reply(prediction_of(job, output), status, headers)


async def _own(service: Service, identifier: str, request: Request) -> Job:
    """Return the caller's prediction of this id; somebody else's is not there for them."""
    owner = request.state.caller
    job = None
    if _ID.fullmatch(identifier):
        job = await service.records.keyed(owner, KEY + identifier) or await service.records.get(identifier)
    if job is None or job.owner != owner:
        raise NotFound(f"there is no prediction {identifier[:64]!r}", "POST /predictions answers the id of a new one")
    return job


def _links(service: Service, job: Job) -> list[str]:
    """Return addresses of a job's pictures that need no login for a while."""
    base = base_of(job)
    return [base + service.links.path_of(job.id, number) for number in sorted(job.pictures)]


def _check_id(identifier: str) -> str:
    if identifier and not _ID.fullmatch(identifier):
        raise BadRequest("id", "must be 1 to 128 letters, digits or any of . _ ~ -")
    return identifier


def _terms(request: Request, said: dict[str, Any], identifier: str, *, attached: bool) -> Terms:
    """Return what a body says beside its input."""
    if said.get("output_file_prefix") is not None:
        hint = "Take the pictures from the answer, or from the links in the webhook"
        raise BadRequest("output_file_prefix", "is an address, and pictures are not sent to addresses here", hint)
    events = fields.texts(said, "webhook_events_filter")
    for event in events:
        if event not in (*EVENTS, _LOGS):
            raise BadRequest(
                "webhook_events_filter", f"{event[:40]!r} is no event", f"Known: {', '.join(EVENTS)}, logs"
            )
    key = KEY + identifier if identifier else key_of(request)
    return Terms(
        attached=attached and not key,
        key=key,
        digest=digest_of(request, {**said, "id": identifier}) if key else "",
        webhook=fields.text(said, "webhook"),
        webhook_kind=KIND,
        webhook_events=tuple(event for event in EVENTS if event in (events or EVENTS)),
    )


_PREFER = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "respond-async: answer at once; wait=N: after at most N seconds; else when it is over",
}
_BODY = {
    **body(
        record(
            {
                "input": {**inputs.SCHEMA, "type": ["object", "null"]},
                "id": field("string", "an id of one's own, under which it is made only once"),
                "webhook": field("string", "an https:// address that is told"),
                "webhook_events_filter": listed(
                    {"type": "string", "enum": [*EVENTS, _LOGS]}, "what it is told of; empty: all of it"
                ),
            }
        ),
        example={"input": {"prompt": "A cat in a hat"}},
    ),
    "parameters": [_PREFER],
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: answer("The prediction, over: succeeded, failed or canceled", SCHEMA),
    202: answer("The prediction, which is not over", SCHEMA),
}
_VERSIONS = {"coglet": "", "cog": "", "garret": VERSION}
_WELL: dict[str, Any] = answer(
    "How the node is",
    record(
        {
            "status": {"type": "string", "enum": [*_HEALTH.values(), "BUSY"]},
            "setup": {"type": "object"},
            "version": {"type": "object"},
        },
        required=("status",),
    ),
)
