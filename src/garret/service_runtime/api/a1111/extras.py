"""A1111's `extra-single-image` and `extra-batch-images`: pictures made larger, with nothing painted."""

from __future__ import annotations

import asyncio
import html
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from garret.service_runtime.api import fields
from garret.service_runtime.api.a1111.desk import Desk, owner_of
from garret.service_runtime.api.a1111.fields import output_of
from garret.service_runtime.api.a1111.making import in_its_words
from garret.service_runtime.api.a1111.numbers import with_numbers
from garret.service_runtime.api.a1111.refused import refusal
from garret.service_runtime.api.body import read_json
from garret.service_runtime.api.describe import Schema, answer, field, listed, record
from garret.service_runtime.api.describe import body as described
from garret.service_runtime.api.idempotency import key_of
from garret.service_runtime.api.job_body import text_of
from garret.service_runtime.api.picture_json import Base64, picture_reply
from garret.service_runtime.api.pictures import picture_of
from garret.service_runtime.api.waiting import wait_for
from garret.service_runtime.asked import LARGEST_SCALE, Upscale
from garret.service_runtime.errors import BadRequest, NotBuilt
from garret.service_runtime.limits import MAXIMUM_FINAL_SIDE, check_number, check_whole
from garret.service_runtime.request import ImageRequest, ImageResult

Body = Mapping[str, Any]
MOST_PICTURES = 16
"""Of one batch; more fit into further requests."""
_NONE = ("", "none")
_BY_FACTOR, _TO_SIZE = 0, 1
_USUAL_SIDE = 512
_FACES = ("gfpgan_visibility", "codeformer_visibility")
_ASKED: dict[str, Schema] = {
    "resize_mode": field("integer", "0: by upscaling_resize; 1: to upscaling_resize_w and _h"),
    "show_extras_results": field("boolean", "false: the reply holds no picture"),
    "upscaling_resize": field("number", f"how many times as large, to {LARGEST_SCALE:g}; empty: 2"),
    "upscaling_resize_w": field("integer", "1 to 8192; empty: 512"),
    "upscaling_resize_h": field("integer", "1 to 8192; empty: 512"),
    "upscaling_crop": field("boolean", "false: what lies outside of that size is kept"),
    "upscaler_1": field("string", "a name of /upscalers; empty or None: the picture stays as it is"),
    "upscaler_2": field("string", "a second one, whose picture shines through"),
    "extras_upscaler_2_visibility": field("number", "0 to 1"),
    "gfpgan_visibility": field("number", "0: no mender of faces runs here"),
    "codeformer_visibility": field("number", "0: no mender of faces runs here"),
    "codeformer_weight": field("number", "without meaning here"),
    "upscale_first": field("boolean", "without meaning here"),
}
_PICTURE = field("string", "PNG, JPEG or WebP as base64 or a data URI")
_SINGLE = record({**_ASKED, "image": _PICTURE})
_LISTED = record({"data": _PICTURE, "name": field("string", "not kept")})
_BATCH = record({**_ASKED, "imageList": listed(_LISTED, f"at most {MOST_PICTURES} pictures")})
_TEXT: Schema = {"type": "string", "description": "what was done, in HTML"}
_FILE: Schema = {"type": "string", "description": "base64"}


def router(desk: Desk) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/sdapi/v1", tags=["A1111"])
    service, patience_s = desk.service, desk.service.settings.client_timeout_s

    async def made(request: Request, body: Body, image: object, field_name: str) -> ImageResult:
        """Make one picture larger."""
        if not key_of(request):  # one that has a key may have its picture already
            service.check_room(owner_of(request))
        try:
            asked = await asyncio.to_thread(_request_of, desk, body, image, field_name, owner_of(request))
            return await wait_for(service, asked, request, body, partial(desk.tasks.began, owner_of(request)))
        except BadRequest as error:
            raise in_its_words(error) from None

    single: dict[int | str, Schema] = {
        200: answer("The picture", record({"html_info": _TEXT, "image": _FILE}, ("html_info", "image")))
    }
    batch: dict[int | str, Schema] = {
        200: answer(
            "The pictures in their order",
            record({"html_info": _TEXT, "images": {"type": "array", "items": _FILE}}, ("html_info", "images")),
        )
    }

    @routes.post("/extra-single-image", openapi_extra=described(_SINGLE), responses={**single, **refusal()})
    async def extra_single_image(request: Request) -> Response:
        """Make a picture larger, by a network or by arithmetic."""
        body = await read_json(request, patience_s, desk.picture_body_bytes)
        shown = fields.boolean(body, "show_extras_results", True)
        result = await made(request, body, body.get("image"), "image")
        image = Base64(result.pictures[0]) if shown else ""
        return await picture_reply({"html_info": _html(result.infotexts), "image": image})

    @routes.post("/extra-batch-images", openapi_extra=described(_BATCH), responses={**batch, **refusal()})
    async def extra_batch_images(request: Request) -> Response:
        """Make pictures larger, one after the other; each is a job of its own."""
        if key_of(request):
            hint = "Send the pictures one by one, or as jobs of /v1/jobs"
            raise BadRequest("Idempotency-Key", "leads to one job, and these are several", hint)
        body = await read_json(request, patience_s, desk.picture_body_bytes)
        wants = fields.boolean(body, "show_extras_results", True)
        results = [await made(request, body, image, "imageList.data") for image in _listed(body)]
        shown = results if wants else []
        texts = tuple(text for result in results for text in result.infotexts)
        return await picture_reply(
            {"html_info": _html(texts), "images": [Base64(result.pictures[0]) for result in shown]}
        )

    return routes


def _request_of(desk: Desk, body: Body, image: object, field_name: str, owner: str) -> ImageRequest:
    """Keep a picture and return the request for a larger one; blocks as long as decoding takes."""
    upscale = parse_upscale(with_numbers(body, _SINGLE))
    output = output_of(desk.with_options({}, owner)["override_settings"])
    file = picture_of(image, field_name)
    digest = desk.service.inputs.put(file, field_name)
    width, height = desk.service.inputs.size(digest)
    upscale = replace(upscale, image=digest, about=text_of(file))
    return ImageRequest("", "", width, height, 1, 1.0, 0, upscale=upscale, output=output)


def parse_upscale(body: Body) -> Upscale:
    """Return what the fields ask for, of any picture.

    Raises:
        BadRequest, NotBuilt: name the field.
    """
    for name in _FACES:
        if _number(body, name, 0.0, 1.0):
            raise NotBuilt(f"{name}: no mender of faces runs here", "Send 0")
    mode = fields.integer(body, "resize_mode", _BY_FACTOR)
    check_whole("resize_mode", mode, _BY_FACTOR, _TO_SIZE)
    scale = _number(body, "upscaling_resize", 2.0, LARGEST_SCALE)
    width, height = (_side(body, f"upscaling_resize_{side}") for side in "wh")
    crop = fields.boolean(body, "upscaling_crop", True)
    first, second = (_named(body, name) for name in ("upscaler_1", "upscaler_2"))
    visibility = _number(body, "extras_upscaler_2_visibility", 0.0, 1.0)
    if not first:
        # As A1111 has it: without a first upscaler nothing is done at all.
        return Upscale(upscaler="None", scale=1.0)
    visibility = visibility if second else 0.0
    if mode == _BY_FACTOR:
        return Upscale(upscaler=first, scale=scale, second=second, visibility=visibility)
    return Upscale(upscaler=first, width=width, height=height, crop=crop, second=second, visibility=visibility)


def _listed(body: Body) -> list[object]:
    pictures = body.get("imageList")
    if not isinstance(pictures, list) or not 1 <= len(pictures) <= MOST_PICTURES:
        raise BadRequest("imageList", f"must be a list of 1 to {MOST_PICTURES} pictures", 'Each is {"data": "base64"}')
    if not all(isinstance(one, dict) for one in pictures):
        raise BadRequest("imageList", "must hold objects", 'Each is {"data": "base64", "name": "a.png"}')
    return [one.get("data") for one in pictures]


def _named(body: Body, name: str) -> str:
    text = fields.text(body, name)
    return "" if text.lower() in _NONE else text


def _number(body: Body, name: str, default: float, most: float) -> float:
    value = fields.number(body, name, default)
    check_number(name, value, 0, most)
    return value


def _side(body: Body, name: str) -> int:
    side = fields.integer(body, name, _USUAL_SIDE)
    check_whole(name, side, 1, MAXIMUM_FINAL_SIDE)
    return side


def _html(texts: tuple[str, ...]) -> str:
    lines = [html.escape(line) for text in texts for line in text.split("\n")]
    return f"<p>{'<br>'.join(lines)}</p>"
