"""A request made and answered in the form that Accept names: artifacts in JSON, or the one picture itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Path, Request
from starlette.responses import Response

from garret.service_runtime.api.accept import first_accepted
from garret.service_runtime.api.multipart import Form
from garret.service_runtime.api.picture_json import picture_reply
from garret.service_runtime.api.stability.artifacts import artifacts, artifacts_schema, picture_response
from garret.service_runtime.api.stability.errors import NamedRequest
from garret.service_runtime.api.waiting import wait_for
from garret.service_runtime.errors import BadRequest
from garret.service_runtime.request import ImageRequest
from garret.service_runtime.service import Service

JSON, PICTURE = "json", "picture"
_FORMS = {"application/json": JSON, "application/*": JSON, "*/*": JSON, "image/png": PICTURE, "image/*": PICTURE}
Engine = Annotated[
    str, Path(description="a model's name, or an id of Stability's", examples=["stable-diffusion-xl-1024-v1-0"])
]


async def answered(service: Service, request: Request, asked: ImageRequest, told: Mapping[str, Any]) -> Response:
    """Make what is asked for and answer it; `told` is what tells this request from another with the same key."""
    wanted = first_accepted(request, _FORMS, JSON) or JSON
    if wanted == PICTURE and asked.count > 1:
        reason = "must be 1 where the answer is one picture"
        raise NamedRequest("invalid_samples", "samples", reason, "Send Accept: application/json")
    result = await wait_for(service, asked, request, told)
    return picture_response(result) if wanted == PICTURE else await picture_reply({"artifacts": artifacts(result)})


def file_of(form: Form, name: str) -> bytes | None:
    """Return a form's file of a name, which comes once."""
    files = form.files.get(name, ())
    if len(files) > 1:
        raise BadRequest(name, "comes more than once")
    return files[0].data if files else None


HEADERS_OF_PICTURES = {
    "Seed": {"description": "with a picture: its seed", "schema": {"type": "string"}},
    "Finish-Reason": {"description": "with a picture: SUCCESS or CONTENT_FILTERED", "schema": {"type": "string"}},
}
BINARY: dict[str, Any] = {"type": "string", "format": "binary"}
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The pictures; with Accept: image/png the one picture itself",
        "headers": HEADERS_OF_PICTURES,
        "content": {
            "application/json": {"schema": artifacts_schema()},
            "image/png": {"schema": BINARY},
        },
    }
}
