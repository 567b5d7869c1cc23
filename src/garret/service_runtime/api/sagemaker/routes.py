"""What SageMaker asks an endpoint: whether it is well, and for pictures in the schema that the caller names."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from garret.service_runtime.api.accept import first_accepted
from garret.service_runtime.api.body import read_json
from garret.service_runtime.api.describe import Schema, answer, body, record
from garret.service_runtime.api.fields import Values
from garret.service_runtime.api.idempotency import key_of
from garret.service_runtime.api.picture_json import Base64, picture_reply
from garret.service_runtime.api.sagemaker import open_schema, optimised
from garret.service_runtime.api.sagemaker.errors import RESULT
from garret.service_runtime.api.stability.answering import BINARY, HEADERS_OF_PICTURES
from garret.service_runtime.api.stability.artifacts import artifacts, artifacts_schema, picture_response
from garret.service_runtime.api.stability.errors import NamedRequest
from garret.service_runtime.api.waiting import wait_for
from garret.service_runtime.asked import Start
from garret.service_runtime.errors import ServiceError, Unavailable
from garret.service_runtime.inputs import InputStore
from garret.service_runtime.request import ImageRequest, ImageResult
from garret.service_runtime.service import Service

PICTURE = "picture"
ACCEPTED = {
    "application/json;png": optimised.NAME,
    "image/png": PICTURE,
    "application/json": open_schema.NAME,
    "application/*": open_schema.NAME,
    "*/*": open_schema.NAME,
}
"""What the header Accept means at /invocations; at a schema's own route it only says whether a picture is wanted."""


class NotAcceptable(ServiceError):
    """None of the forms that the caller takes is one of this dialect's."""

    status = 406


@dataclass(frozen=True)
class _Schema:
    keep: Callable[[Values, InputStore], Start | None]
    parse: Callable[[Values, Service, Start | None], ImageRequest]
    reply: Callable[[ImageResult], dict[str, Any]]


def _artifacts(result: ImageResult) -> dict[str, Any]:
    return {RESULT: "success", "artifacts": artifacts(result)}


def _one_picture(result: ImageResult) -> dict[str, Any]:
    return {"generated_image": Base64(result.pictures[0])}


_OPTIMISED = _Schema(optimised.keep_pictures, optimised.parse_optimised, _artifacts)
_OPEN = _Schema(open_schema.keep_pictures, open_schema.parse_open, _one_picture)


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["SageMaker"])

    async def answered(request: Request, schema: _Schema, *, as_picture: bool) -> Response:
        said = await read_json(request, service.settings.client_timeout_s, service.settings.picture_body_bytes)
        if not key_of(request):  # one that has a key may have its pictures already
            service.check_room(request.state.caller)
        start = await asyncio.to_thread(schema.keep, said, service.inputs)
        asked = await asyncio.to_thread(schema.parse, said, service, start)
        if as_picture and asked.count > 1:
            reason = "must be 1 where the answer is one picture"
            raise NamedRequest("invalid_samples", "samples", reason, "Send Accept: application/json;png")
        result = await wait_for(service, asked, request, said)
        if as_picture:
            return picture_response(result)
        return await picture_reply(schema.reply(result))

    @routes.get("/ping", responses={200: answer("The service makes pictures", _PING)})
    async def ping() -> dict[str, str]:
        """Answer 200 when a picture can be made now, 503 when not."""
        state = service.state
        if state.status != "ready":
            raise Unavailable(state.detail or f"the service is {state.status}", retry_after=state.retry_after)
        return {"status": "Healthy"}

    async def by_accept(request: Request) -> Response:
        wanted = first_accepted(request, ACCEPTED, open_schema.NAME)
        if not wanted:
            raise NotAcceptable("Accept names nothing that is answered here", f"Known: {', '.join(ACCEPTED)}")
        schema = _OPEN if wanted == open_schema.NAME else _OPTIMISED
        return await answered(request, schema, as_picture=wanted == PICTURE)

    @routes.post("/invocations", openapi_extra=body(_EITHER), responses=_ANY, response_class=Response)
    async def invoke(request: Request) -> Response:
        """Make pictures in the schema that Accept names: application/json;png and image/png the optimised one.

        Everything else that JSON satisfies, and no header at all, is the open one.
        """
        return await by_accept(request)

    @routes.post(
        "/endpoints/{endpoint}/invocations", openapi_extra=body(_EITHER), responses=_ANY, response_class=Response
    )
    async def invoke_endpoint(endpoint: str, request: Request) -> Response:  # noqa: ARG001  (any name is this node)
        """Make pictures as /invocations does, where SageMaker's runtime clients ask; a node is one endpoint."""
        return await by_accept(request)

    @routes.post(
        "/invocations/optimised",
        openapi_extra=body(optimised.SCHEMA),
        responses=_OPTIMISED_ANSWERS,
        response_class=Response,
    )
    async def invoke_optimised(request: Request) -> Response:
        """Make pictures in the schema of SDXL 1.0 Jumpstart, answered as artifacts, or with image/png as one."""
        wanted = first_accepted(request, ACCEPTED, optimised.NAME)
        return await answered(request, _OPTIMISED, as_picture=wanted == PICTURE)

    @routes.post(
        "/invocations/open", openapi_extra=body(open_schema.SCHEMA), responses=_OPEN_ANSWERS, response_class=Response
    )
    async def invoke_open(request: Request) -> Response:
        """Make one picture in the schema of SDXL 1.0 Open."""
        return await answered(request, _OPEN, as_picture=False)

    return routes


_PING = record({"status": {"const": "Healthy"}}, ("status",))
_ONE = record(
    {"generated_image": {"type": "string", "description": "a picture's file as base64"}}, ("generated_image",)
)
_MANY = artifacts_schema({RESULT: {"const": "success"}})
_EITHER: Schema = {"anyOf": [open_schema.SCHEMA, optimised.SCHEMA]}


def _answers(json_schema: Schema, *, with_picture: bool) -> dict[int | str, dict[str, Any]]:
    content: dict[str, Any] = {"application/json": {"schema": json_schema}}
    if not with_picture:
        return {200: {"description": "The pictures", "content": content}}
    return {
        200: {
            "description": "The pictures",
            "headers": HEADERS_OF_PICTURES,
            "content": {**content, "image/png": {"schema": BINARY}},
        }
    }


_OPEN_ANSWERS = _answers(_ONE, with_picture=False)
_OPTIMISED_ANSWERS = _answers(_MANY, with_picture=True)
_ANY = _answers({"oneOf": [_ONE, _MANY]}, with_picture=True)
