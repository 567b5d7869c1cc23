"""The bodies and answers of OpenAI's image routes, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from garret.service_runtime.api.describe import Schema, body, field, listed, record
from garret.service_runtime.api.multipart import MEDIA_TYPE
from garret.service_runtime.api.openai.fields import ALIASES, IGNORED, MAXIMUM_PARTIAL_IMAGES, QUALITIES
from garret.service_runtime.limits import (
    MAXIMUM_GUIDANCE,
    MAXIMUM_PICTURES,
    MAXIMUM_PROMPT,
    MAXIMUM_SEED,
    MAXIMUM_STEPS,
)

_OBJECTS = ("hires", "upscale", "refiner", "variation", "noise", "sizes", "shortcuts")
_FIELDS: dict[str, Schema] = {
    "prompt": field("string", "what the picture shows", maxLength=MAXIMUM_PROMPT),
    "model": field("string", "a checkpoint of GET /v1/models; another name: the node's own, by its setting"),
    "n": field("integer", "how many pictures", minimum=1, maximum=MAXIMUM_PICTURES),
    "size": field("string", "auto, or WIDTHxHEIGHT: each 64 to 2048, a multiple of 8"),
    "quality": field("string", "how many steps: half, one, one and a half, two or three times the model's own",
                     enum=["auto", *QUALITIES, "standard", "hd", None]),
    "response_format": field("string", "what pictures come as", enum=["b64_json", "url", None]),
    "output_format": field("string", "the kind of file", enum=["png", "jpeg", "jpg", "webp", None]),
    "output_compression": field("integer", "the quality of a JPEG or WebP file", minimum=0, maximum=100),
    "background": field("string", "transparent is refused", enum=["auto", "opaque", None]),
    "style": field("string", "no words are added for either", enum=["vivid", "natural", None]),
    "stream": field("boolean", "server-sent events instead of one answer"),
    "partial_images": field("integer", "how many of each on its way", minimum=0, maximum=MAXIMUM_PARTIAL_IMAGES),
    "negative_prompt": field("string", "what the picture should not show", maxLength=MAXIMUM_PROMPT),
    "seed": field("integer", "the first picture's; -1 or empty: any", minimum=-1, maximum=MAXIMUM_SEED),
    "steps": field("integer", "instead of what quality makes of them", minimum=1, maximum=MAXIMUM_STEPS),
    "cfg_scale": field("number", "how closely the words are followed", minimum=0, maximum=MAXIMUM_GUIDANCE),
    "sampler": field("string", "a name of GET /v1/samplers"),
    "schedule": field("string", "how noise levels are spaced"),
    "styles": listed({"type": "string"}, "names of GET /v1/styles"),
    "loras": listed({"type": "object"}, '[{"name": "…", "weight": 0.8}]'),
    "clip_skip": field("integer", "how many of the text encoder's last layers are left out", minimum=1, maximum=12),
    "vae": field("string", "the name of one"),
    **{name: field("object", "as POST /v1/jobs has it") for name in _OBJECTS},
    "memory": field("string", "auto, normal or low"),
}  # fmt: skip
_FIELDS |= {alias: {**_FIELDS[name], "description": f"the same as {name}"} for alias, name in ALIASES.items()}
_FIELDS |= {name: {"description": "read by nobody here"} for name in IGNORED}
_STRENGTH = field("number", "how much of the picture is painted anew", minimum=0, maximum=1)
_FIDELITY = field("string", "high: less of the picture is painted anew", enum=["low", "high", None])
_FILE = {"type": "string", "format": "binary", "description": "a PNG, JPEG or WebP file of at most 20 MB"}
_TEXT = {"type": "string", "description": "a picture as base64, bare or as a data URI"}
_MASK = "a picture whose transparent part is painted anew; without one it is the image's own, or all of it"


def _bodies(required: tuple[str, ...], *, mask: bool) -> dict[str, Any]:
    """Return what a route says of a body that is a form, or JSON with its pictures in it."""
    rest = {**_FIELDS, "strength": _STRENGTH, **({"input_fidelity": _FIDELITY} if mask else {})}
    form = {"image": _FILE, **({"mask": {**_FILE, "description": _MASK}} if mask else {})}
    text = {"image": _TEXT, **({"mask": {**_TEXT, "description": _MASK}} if mask else {})}
    said: dict[str, Any] = body(_closed({**form, **_as_texts(rest)}, required), MEDIA_TYPE)
    content = said["requestBody"]["content"]
    content["application/json"] = {"schema": _closed({**text, **rest}, required)}
    return said


def _closed(properties: dict[str, Schema], required: tuple[str, ...]) -> Schema:
    """Return an object without other fields; those that are required are neither empty nor null."""
    said = {name: {**properties[name], "type": "string", "minLength": 1} for name in required}
    return {**record({**properties, **said}, required), "additionalProperties": False}


def _as_texts(properties: dict[str, Schema]) -> dict[str, Schema]:
    """Return fields as a form has them: lists and objects are JSON text, and nothing is null."""
    said = {}
    for name, schema in properties.items():
        kind = next(iter(schema.get("type", ["string"])), "string")
        kept = {key: value for key, value in schema.items() if key != "items"}
        if "enum" in kept:
            kept["enum"] = [value for value in kept["enum"] if value is not None]
        said[name] = {**kept, "type": "string" if kind in ("array", "object") else kind}
    return said


_PICTURE = record(
    {
        "b64_json": {"type": "string", "description": "the file as base64"},
        "url": {"type": "string", "description": "where the file is for an hour, without a login"},
        "seed": {"type": "integer"},
    },
    required=("seed",),
)
_TOLD = {
    "background": {"type": "string"},
    "output_format": {"type": "string"},
    "quality": {"type": "string"},
    "size": {"type": "string"},
}
_REPLY = record(
    {
        "created": {"type": "integer", "description": "seconds since 1970"},
        **_TOLD,
        "model": {"type": "string", "description": "the checkpoint that made them"},
        "data": {"type": "array", "items": _PICTURE},
        "usage": {"type": "object", "description": "nothing is counted here: zeros"},
        "garret_job": {"type": "string", "description": "the job's id, for GET /v1/jobs"},
    },
    required=("created", "data", "size", "output_format", "quality", "background", "usage"),
)
GENERATION_BODY = body(_closed(_FIELDS, ("prompt",)), example={"prompt": "a red circle", "size": "1024x1024"})
EDIT_BODY = _bodies(("image", "prompt"), mask=True)
VARIATION_BODY = _bodies(("image",), mask=False)
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The pictures; with `stream`, events: NAME.partial_image and NAME.completed, or error",
        "content": {"application/json": {"schema": _REPLY}, "text/event-stream": {}},
    }
}
