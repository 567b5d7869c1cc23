"""A1111's `img2img`: pictures from a picture, with a mask or without, in that dialect's fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from garret.service_runtime.api import fields
from garret.service_runtime.api.a1111.desk import Desk, owner_of
from garret.service_runtime.api.a1111.fields import parse_txt2img
from garret.service_runtime.api.a1111.making import make
from garret.service_runtime.api.a1111.reply import ANSWER, reply_of
from garret.service_runtime.api.a1111.schema import IMG2IMG
from garret.service_runtime.api.body import read_json
from garret.service_runtime.api.describe import body as described
from garret.service_runtime.api.idempotency import key_of
from garret.service_runtime.api.pictures import picture_of
from garret.service_runtime.asked import FILLS, RESIZES, Mask, Start
from garret.service_runtime.errors import BadRequest, NotBuilt, NotFound
from garret.service_runtime.inputs import InputStore, sized_like
from garret.service_runtime.limits import check_number, check_whole
from garret.service_runtime.request import ImageRequest
from garret.service_runtime.service import Service

_OWN = frozenset({"init_images", "mask", "denoising_strength"})
# A second pass belongs to pictures that begin from words; clients send its fields all the same.
_OF_WORDS = ("enable_hr", "hr_", "firstphase_", "firstpass_image")


def read_start(body: Mapping[str, Any], inputs: InputStore) -> Start:
    """Keep a body's pictures and return what is begun from.

    Raises:
        NotFound: there is no picture, which A1111 answers alike.
        BadRequest: names the field.
    """
    pictures = body.get("init_images")
    if pictures is None or pictures == []:
        raise NotFound("init_images: there is no picture to begin from", "Send one as base64, or ask txt2img")
    if not isinstance(pictures, list) or len(pictures) != 1:
        raise BadRequest("init_images", "must be a list of one picture", "Send a request for each picture")
    if body.get("latent_mask") is not None:
        raise NotBuilt("latent_mask: not there", "Send it as mask")
    strength = fields.number(body, "denoising_strength", 0.75)
    check_number("denoising_strength", strength, 0, 1)
    usual = fields.number(fields.mapping(body, "override_settings"), "initial_noise_multiplier", 1.0)
    noise = fields.number(body, "initial_noise_multiplier", usual)
    check_number("initial_noise_multiplier", noise, 0, 1.5)
    resize = RESIZES[_index(body, "resize_mode", 0, len(RESIZES))]
    mask = _read_mask(body, inputs) if body.get("mask") else None
    image = inputs.put(picture_of(pictures[0], "init_images"), "init_images")
    return Start(image, strength, resize, noise, mask)


def _read_mask(body: Mapping[str, Any], inputs: InputStore) -> Mask:
    """Keep a body's mask and return how it is used; what is not said is as A1111's API has it."""
    blur = _blur(body)
    check_number("mask_blur", blur, 0, 64)
    padding = fields.integer(body, "inpaint_full_res_padding", 0)
    check_whole("inpaint_full_res_padding", padding, 0, 256)
    invert = _flag(body, "inpainting_mask_invert", False)
    return Mask(
        inputs.put_mask(picture_of(body["mask"], "mask"), "mask", inverted=invert),
        blur,
        only_masked=_flag(body, "inpaint_full_res", True),
        padding=padding,
        fill=FILLS[_index(body, "inpainting_fill", 0, len(FILLS))],
        invert=invert,
        soft=not _flag(body, "mask_round", True),
    )


def _blur(body: Mapping[str, Any]) -> float:
    """Return the blur; with two of them, one for each direction, they must agree."""
    across, down = fields.number(body, "mask_blur_x", 4), fields.number(body, "mask_blur_y", 4)
    if body.get("mask_blur") is not None:
        return fields.number(body, "mask_blur", 4)
    if across != down:
        raise BadRequest("mask_blur_x", "differs from mask_blur_y", "Give mask_blur, which is both")
    return across


def parse_img2img(body: Mapping[str, Any], service: Service, start: Start) -> ImageRequest:
    """Turn an img2img body into a request; a side that is not said follows from the picture's."""
    rest = {name: value for name, value in body.items() if name not in _OWN and not name.startswith(_OF_WORDS)}
    asked = parse_txt2img(rest, service.models.usable_checkpoint)
    native = service.models.usable_checkpoint(asked.checkpoint).defaults.size
    said = (
        value if body.get(name) is not None else None
        for name, value in (("width", asked.width), ("height", asked.height))
    )
    size = service.inputs.size(start.image)
    width, height = sized_like(size, native, *said, outpaint=start.resize == "outpaint")
    return replace(asked, width=width, height=height, start=start)


def router(desk: Desk) -> APIRouter:
    """Return the route."""
    routes = APIRouter(prefix="/sdapi/v1", tags=["A1111"])
    service = desk.service

    def parse(body: Mapping[str, Any]) -> ImageRequest:
        return parse_img2img(body, service, read_start(body, service.inputs))

    @routes.post("/img2img", openapi_extra=described(IMG2IMG), responses={200: ANSWER})
    async def img2img(request: Request) -> Response:
        """Make pictures from a picture and words; with a mask, only what is white in it is repainted."""
        body = await read_json(request, service.settings.client_timeout_s, desk.picture_body_bytes)
        send_images = fields.boolean(body, "send_images", True)
        told = dict(body)
        if not fields.boolean(body, "include_init_images", False):
            told |= {"init_images": None, "mask": None}
        if not key_of(request):  # one that has a key may have its pictures already
            service.check_room(owner_of(request))
        made = await make(desk, request, body, parse)
        return await reply_of(made, told, send_images=send_images)

    return routes


def _index(body: Mapping[str, Any], name: str, default: int, count: int) -> int:
    chosen = fields.integer(body, name, default)
    check_whole(name, chosen, 0, count - 1)
    return chosen


def _flag(body: Mapping[str, Any], name: str, default: bool) -> bool:
    """Return true or false, which clients also write as 1 and 0 where A1111's own page does."""
    value = body.get(name)
    return fields.boolean({name: bool(value)} if value in (0, 1) else body, name, default)
