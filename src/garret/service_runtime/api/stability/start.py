"""A picture to begin from, in Stability's senses: how near the result stays to it, and where a mask comes from."""

from __future__ import annotations

from garret.service_runtime.api import fields
from garret.service_runtime.api.fields import Values
from garret.service_runtime.api.stability.errors import NamedRequest
from garret.service_runtime.asked import Mask, Start
from garret.service_runtime.errors import BadRequest
from garret.service_runtime.inputs import InputStore
from garret.service_runtime.limits import check_choice, check_number

STRENGTH, SCHEDULE = MODES = ("IMAGE_STRENGTH", "STEP_SCHEDULE")
WHITE, BLACK, ALPHA = MASK_SOURCES = ("MASK_IMAGE_WHITE", "MASK_IMAGE_BLACK", "INIT_IMAGE_ALPHA")
USUAL_STRENGTH, USUAL_START = 0.35, 0.65
"""What is meant where nothing is said; the two say the same."""


def read_denoise(body: Values) -> float:
    """Return how much of the picture is denoised anew.

    That is where the schedule starts: 1 - `image_strength`, or with the mode STEP_SCHEDULE `step_schedule_start`
    itself, whatever the strength says then. `step_schedule_end` is looked at and changes nothing: pictures are denoised
    to their end.

    Raises:
        BadRequest, UnknownChoice: name the field.
    """
    mode = fields.text(body, "init_image_mode") or STRENGTH
    check_choice("init_image_mode", mode, MODES)
    strength = read_share(body, "image_strength", USUAL_STRENGTH)
    start = read_share(body, "step_schedule_start", USUAL_START)
    read_share(body, "step_schedule_end", 0.0)
    return start if mode == SCHEDULE else round(1 - strength, 9)


def read_source(body: Values, *, required: bool) -> str:
    """Return where the mask comes from, "" where there is none."""
    source = fields.text(body, "mask_source")
    if source or required:
        check_choice("mask_source", source, MASK_SOURCES)
    return source


def keep_start(inputs: InputStore, image: bytes, mask: bytes | None, source: str, denoise: float) -> Start:
    """Keep the pictures and return what is begun from; blocks as long as decoding takes.

    What a mask does follows its shades on a straight line, so it has neither blur nor a threshold.

    Raises:
        BadRequest: names the picture.
    """
    if source in (WHITE, BLACK) and not mask:
        hint = f"Send one, or {ALPHA} as mask_source for a picture with transparent parts"
        raise NamedRequest("invalid_mask_image", "mask_image", f"is missing, and mask_source is {source}", hint)
    kept = inputs.put(image, "init_image")
    if not source:
        return Start(kept, denoise)
    return Start(kept, denoise, mask=_mask(inputs, kept, image, mask, source))


def _mask(inputs: InputStore, kept: str, image: bytes, mask: bytes | None, source: str) -> Mask:
    if source == ALPHA:
        shades = inputs.put_mask(image, "init_image", transparent=True)
    else:
        shades = inputs.put_mask(mask or b"", "mask_image", inverted=source == BLACK)
        wanted, given = inputs.size(kept), inputs.size(shades)
        if wanted != given:
            reason = f"has {given[0]} x {given[1]} pixels, and init_image {wanted[0]} x {wanted[1]}"
            raise NamedRequest("invalid_image_dimensions", "mask_image", reason, "Send both at one size")
    return Mask(shades, blur=0.0, invert=source == BLACK, soft=True)


def read_share(body: Values, name: str, usual: float) -> float:
    """Return a number from 0 to 1."""
    value = fields.number(body, name, usual)
    check_number(name, value, 0, 1)
    return value


def missing_image(name: str = "init_image") -> BadRequest:
    """Return the error of a request that has no picture to begin from."""
    return BadRequest(name, "is missing", "Send a PNG, JPEG or WebP picture")
