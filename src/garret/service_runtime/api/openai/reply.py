"""OpenAI's answers: pictures as Base64 or as links, and the events of a stream."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from garret.service_runtime.api.openai.fields import Wish
from garret.service_runtime.api.picture_json import Base64, picture_json
from garret.service_runtime.request import ImageRequest, ImageResult

USAGE = {
    "input_tokens": 0,
    "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
    "output_tokens": 0,
    "total_tokens": 0,
}
"""Nothing is counted or charged here, and clients that add it up find a number."""


def reply_of(wish: Wish, result: ImageResult, link: Callable[[str, int], str]) -> dict[str, Any]:
    """Return the answer; `link` makes an address of a job's id and a picture's number."""
    data: list[dict[str, Any]] = []
    for number, picture in enumerate(result.pictures):
        shown = {"url": link(result.job_id, number)} if wish.as_urls else {"b64_json": Base64(picture)}
        data.append({**shown, "seed": result.request.seed_of(number)})
    return {
        "created": int(time.time()),
        **told_of(wish.quality, result.request),
        "model": result.model_name,
        "data": data,
        "usage": USAGE,
        "garret_job": result.job_id,
    }


def event_of(kind: str, picture: bytes, **more: Any) -> bytes:
    """Return one event of a stream, with its picture. Blocks for Base64."""
    said = {"type": kind, "created_at": int(time.time()), **more, "b64_json": Base64(picture)}
    return b"event: " + kind.encode() + b"\ndata: " + picture_json(said) + b"\n\n"


def told_of(quality: str, request: ImageRequest) -> dict[str, Any]:
    """Return what an answer says of how its pictures were made."""
    width, height = request.final_size
    return {
        "background": "opaque",
        "output_format": request.output.format,
        "quality": quality,
        "size": f"{width}x{height}",
    }
