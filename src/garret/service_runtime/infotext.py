"""The line of text that tells what a picture was made from, as A1111 writes it into the file."""

from __future__ import annotations

import json

from garret.service_runtime.request import ImageRequest
from garret.service_runtime.samplers import find_sampler

VERSION = "garret"


def infotext(request: ImageRequest, index: int, model_name: str, model_sha256: str) -> str:
    """Return the text for one picture of a request."""
    sampler, schedule = find_sampler(request.sampler, request.schedule)
    pairs = {
        "Steps": str(request.steps),
        "Sampler": sampler.name,
        "Schedule type": schedule.label,
        "CFG scale": f"{request.cfg_scale:g}",
        "Seed": str(request.seed_of(index)),
        "Size": f"{request.width}x{request.height}",
        "Model hash": model_sha256[:10],
        "Model": model_name,
        "Version": VERSION,
    }
    lines = [request.prompt]
    if request.negative_prompt:
        lines.append(f"Negative prompt: {request.negative_prompt}")
    lines.append(", ".join(f"{key}: {_quoted(value)}" for key, value in pairs.items() if value))
    return "\n".join(lines)


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if any(mark in value for mark in ",\n:") else value
