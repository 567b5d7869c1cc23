"""What A1111's clients get with their pictures: `images`, `parameters`, and `info` as text."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response

from garret.service_runtime.api.picture_json import Base64, picture_reply
from garret.service_runtime.infotext import VERSION
from garret.service_runtime.request import ImageRequest, ImageResult


def info_of(result: ImageResult) -> dict[str, Any]:
    """Return what A1111 puts into the reply's `info`, before it becomes text."""
    request, count = result.request, result.request.count
    seeds = [request.seed_of(index) for index in range(count)]
    other = request.variation
    others = [request.variation_seed_of(index) for index in range(count)] if other.strength else seeds
    part = request.start or request.hires
    return {
        "prompt": request.prompt,
        "all_prompts": [request.prompt] * count,
        "negative_prompt": request.negative_prompt,
        "all_negative_prompts": [request.negative_prompt] * count,
        "seed": seeds[0],
        "all_seeds": seeds,
        "subseed": others[0],
        "all_subseeds": others,
        "subseed_strength": other.strength,
        "width": request.width,
        "height": request.height,
        "sampler_name": request.sampler,
        "cfg_scale": request.cfg_scale,
        "steps": request.steps,
        "batch_size": request.batch_size,
        "restore_faces": False,
        "face_restoration_model": None,
        "sd_model_name": result.model_name,
        "sd_model_hash": result.model_sha256[:10],
        "sd_vae_name": request.vae or None,
        "sd_vae_hash": None,
        "seed_resize_from_w": other.from_width or -1,
        "seed_resize_from_h": other.from_height or -1,
        "denoising_strength": part.denoise if part else None,
        "extra_generation_params": dict(result.notes),
        "index_of_first_image": 0,
        "infotexts": list(result.infotexts),
        "styles": list(request.styles),
        "job_timestamp": datetime.now(UTC).strftime("%Y%m%d%H%M%S"),
        "clip_skip": request.clip_skip,
        "is_using_inpainting_conditioning": False,
        "version": VERSION,
    }


async def reply_of(result: ImageResult, body: dict[str, Any], *, send_images: bool) -> Response:
    """Return the reply with the pictures, the fields as they were used, and what is to be said of them."""
    pictures = result.pictures if send_images else ()
    reply = {
        "images": [Base64(picture) for picture in pictures],
        "parameters": {**body, **_parameters(result.request)},
        "info": json.dumps(info_of(result)),
        "garret_job": result.job_id,
    }
    return await picture_reply(reply)


def _parameters(request: ImageRequest) -> dict[str, Any]:
    """Return the fields as they were used, under the dialect's names."""
    values = request.to_dict()
    values.pop("checkpoint")
    return {**values, "sampler_name": values.pop("sampler"), "scheduler": values.pop("schedule")}
