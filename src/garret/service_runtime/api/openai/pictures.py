"""The pictures that edits and variations begin from, as files of a form or inside JSON, with the fields beside them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from garret.service_runtime.api import fields
from garret.service_runtime.api.body import parse_json, read_json
from garret.service_runtime.api.multipart import Form, is_form, read_form
from garret.service_runtime.api.openai.fields import ALIASES
from garret.service_runtime.api.pictures import picture_of
from garret.service_runtime.errors import BadRequest
from garret.service_runtime.inputs import InputStore
from garret.service_runtime.limits import check_choice, check_number

PICTURES = ("image", "images", "image[]")
MORE = (*PICTURES, "mask", "strength")
"""The fields that only these routes have."""
EDIT_STRENGTH, VARIATION_STRENGTH, FAITHFUL_STRENGTH = 0.75, 0.5, 0.5
"""How much of a picture is denoised anew where nothing is said, for an edit, a variation, and `input_fidelity` high."""
_WHOLE = ("n", "output_compression", "partial_images", "seed", "steps", "num_inference_steps", "clip_skip")
_NUMBERS = ("strength", "cfg_scale", *(alias for alias, name in ALIASES.items() if name == "cfg_scale"))
_FLAGS = ("stream",)
_STRUCTURED = ("loras", "styles", "hires", "upscale", "refiner", "variation", "noise", "sizes", "shortcuts")
_JPEG = b"\xff\xd8"


@dataclass(frozen=True)
class Sent:
    """What came: the fields beside pictures, the one picture, its mask, and what tells this body from another one."""

    values: Mapping[str, Any]
    image: bytes = field(repr=False)
    mask: bytes | None = field(repr=False)
    told: Mapping[str, Any] = field(repr=False)


async def read_sent(request: Request, timeout_s: float, limit: int) -> Sent:
    """Read a body of at most `limit` bytes that is a form, or JSON with its pictures as Base64.

    Raises:
        BadRequest: names the field.
    """
    if is_form(request):
        return await asyncio.to_thread(_of_form, await read_form(request, timeout_s, limit, always_files=("image[]",)))
    return await asyncio.to_thread(_of_json, await read_json(request, timeout_s, limit))


def _of_json(body: Mapping[str, Any]) -> Sent:
    rest = {name: value for name, value in body.items() if name not in (*PICTURES, "mask")}
    pictures = [_picture(value, "image") for name in PICTURES for value in _several(body.get(name))]
    mask = _picture(body["mask"], "mask") if body.get("mask") is not None else None
    return Sent(rest, _only(pictures), mask, body)


def keep_edit(sent: Sent, inputs: InputStore) -> dict[str, Any]:
    """Keep an edit's pictures and return what is begun from, as the native API says it. Blocks for decoding.

    Without a mask, what is transparent in the picture itself is what is painted, and without that either all of it is.
    """
    image = inputs.put(sent.image, "image")
    if sent.mask is not None:
        mask = inputs.put_mask(sent.mask, "mask", transparent=True)
        if inputs.size(mask) != inputs.size(image):
            sizes = " and ".join("{}x{}".format(*inputs.size(one)) for one in (mask, image))
            raise BadRequest("mask", f"is not of the image's size: {sizes}", "Send both in the same size")
    elif (mask := _transparent_part(sent.image, inputs)) == "":
        return {"image": image, "denoise": _strength(sent.values, _fidelity(sent.values)), "resize": "crop"}
    # What was cut away is to be painted as if nothing had ever been there.
    strength = _strength(sent.values, 1.0)
    return {"image": image, "denoise": strength, "resize": "crop", "mask": {"image": mask, "fill": "fill"}}


def keep_variation(sent: Sent, inputs: InputStore) -> dict[str, Any]:
    """Keep a variation's picture and return what is begun from. Blocks for decoding."""
    if sent.mask is not None:
        raise BadRequest("mask", "is nothing of a variation's", "Ask /v1/images/edits")
    strength = _strength(sent.values, VARIATION_STRENGTH)
    return {"image": inputs.put(sent.image, "image"), "denoise": strength, "resize": "crop"}


def _of_form(form: Form) -> Sent:
    values = form.values(_WHOLE, _NUMBERS, _FLAGS)
    values |= {name: _structure(name, values[name]) for name in _STRUCTURED if isinstance(values.get(name), str)}
    pictures = [file.data for name in PICTURES for file in form.files.get(name, ())]
    pictures += [_picture(values.pop(name), "image") for name in ("image",) if name in values]
    masks = [file.data for file in form.files.get("mask", ())]
    masks += [_picture(values.pop(name), "mask") for name in ("mask",) if name in values]
    unknown = next((name for name in form.files if name not in (*PICTURES, "mask")), None)
    if unknown is not None:
        raise BadRequest(unknown[:40], "is no file that this takes", "Send image, and mask")
    if len(masks) > 1:
        raise BadRequest("mask", "comes more than once")
    return Sent(values, _only(pictures), masks[0] if masks else None, form.told())


def _structure(name: str, text: str) -> Any:
    """Return what a form's text says where JSON has a list or an object there."""
    try:
        return parse_json(text.encode())
    except BadRequest as error:
        raise BadRequest(name, error.reason, 'Write it as JSON: [{"name": "…", "weight": 0.8}]') from None


def _several(value: object) -> Iterable[object]:
    if value is None:
        return ()
    return value if isinstance(value, list) else (value,)


def _picture(value: object, name: str) -> bytes:
    """Return the picture of a field in JSON: its Base64, or OpenAI's `{"image_url": "data:…"}` around that."""
    if isinstance(value, Mapping):
        if value.get("file_id") is not None:
            raise BadRequest(name, "names a file, and none are kept here", "Send the picture itself, as base64")
        value = value.get("image_url")
    return picture_of(value, name)


def _only(pictures: list[bytes]) -> bytes:
    if not pictures:
        raise BadRequest("image", "is missing", "Send one PNG, JPEG or WebP picture")
    if len(pictures) > 1:
        raise BadRequest("image", f"comes {len(pictures)} times, and SDXL begins from one", "Send one picture")
    return pictures[0]


def _transparent_part(data: bytes, inputs: InputStore) -> str:
    """Return the mask that a picture's own transparency is, or "" where it has none."""
    if data.startswith(_JPEG):
        return ""
    try:
        return inputs.put_mask(data, "image", transparent=True)
    except BadRequest:
        return ""  # it could be decoded a moment ago, so all that is wrong with it is that it hides nothing


def _fidelity(values: Mapping[str, Any]) -> float:
    said = fields.text(values, "input_fidelity") or "low"
    check_choice("input_fidelity", said, ("low", "high"))
    return FAITHFUL_STRENGTH if said == "high" else EDIT_STRENGTH


def _strength(values: Mapping[str, Any], default: float) -> float:
    strength = fields.number(values, "strength", default)
    check_number("strength", strength, 0, 1)
    return strength
