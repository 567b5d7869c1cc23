"""Pictures from Stability's REST API: from words, from a picture, and from a part of one."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from garret.service_runtime.api.body import read_json
from garret.service_runtime.api.describe import Schema, body, record
from garret.service_runtime.api.idempotency import key_of
from garret.service_runtime.api.multipart import MEDIA_TYPE, Form, read_form
from garret.service_runtime.api.stability.answering import ANSWERS, BINARY, Engine, answered, file_of
from garret.service_runtime.api.stability.engines import find_engine
from garret.service_runtime.api.stability.generation import (
    TEXT_PROMPTS,
    mask_fields,
    parse_generation,
    shared_fields,
    size_fields,
    start_fields,
)
from garret.service_runtime.api.stability.prompts import FIELD
from garret.service_runtime.api.stability.start import keep_start, missing_image, read_denoise, read_source
from garret.service_runtime.errors import BadRequest
from garret.service_runtime.service import Service

LARGEST_SEED = 2**32 - 1
_FILES = ("init_image", "mask_image")
_WHOLE = ("samples", "seed", "steps", "width", "height")
_NUMBERS = ("cfg_scale", "image_strength", "step_schedule_start", "step_schedule_end")
_TEXT = re.compile(rf"{FIELD}\[(\d{{1,6}})\]\[(text|weight)\]")
_WHOLLY = 1.0


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/v1/generation/{engine_id}", tags=["Stability"])
    patience_s = service.settings.client_timeout_s

    @routes.post("/text-to-image", openapi_extra=body(_WORDS), responses=ANSWERS, response_class=Response)
    async def text_to_image(engine_id: Engine, request: Request) -> Response:
        """Make pictures from words."""
        said = await read_json(request, patience_s)
        model = await asyncio.to_thread(find_engine, service.models, engine_id)
        return await answered(service, request, parse_generation(said, service, model, seed_limit=LARGEST_SEED), said)

    async def from_picture(engine_id: str, request: Request, denoise: float | None) -> Response:
        form = await read_form(request, patience_s, service.settings.picture_body_bytes, always_files=_FILES)
        said = values_of(form)
        model = await asyncio.to_thread(find_engine, service.models, engine_id)
        how = read_denoise(said) if denoise is None else denoise
        source = "" if denoise is None else read_source(said, required=True)
        if not key_of(request):  # one that has a key may have its pictures already
            service.check_room(request.state.caller)
        image, mask = (file_of(form, name) for name in _FILES)
        if not image:
            raise missing_image()
        start = await asyncio.to_thread(keep_start, service.inputs, image, mask, source, how)
        told = await asyncio.to_thread(form.told)
        return await answered(
            service, request, parse_generation(said, service, model, start, seed_limit=LARGEST_SEED), {"form": told}
        )

    @routes.post(
        "/image-to-image", openapi_extra=body(_FROM_PICTURE, MEDIA_TYPE), responses=ANSWERS, response_class=Response
    )
    async def image_to_image(engine_id: Engine, request: Request) -> Response:
        """Make pictures from a picture; `image_strength` 1 is the picture itself, 0 nothing of it."""
        return await from_picture(engine_id, request, None)

    @routes.post(
        "/image-to-image/masking", openapi_extra=body(_MASKED, MEDIA_TYPE), responses=ANSWERS, response_class=Response
    )
    async def masking(engine_id: Engine, request: Request) -> Response:
        """Make a part of a picture anew; `mask_source` says where that part is told."""
        return await from_picture(engine_id, request, _WHOLLY)

    return routes


def values_of(form: Form) -> dict[str, Any]:
    """Return a form's texts as a JSON body has them; prompts are told apart by their numbers."""
    prompts: dict[int, dict[str, str]] = {}
    for name, text in form.texts.items():
        if found := _TEXT.fullmatch(name):
            prompts.setdefault(int(found[1]), {})[found[2]] = text
    said = form.values(whole=_WHOLE, numbers=_NUMBERS)
    said[FIELD] = [_prompt(number, prompts[number]) for number in sorted(prompts)]
    extras = said.pop("extras", None)
    return said if extras is None else {**said, "extras": {}}


def _prompt(number: int, said: Mapping[str, str]) -> dict[str, Any]:
    weight = said.get("weight", "")
    try:
        return {"text": said.get("text", ""), **({"weight": float(weight[:40])} if weight else {})}
    except ValueError:
        raise BadRequest(f"{FIELD}[{number}].weight", f"must be a number, not {weight[:40]!r}") from None


_WORDS = record({FIELD: TEXT_PROMPTS, **size_fields(), **shared_fields()}, required=(FIELD,))
_FORM_PROMPTS: dict[str, Schema] = {
    f"{FIELD}[0][text]": {"type": "string", "minLength": 1, "description": "and so on with [1], [2] …"},
    f"{FIELD}[0][weight]": {"type": "number", "minimum": -10, "maximum": 10, "description": "below 0: not wanted"},
}
_FROM_PICTURE = record(
    {**_FORM_PROMPTS, **start_fields(BINARY), **shared_fields()}, required=(f"{FIELD}[0][text]", "init_image")
)
_MASKED = record(
    {
        **_FORM_PROMPTS,
        "init_image": {**BINARY, "description": "the picture, which says the size"},
        **mask_fields(BINARY),
        **shared_fields(),
    },
    required=(f"{FIELD}[0][text]", "init_image", "mask_source"),
)
