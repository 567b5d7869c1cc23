"""The native door's body: a request's own fields as JSON, with the model's defaults where one is left out."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import fields as fields_of
from functools import partial
from typing import Any

from garret.service_runtime import asked
from garret.service_runtime.api import fields
from garret.service_runtime.api.pictures import picture_of
from garret.service_runtime.errors import BadRequest
from garret.service_runtime.inputs import InputStore, sized_like
from garret.service_runtime.limits import MAXIMUM_SEED, check_text
from garret.service_runtime.models import Model
from garret.service_runtime.picture_header import NotAPicture
from garret.service_runtime.pictures.texts import infotext_of, texts_of
from garret.service_runtime.request import ImageRequest
from garret.service_runtime.samplers import find_sampler

BESIDE = ("webhook", "expires_in")
"""What a body may say beside the request's fields."""
_KNOWN = (*(one.name for one in fields_of(ImageRequest)), *BESIDE)
_WHOLE = ("steps", "batch_size", "n_iter", "clip_skip")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def parse_job(body: dict[str, Any], find: Callable[[str], Model], inputs: InputStore) -> ImageRequest:
    """Turn a body, whose pictures are digests by now, into a request.

    Raises:
        BadRequest, NotFound: name the field, or the checkpoint.
    """
    said = {name: value for name, value in body.items() if value is not None and name not in BESIDE}
    if unknown := next((name for name in said if name not in _KNOWN), None):
        raise BadRequest(str(unknown)[:40], "is not a field", f"Known: {', '.join(_KNOWN)}")
    if fields.mapping(said, "upscale").get("image"):
        return _only_upscaled(said, inputs)
    model = find(fields.text(said, "checkpoint"))
    sampler, schedule = _sampler(said)
    defaults = model.defaults
    width, height = _size(said, defaults.size, inputs)
    said |= {
        "checkpoint": model.name,
        "prompt": fields.text(said, "prompt"),
        "negative_prompt": fields.text(said, "negative_prompt"),
        "sampler": sampler,
        "schedule": schedule,
        "seed": _seed(said),
        "cfg_scale": fields.number(said, "cfg_scale", defaults.cfg_scale),
        "width": width,
        "height": height,
        "steps": said.get("steps", defaults.steps),
    }
    said |= {name: fields.integer(said, name, 1) for name in _WHOLE if name in said}
    for name in ("styles", "loras"):
        if name in said and not isinstance(said[name], list):
            raise BadRequest(name, "must be a list")
    for name in asked.PARTS:
        if name in said:
            fields.mapping(said, name)
    return ImageRequest.from_dict(said)


def keep_pictures(body: dict[str, Any], inputs: InputStore) -> dict[str, Any]:
    """Return the body with the digests of its pictures in their places; blocks as long as decoding takes."""
    upscale, start = body.get("upscale"), body.get("start")
    if isinstance(upscale, dict) and upscale.get("image"):
        body = {**body, "upscale": _with_text(upscale, inputs)}
    if not isinstance(start, dict):
        return body
    start = {**start, "image": _kept(start.get("image"), "start.image", inputs.put)}
    mask = start.get("mask")
    if isinstance(mask, dict):
        put = partial(inputs.put_mask, inverted=mask.get("invert") is True)
        start["mask"] = {**mask, "image": _kept(mask.get("image"), "start.mask.image", put)}
    return {**body, "start": start}


def _with_text(upscale: dict[str, Any], inputs: InputStore) -> dict[str, Any]:
    """Return an enlargement with its picture's digest, and with what the picture's file said of itself."""
    image = upscale["image"]
    digest = _kept(image, "upscale.image", inputs.put)
    if digest == image or "about" in upscale:
        return {**upscale, "image": digest}
    return {**upscale, "image": digest, "about": text_of(picture_of(image, "upscale.image"))}


def text_of(file: bytes) -> str:
    """Return what a picture's file says of how it was made; one that is too long to be a picture's is none."""
    try:
        text = infotext_of(texts_of(file))
        check_text("about", text)
    except (NotAPicture, BadRequest):
        return ""
    return text


def _only_upscaled(said: dict[str, Any], inputs: InputStore) -> ImageRequest:
    """Return the request for a larger picture; what else it says is refused where it would be for a painter."""
    sides = (fields.integer(said, name, 0) for name in ("width", "height"))
    own = inputs.size(fields.text(said["upscale"], "image"))
    width, height = (side or of_picture for side, of_picture in zip(sides, own, strict=True))
    unpainted = {"checkpoint": "", "prompt": "", "steps": 1, "cfg_scale": 1.0, "seed": 0}
    return ImageRequest.from_dict({**unpainted, **said, "width": width, "height": height})


def _kept(value: object, field: str, put: Callable[[bytes, str], str]) -> str:
    if not isinstance(value, str) or not value:
        raise BadRequest(field, "is missing", "Give a picture in base64, or the SHA-256 that PUT /v1/inputs answered")
    if _DIGEST.fullmatch(value):
        return value
    return put(picture_of(value, field), field)


def _size(said: dict[str, Any], native: int, inputs: InputStore) -> tuple[int, int]:
    """Return the sides: what was said, and for the rest those of the picture that is begun from, or a square."""
    start = said.get("start")
    width, height = (fields.integer(said, name, 0) if name in said else None for name in ("width", "height"))
    if isinstance(start, dict):
        size = inputs.size(start.get("image", ""))
        return sized_like(size, native, width, height, outpaint=start.get("resize") == "outpaint")
    return native if width is None else width, native if height is None else height


def _sampler(said: dict[str, Any]) -> tuple[str, str]:
    named, spacing = fields.text(said, "sampler") or "Euler", fields.text(said, "schedule")
    sampler, schedule = find_sampler(named, spacing, ("sampler", "schedule"))
    return sampler.name, schedule.name


def _seed(said: dict[str, Any]) -> int:
    seed = fields.integer(said, "seed", -1)
    if not -1 <= seed <= MAXIMUM_SEED:
        raise BadRequest("seed", "is out of range", f"Give 0 to {MAXIMUM_SEED}, or -1 for any")
    return secrets.randbelow(2**32) if seed == -1 else seed
