"""What A1111's clients get with their pictures: `images`, `parameters`, and `info` as text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response

from garret.service_runtime.api.a1111.making import Made
from garret.service_runtime.api.describe import answer, record
from garret.service_runtime.api.picture_json import Base64, picture_reply
from garret.service_runtime.infotext import VERSION
from garret.service_runtime.infotext_reader import Infotext, split
from garret.service_runtime.limits import SIDE_STEP
from garret.service_runtime.request import ImageRequest

ANSWER = answer(
    "The pictures, in the order of their seeds, and what they were made from.",
    record(
        {
            "images": {"type": "array", "items": {"type": "string"}, "description": "files as bare base64"},
            "parameters": {"type": "object", "description": "the request's fields as they were used"},
            "info": {"type": "string", "description": "JSON: seeds, prompts, model, one infotext for each picture"},
            "garret_job": {"type": "string", "description": "the job's id, for /v1/jobs"},
        },
        required=("images", "parameters", "info"),
    ),
)
# What A1111's `info` has fields of its own for, or its text alone; the rest is what it calls extra.
_NOT_EXTRA = frozenset({
    "Steps", "Sampler", "Schedule type", "CFG scale", "Seed", "Size", "Model hash", "Model", "VAE hash", "VAE",
    "Variation seed", "Variation seed strength", "Seed resize from", "Denoising strength", "Clip skip", "RNG",
    "Version", "Exact prompt", "Exact negative prompt",
})  # fmt: skip


def info_of(made: Made, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what A1111 puts into the reply's `info` to a body, before it becomes text."""
    result, request, count = made.result, made.result.request, len(made.numbers)
    seeds = [request.seed_of(index) for index in made.numbers]
    other = request.variation
    others = [request.variation_seed_of(index) for index in made.numbers] if other.strength else seeds
    part = request.start or request.hires
    text = split(result.infotexts[0])
    prompt, negative_prompt = (text.prompt, text.negative_prompt) if request.styles else _as_asked(request)
    return {
        "prompt": prompt,
        "all_prompts": [prompt] * count,
        "negative_prompt": negative_prompt,
        "all_negative_prompts": [negative_prompt] * count,
        "seed": seeds[0],
        "all_seeds": seeds,
        "subseed": others[0],
        "all_subseeds": others,
        "subseed_strength": other.strength,
        "width": _as_sent(body, "width", request.width),
        "height": _as_sent(body, "height", request.height),
        "sampler_name": request.sampler,
        "cfg_scale": request.cfg_scale,
        "steps": request.steps,
        "batch_size": request.batch_size,
        "restore_faces": False,
        "face_restoration_model": None,
        "sd_model_name": result.model_name,
        "sd_model_hash": result.model_sha256[:10],
        "sd_vae_name": text.pairs.get("VAE"),
        "sd_vae_hash": text.pairs.get("VAE hash"),
        "seed_resize_from_w": other.from_width or -1,
        "seed_resize_from_h": other.from_height or -1,
        "denoising_strength": part.denoise if part else None,
        "extra_generation_params": {**_extra(text), **result.notes},
        "index_of_first_image": 0,
        "infotexts": list(result.infotexts),
        "styles": list(request.styles),
        "job_timestamp": datetime.now(UTC).strftime("%Y%m%d%H%M%S"),
        "clip_skip": request.clip_skip,
        "is_using_inpainting_conditioning": False,
        "version": VERSION,
    }


async def reply_of(made: Made, body: dict[str, Any], *, send_images: bool) -> Response:
    """Return the reply with the pictures, the fields as they were used, and what is to be said of them."""
    result = made.result
    pictures = result.pictures if send_images else ()
    reply = {
        "images": [Base64(picture) for picture in pictures],
        "parameters": {**body, **_parameters(result.request)},
        "info": json.dumps(info_of(made, body)),
        "garret_job": result.job_id,
    }
    return await picture_reply(reply)


def _as_sent(body: Mapping[str, Any], name: str, used: int) -> int:
    """Return a side as it was sent: who selected so much of a canvas stretches the picture to it by this."""
    sent = body.get(name)
    return sent if isinstance(sent, int) and sent // SIDE_STEP * SIDE_STEP == used else used


def _as_asked(request: ImageRequest) -> tuple[str, str]:
    return request.prompt, request.negative_prompt


def _extra(text: Infotext) -> dict[str, str]:
    return {key: value for key, value in text.pairs.items() if key not in _NOT_EXTRA}


def _parameters(request: ImageRequest) -> dict[str, Any]:
    """Return the fields as they were used, under the dialect's names."""
    values = request.to_dict()
    values.pop("checkpoint")
    return {**values, "sampler_name": values.pop("sampler"), "scheduler": values.pop("schedule")}
