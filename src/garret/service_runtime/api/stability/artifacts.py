"""Finished pictures as Stability's clients read them: artifacts in JSON, or the one picture itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from garret.service_runtime.api.describe import Schema, record
from garret.service_runtime.api.picture_json import Base64
from garret.service_runtime.extensions.safety import BLOCKED
from garret.service_runtime.request import ImageResult

SUCCESS = "SUCCESS"
_MAGIC = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}


def finish_reason(result: ImageResult, index: int) -> str:
    """Return whether a picture was kept back by the content filter, in the API's words."""
    return BLOCKED if BLOCKED in result.notes.get(f"Picture {index}", "") else SUCCESS


def artifacts(result: ImageResult) -> list[dict[str, Any]]:
    """Return the entries of all pictures, whose files `picture_reply` writes as base64."""
    return [
        {
            "base64": Base64(picture),
            "seed": result.request.seed_of(index),
            "finishReason": finish_reason(result, index),
        }
        for index, picture in enumerate(result.pictures)
    ]


def picture_response(result: ImageResult) -> Response:
    """Return the first picture itself, its seed and how it ended in headers."""
    headers = {"Seed": str(result.request.seed_of(0)), "Finish-Reason": finish_reason(result, 0)}
    picture = result.pictures[0]
    kind = next((kind for magic, kind in _MAGIC.items() if picture.startswith(magic)), "application/octet-stream")
    return Response(picture, media_type=kind, headers=headers)


def artifacts_schema(beside: Mapping[str, Schema] | None = None) -> Schema:
    """Return the schema of an answer with `artifacts`."""
    artifact = record(
        {
            "base64": {"type": "string", "description": "the picture's file"},
            "seed": {"type": "integer"},
            "finishReason": {"enum": [SUCCESS, BLOCKED, "ERROR"]},
        },
        required=("base64", "seed", "finishReason"),
    )
    return record(
        {**(beside or {}), "artifacts": {"type": "array", "items": artifact}}, required=("artifacts", *(beside or {}))
    )
