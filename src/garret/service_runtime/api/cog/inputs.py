"""The fields of `input`, as Replicate's SDXL names them, turned into a request.

Source of names, defaults and bounds: https://github.com/replicate/cog-sdxl (predict.py). What is left open takes the
model's own defaults, as everywhere here: steps, guidance and size.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from garret.service_runtime.api import fields
from garret.service_runtime.api.describe import Schema, field, record
from garret.service_runtime.api.job_body import parse_job
from garret.service_runtime.api.pictures import picture_of
from garret.service_runtime.errors import BadRequest
from garret.service_runtime.limits import MAXIMUM_BATCH, check_choice, check_number, check_whole
from garret.service_runtime.request import ImageRequest
from garret.service_runtime.samplers import DIALECTS, SAMPLERS
from garret.service_runtime.service import Service

PROMPT = "An astronaut riding a rainbow unicorn"
SCHEDULERS: Mapping[str, tuple[str, str]] = {
    "K_EULER": ("Euler", "model"),
    "K_EULER_ANCESTRAL": ("Euler a", "model"),
    "DDIM": ("DDIM", "model"),
    "DPMSolverMultistep": ("DPM++ 2M", "model"),
    "HeunDiscrete": ("Heun", "model"),
    "KarrasDPM": ("DPM++ 2M", "karras"),
    "PNDM": ("PLMS", "model"),
}
"""Its schedulers are diffusers' classes with the model's own configuration, but one."""
REFINES = ("no_refiner", "expert_ensemble_refiner", "base_image_refiner")
AGAIN = 0.3
"""How much `base_image_refiner` paints again: the default of diffusers' image-to-image pipeline of SDXL."""
OURS: Mapping[str, str] = {
    "cfg_scale": "guidance_scale",
    "steps": "num_inference_steps",
    "batch_size": "num_outputs",
    "n_iter": "num_outputs",
    "sampler": "scheduler",
    "schedule": "scheduler",
    "start": "image",
    "start.image": "image",
    "start.denoise": "prompt_strength",
    "mask.image": "mask",
    "start.mask.image": "mask",
    "refiner": "refine",
    "refiner.checkpoint": "refine",
    "refiner.switch_at": "high_noise_frac",
    "refiner.steps": "refine_steps",
    "loras": "replicate_weights",
    "loras.name": "replicate_weights",
    "loras.weight": "lora_scale",
}
"""What a request's fields are called here."""


def parse_input(said: Mapping[str, Any], service: Service) -> tuple[ImageRequest, dict[str, Any]]:
    """Turn an input into a request, and into what is told of it again; blocks as long as its pictures take.

    Raises:
        BadRequest, NotFound: names the field.
    """
    known = {name: value for name, value in said.items() if name in SCHEMA["properties"] and value is not None}
    sampler, schedule = _scheduler(known)
    count = fields.integer(known, "num_outputs", 1)
    check_whole("num_outputs", count, 1, MAXIMUM_BATCH)
    start = _start(known, service)
    asked = {
        "prompt": fields.text(known, "prompt", PROMPT),
        "negative_prompt": fields.text(known, "negative_prompt"),
        "sampler": sampler,
        "schedule": schedule,
        "seed": fields.integer(known, "seed", -1),
        "steps": fields.integer(known, "num_inference_steps", 0) if "num_inference_steps" in known else None,
        "cfg_scale": fields.number(known, "guidance_scale", 0.0) if "guidance_scale" in known else None,
        "batch_size": count,
        "start": start,
        "refiner": _refiner(known),
        "loras": _loras(known),
        "output": {"watermark": fields.boolean(known, "apply_watermark", True)} if "apply_watermark" in known else None,
        "checkpoint": fields.text(known, "checkpoint"),
    }
    # Without a mask its pictures are as large as the one that they begin from, whatever is said.
    if start is None or "mask" in start:
        asked |= {name: fields.integer(known, name, 0) for name in ("width", "height") if name in known}
    request = parse_job(asked, service.models.usable_checkpoint, service.inputs)
    kept = {"image": start["image"], "mask": start.get("mask", {}).get("image")} if start else {}
    shown = {name: f"sha256:{digest}" for name, digest in kept.items() if digest}
    return request, {**known, "seed": request.seed, **shown}


def _scheduler(said: Mapping[str, Any]) -> tuple[str, str]:
    """Return the sampler and schedule of its names; others' names are understood too."""
    named = fields.text(said, "scheduler") or "K_EULER"
    if named not in SCHEDULERS:
        others = (*DIALECTS, *(one.name for one in SAMPLERS))
        check_choice("scheduler", named, (*SCHEDULERS, *others))
    return SCHEDULERS.get(named, (named, ""))


def _start(said: Mapping[str, Any], service: Service) -> dict[str, Any] | None:
    """Keep the pictures that it begins from, and return the start of a request."""
    strength = fields.number(said, "prompt_strength", 0.8)
    check_number("prompt_strength", strength, 0, 1)
    if "image" not in said:
        if "mask" in said:
            raise BadRequest("mask", "comes without an image", "Send the picture that it is a mask of as image")
        return None
    start: dict[str, Any] = {
        "image": service.inputs.put(picture_of(said["image"], "image"), "image"),
        "denoise": strength,
    }
    if "mask" in said:
        # diffusers paints the whole picture, and keeps what is black without a soft edge.
        start["mask"] = {"image": service.inputs.put_mask(picture_of(said["mask"], "mask"), "mask"), "blur": 0.0}
    return start


def _refiner(said: Mapping[str, Any]) -> dict[str, Any] | None:
    kind = fields.text(said, "refine") or REFINES[0]
    check_choice("refine", kind, REFINES)
    share = fields.number(said, "high_noise_frac", 0.8)
    check_number("high_noise_frac", share, 0, 1)
    steps = fields.integer(said, "refine_steps", 0)
    if kind == REFINES[1]:
        return {"mode": "finish", "switch_at": share}
    return {"mode": "again", "strength": AGAIN, "steps": steps} if kind == REFINES[2] else None


def _loras(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the LoRA that is named; weights at an address are not fetched for callers."""
    named, scale = fields.text(said, "replicate_weights"), fields.number(said, "lora_scale", 0.6)
    check_number("lora_scale", scale, 0, 1)
    if "://" in named:
        hint = "Put the LoRA on the node with POST /v1/models, and give its name"
        raise BadRequest("replicate_weights", "is an address, and this service fetches nothing for its callers", hint)
    return [{"name": named, "weight": scale}] if named else []


SCHEMA: Schema = record(
    {
        "prompt": field("string", "what the picture shows", default=PROMPT),
        "negative_prompt": field("string", "what it should not show"),
        "image": field("string", "a picture to begin from, as a data URI or base64; addresses are refused"),
        "mask": field("string", "a picture, as `image`: white is painted, black is kept"),
        "width": field("integer", "in pixels; empty: the model's own size, or the picture's"),
        "height": field("integer", "in pixels; empty: the model's own size, or the picture's"),
        "num_outputs": field("integer", "how many pictures", minimum=1, maximum=MAXIMUM_BATCH),
        "scheduler": field("string", f"{', '.join(SCHEDULERS)}; or a sampler's name", default="K_EULER"),
        "num_inference_steps": field("integer", "empty: as the model likes", minimum=1),
        "guidance_scale": field("number", "empty: as the model likes", minimum=0),
        "prompt_strength": field("number", "how much of `image` is painted anew", minimum=0, maximum=1, default=0.8),
        "seed": field("integer", "empty for any"),
        "refine": {"type": ["string", "null"], "enum": [*REFINES, None], "description": "how a refiner takes part"},
        "high_noise_frac": field(
            "number", "the share of the steps before expert_ensemble_refiner takes over", minimum=0, maximum=1
        ),
        "refine_steps": field("integer", "of base_image_refiner; empty: as many as num_inference_steps", minimum=0),
        "apply_watermark": field("boolean", "the invisible mark; empty: as the node is set"),
        "lora_scale": field("number", "how much of the LoRA", minimum=0, maximum=1, default=0.6),
        "replicate_weights": field("string", "the name of a LoRA on this node"),
        "disable_safety_checker": field("boolean", "is read and changes nothing: the node's own setting decides"),
        "checkpoint": field("string", "not Replicate's: a model's name; empty: the node's default"),
    }
)
