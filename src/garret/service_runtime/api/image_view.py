"""A finished picture as the native API shows it, and which one an id means."""

from __future__ import annotations

import re
from typing import Any

from fastapi import Request

from garret.service_runtime.api.describe import Schema, record
from garret.service_runtime.errors import BadRequest, NotFound
from garret.service_runtime.gallery import Shown
from garret.service_runtime.service import Service
from garret.service_runtime.thumbnails import size_of

_ID = re.compile(r"([0-9a-f]{32})-(0|[1-9][0-9]{0,3})")
_TEXT: Schema = {"type": "string"}
_WHOLE: Schema = {"type": "integer", "minimum": 0}
_SIDE: Schema = {"type": ["integer", "null"], "description": "in pixels; null when its file cannot be read"}
_SHORT: dict[str, Schema] = {
    "id": {**_TEXT, "description": "its job's id and its number there: JOB-NUMBER"},
    "object": {"const": "image"},
    "job": _TEXT,
    "number": _WHOLE,
    "created_at": {"type": "number", "description": "when it was asked for, in seconds since 1970"},
    "kept_until": {"type": ["number", "null"], "description": "gone then, if not earlier for lack of room"},
    "url": {**_TEXT, "description": "where its file is"},
    "thumbnail": {**_TEXT, "description": "where its small form is, as WebP"},
    "media_type": _TEXT,
    "size": {**_WHOLE, "description": "in bytes"},
    "width": _SIDE,
    "height": _SIDE,
    "seed": _WHOLE,
    "prompt": _TEXT,
    "negative_prompt": _TEXT,
    "model": {"type": ["object", "null"], "description": "name and sha256; null as long as its job is not over"},
}
_LONG: dict[str, Schema] = {
    "infotext": {**_TEXT, "description": "what it was made from, as A1111 writes it"},
    "request": {"type": "object", "description": "what its job was asked for"},
    "seconds": {"type": ["number", "null"], "description": "how long its job took"},
    "notes": {"type": "object", "additionalProperties": _TEXT},
}
SHORT = record(_SHORT, required=tuple(_SHORT))
LONG = record({**_SHORT, **_LONG}, required=(*_SHORT, *_LONG))


def place_in(identifier: str) -> tuple[str, int]:
    """Return the job and the number of an id.

    Raises:
        NotFound: it is none.
    """
    found = _ID.fullmatch(identifier)
    if found is None:
        raise NotFound(f"{identifier[:64]!r} is not the id of an image", "GET /v1/images lists yours")
    return found[1], int(found[2])


def place_before(request: Request) -> tuple[str, int] | None:
    """Return the job and the number of the image that a page goes on after, None for the first page.

    Raises:
        BadRequest: the parameter is no image's id.
    """
    text = request.query_params.get("before", "")
    if not text:
        return None
    try:
        return place_in(text)
    except NotFound as error:
        raise BadRequest("before", error.message, error.hint) from None


async def own_image(service: Service, identifier: str, request: Request) -> Shown:
    """Return an image of the caller's; somebody else's is not there for them."""
    found = await service.records.picture(request.state.caller, *place_in(identifier))
    if found is None:
        raise NotFound(f"there is no image {identifier[:64]!r}", "GET /v1/images lists yours")
    return found


def short_of(service: Service, one: Shown) -> dict[str, Any]:
    """Return what a list shows of a picture; reads its file's header."""
    width, height = size_of(service.results.path(one.kept.name)) or (None, None)
    made = one.made
    return {
        "id": one.id,
        "object": "image",
        "job": one.job_id,
        "number": one.number,
        "created_at": one.created_at,
        # Null as long as its job is not over.
        "kept_until": one.ended_at + service.settings.keep_finished_s if one.ended_at else None,
        "url": f"/v1/images/{one.id}/file",
        "thumbnail": f"/v1/images/{one.id}/thumbnail",
        "media_type": one.kept.media_type,
        "size": one.kept.size,
        "width": width,
        "height": height,
        "seed": one.request.seed_of(one.number),
        "prompt": one.request.prompt,
        "negative_prompt": one.request.negative_prompt,
        "model": {"name": made.model, "sha256": made.model_sha256} if made.model else None,
    }


def long_of(service: Service, one: Shown) -> dict[str, Any]:
    """Return all there is to know of a picture."""
    return {
        **short_of(service, one),
        "infotext": one.kept.infotext,
        "request": one.request.to_dict(),
        "seconds": one.made.seconds or None,
        "notes": dict(one.made.notes),
    }
