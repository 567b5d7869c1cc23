"""A1111's `png-info`: what a picture was made from, by the text in its file."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from garret.service_runtime.api.a1111.desk import Desk
from garret.service_runtime.api.body import read_json
from garret.service_runtime.api.describe import answer, record
from garret.service_runtime.api.describe import body as described
from garret.service_runtime.api.picture_json import picture_reply
from garret.service_runtime.api.pictures import picture_of
from garret.service_runtime.errors import BadRequest
from garret.service_runtime.infotext_reader import split
from garret.service_runtime.picture_header import NotAPicture
from garret.service_runtime.pictures.texts import COMMENT, PARAMETERS, infotext_of, texts_of

_ASKED = record({"image": {"type": "string", "description": "a PNG, JPEG or WebP file as base64 or a data URI"}})
_TOLD = record(
    {
        "info": {"type": "string", "description": "the text, empty where there is none"},
        "items": {"type": "object", "description": "the file's other texts by their keys"},
        "parameters": {"type": "object", "description": "the text taken apart"},
    },
    required=("info", "items", "parameters"),
)
_SIZES = {"Size": ("Size-1", "Size-2"), "Hires resize": ("Hires resize-1", "Hires resize-2")}
# What A1111 writes only where it differs, and whoever pastes a text expects to be there.
_UNSAID: Mapping[str, Any] = {
    "Clip skip": "1",
    "Hires resize-1": 0,
    "Hires resize-2": 0,
    "Hires sampler": "Use same sampler",
    "Hires schedule type": "Use same scheduler",
    "Hires checkpoint": "Use same checkpoint",
    "Hires prompt": "",
    "Hires negative prompt": "",
    "Schedule type": "Automatic",
    "RNG": "GPU",
}


def router(desk: Desk) -> APIRouter:
    """Return the route."""
    routes = APIRouter(prefix="/sdapi/v1", tags=["A1111"])
    settings = desk.service.settings

    @routes.post("/png-info", openapi_extra=described(_ASKED), responses={200: answer("What it says.", _TOLD)})
    async def png_info(request: Request) -> Response:
        """Read what a picture was made from; one without a text has an empty `info`."""
        body = await read_json(request, settings.client_timeout_s, desk.picture_body_bytes)
        return await picture_reply(await asyncio.to_thread(png_info_of, body))

    return routes


def png_info_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the reply to a body.

    Raises:
        BadRequest: it holds no picture.
    """
    try:
        texts = texts_of(picture_of(body.get("image"), "image"))
    except NotAPicture as error:
        raise BadRequest("image", str(error), "Send one PNG, JPEG or WebP picture") from None
    info = infotext_of(texts)
    items = {key: text for key, text in texts.items() if key != PARAMETERS and (key != COMMENT or text != info)}
    return {"info": info, "items": items, "parameters": parameters_of(info) if info else {}}


def parameters_of(text: str) -> dict[str, Any]:
    """Return a text's pairs as A1111 takes them apart: sides by themselves, and what it leaves out filled in."""
    read = split(text)
    found: dict[str, Any] = {"Prompt": read.prompt, "Negative prompt": read.negative_prompt}
    for key, value in read.pairs.items():
        wide, _, high = value.partition("x")
        if key in _SIZES and wide.isdigit() and high.isdigit():
            found.update(zip(_SIZES[key], (wide, high), strict=True))
        else:
            found[key] = value
    return {**_UNSAID, **found}
