"""What a picture's file says of itself: its size, and what it was made from, as fields that a request takes."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request

from garret.service_runtime.api.body import read_body
from garret.service_runtime.api.describe import Schema, answer, record
from garret.service_runtime.errors import BadRequest
from garret.service_runtime.infotext_reader import request_fields
from garret.service_runtime.picture_header import NotAPicture, picture_in
from garret.service_runtime.pictures.texts import infotext_of, texts_of
from garret.service_runtime.service import Service

MOST_CHARACTERS = 1_000_000
"""So much of all texts of a file is answered: a small file may unpack to a hundred times that."""
_MEDIA_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp"}
_SIDE: Schema = {"type": "integer", "description": "in pixels"}
_READ = record(
    {
        "width": _SIDE,
        "height": _SIDE,
        "media_type": {"enum": list(_MEDIA_TYPES.values())},
        "infotext": {"type": ["string", "null"], "description": "what it was made from, null when it does not say"},
        "fields": {"type": "object", "description": "of that, what POST /v1/jobs takes, under its names there"},
        "others": {"type": "object", "description": "of that, what is no field of a request"},
        "texts": {"type": "object", "description": "all texts of the file, by their keys"},
    },
    required=("width", "height", "media_type", "infotext", "fields", "others", "texts"),
)
_FILES = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in _MEDIA_TYPES.values()}
_BODY = {"requestBody": {"required": True, "content": _FILES}}


def router(service: Service) -> APIRouter:
    """Return the route."""
    routes = APIRouter(prefix="/v1/images", tags=["images"])

    @routes.post("/read", responses={200: answer("What it says", _READ)}, openapi_extra=_BODY)
    async def read(request: Request) -> dict[str, Any]:
        """Read what the PNG, JPEG or WebP file in the body was made from, A1111's as well as ours; it is not kept."""
        settings = service.settings
        data = await read_body(request, settings.client_timeout_s, settings.picture_body_bytes)
        try:
            return await asyncio.to_thread(_facts, data)
        except NotAPicture as error:
            raise BadRequest("body", str(error), "Send the file of a PNG, JPEG or WebP picture as it is") from None

    return routes


def _facts(data: bytes) -> dict[str, Any]:
    picture = picture_in(data)
    texts = texts_of(data)
    infotext = infotext_of(texts)
    fields, others = request_fields(infotext) if infotext else ({}, {})
    left, told = MOST_CHARACTERS, {}
    for key, text in texts.items():
        told[key] = text[: max(0, left)]
        left -= len(text)
    return {
        "width": picture.width,
        "height": picture.height,
        "media_type": _MEDIA_TYPES[picture.suffix],
        "infotext": infotext or None,
        "fields": fields,
        "others": others,
        "texts": told,
    }
