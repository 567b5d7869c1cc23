"""The fields that all of Stability's schemas share, as a request: words, size, sampler, seeds, style."""

from __future__ import annotations

import secrets
from typing import Any

from garret.service_runtime.api import fields
from garret.service_runtime.api.describe import Schema, field, record
from garret.service_runtime.api.fields import Values
from garret.service_runtime.api.stability.prompts import FIELD, HEAVIEST, joined, read_prompts
from garret.service_runtime.api.stability.start import MASK_SOURCES, MODES
from garret.service_runtime.api.stability.style_presets import STYLE_PRESETS, find_style
from garret.service_runtime.asked import Start
from garret.service_runtime.inputs import sized_like
from garret.service_runtime.limits import (
    MAXIMUM_GUIDANCE,
    MAXIMUM_PICTURES,
    MAXIMUM_SEED,
    MAXIMUM_SIDE,
    MAXIMUM_STEPS,
    MINIMUM_SIDE,
    SIDE_STEP,
    check_choice,
    check_number,
    check_whole,
)
from garret.service_runtime.models import Model
from garret.service_runtime.request import ImageRequest
from garret.service_runtime.samplers import find_sampler
from garret.service_runtime.service import Service
from garret.service_runtime.vocabulary import MAXIMUM_PARTS

CLIP_PRESETS = ("FAST_BLUE", "FAST_GREEN", "NONE", "SIMPLE", "SLOW", "SLOWER", "SLOWEST")
SAMPLERS = (
    "DDIM",
    "DDPM",
    "K_DPMPP_2M",
    "K_DPMPP_2S_ANCESTRAL",
    "K_DPMPP_SDE",
    "K_DPM_2",
    "K_DPM_2_ANCESTRAL",
    "K_EULER",
    "K_EULER_ANCESTRAL",
    "K_HEUN",
    "K_LMS",
)
USUAL_SAMPLER = "K_DPMPP_2M"


def parse_generation(
    body: Values, service: Service, model: Model, start: Start | None = None, *, seed_limit: int = MAXIMUM_SEED
) -> ImageRequest:
    """Turn a body into a request; empty fields take the model's defaults, and a picture says its own size.

    `extras` and `clip_guidance_preset` change nothing: SDXL has no CLIP guidance.

    Raises:
        BadRequest, UnknownChoice: name the field as this dialect calls it.
    """
    check_choice("clip_guidance_preset", fields.text(body, "clip_guidance_preset") or "NONE", CLIP_PRESETS)
    fields.mapping(body, "extras")
    own = {style.name: style for style in service.vocabulary.styles.all()} if body.get("style_preset") else {}
    style = find_style(fields.text(body, "style_preset"), own)
    prompt, negative_prompt = joined(read_prompts(body.get(FIELD)), style)
    named = fields.text(body, "sampler") or USUAL_SAMPLER
    sampler, schedule = find_sampler(named, "", ("sampler", "sampler"))
    width, height = read_size(body, service, model, start)
    return ImageRequest(
        checkpoint=model.name,
        prompt=prompt,
        negative_prompt=negative_prompt,
        width=width,
        height=height,
        steps=whole(body, "steps", model.defaults.steps, 1, MAXIMUM_STEPS),
        cfg_scale=read_guidance(body, model),
        seed=whole(body, "seed", 0, 0, seed_limit) or secrets.randbelow(2**32 - 1) + 1,
        sampler=sampler.name,
        schedule=schedule.name,
        n_iter=whole(body, "samples", 1, 1, MAXIMUM_PICTURES),
        start=start,
    )


def read_size(body: Values, service: Service, model: Model, start: Start | None) -> tuple[int, int]:
    """Return width and height: a picture that is begun from has its own, whatever the body says."""
    native = model.defaults.size
    if start is not None:
        return sized_like(service.inputs.size(start.image), native)
    return fields.integer(body, "width", native), fields.integer(body, "height", native)


def read_guidance(body: Values, model: Model) -> float:
    """Return `cfg_scale`."""
    value = fields.number(body, "cfg_scale", model.defaults.cfg_scale)
    check_number("cfg_scale", value, 0, MAXIMUM_GUIDANCE)
    return value


def whole(body: Values, name: str, usual: int, low: int, high: int) -> int:
    """Return a whole number within bounds."""
    value = fields.integer(body, name, usual)
    check_whole(name, value, low, high)
    return value


TEXT_PROMPTS: Schema = {
    "type": "array",
    "minItems": 1,
    "maxItems": MAXIMUM_PARTS,
    "description": "what the picture shows; texts of negative weight are what it should not show",
    "items": record(
        {
            "text": {"type": "string", "minLength": 1},
            "weight": field("number", "its share beside the others; empty: 1", minimum=-HEAVIEST, maximum=HEAVIEST),
        },
        required=("text",),
    ),
}


def shared_fields() -> dict[str, Schema]:
    """Return what the bodies of all schemas may say beside their words."""
    return {
        "cfg_scale": field("number", "how closely the words are followed", minimum=0, maximum=MAXIMUM_GUIDANCE),
        "clip_guidance_preset": field("string", "changes nothing", enum=[*CLIP_PRESETS, None]),
        "sampler": field("string", f"{', '.join(SAMPLERS)}; empty: {USUAL_SAMPLER}"),
        "samples": field("integer", "how many pictures", minimum=1, maximum=MAXIMUM_PICTURES),
        "seed": field("integer", "the first picture's; 0 or empty: any", minimum=0),
        "steps": field("integer", "empty: the model's own", minimum=1, maximum=MAXIMUM_STEPS),
        "style_preset": field("string", f"{', '.join(STYLE_PRESETS)}, or the name of one of the node's own styles"),
        "extras": field("object", "changes nothing"),
    }


def size_fields() -> dict[str, Schema]:
    """Return the fields of a picture's size."""
    bounds: dict[str, Any] = {"minimum": MINIMUM_SIDE, "maximum": MAXIMUM_SIDE, "multipleOf": SIDE_STEP}
    return {name: field("integer", "empty: the model's own", **bounds) for name in ("width", "height")}


def start_fields(picture: dict[str, Any]) -> dict[str, Schema]:
    """Return the fields of a picture to begin from; `picture` is how this schema carries one."""
    share: dict[str, Any] = {"minimum": 0, "maximum": 1}
    return {
        "init_image": {**picture, "description": "the picture to begin from, which says the size"},
        "init_image_mode": field("string", f"empty: {MODES[0]}", enum=[*MODES, None]),
        "image_strength": field("number", "how near to the picture, 1 being the picture; empty: 0.35", **share),
        "step_schedule_start": field("number", "in its mode: how much is denoised; empty: 0.65", **share),
        "step_schedule_end": field("number", "changes nothing", **share),
    }


def mask_fields(picture: dict[str, Any]) -> dict[str, Schema]:
    """Return the fields of a mask."""
    return {
        "mask_source": field("string", "what is made anew", enum=[*MASK_SOURCES, None]),
        "mask_image": {**picture, "description": "of the picture's size, with the two sources of its name"},
    }
