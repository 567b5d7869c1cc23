"""What `POST /v1/jobs` takes and what the record of a job says, for the OpenAPI document: made from the records."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import fields as fields_of
from dataclasses import is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any

from garret.service_runtime import asked, limits
from garret.service_runtime.api.describe import Schema, answer, body, field, query, record
from garret.service_runtime.api.job_field_words import WORDS
from garret.service_runtime.jobs import STATES
from garret.service_runtime.request import ImageRequest

_KINDS: Mapping[object, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}
_SIDE = {"minimum": limits.MINIMUM_SIDE, "maximum": limits.MAXIMUM_SIDE, "multipleOf": limits.SIDE_STEP}
_SHARE = {"minimum": 0, "maximum": 1}
_MORE: Mapping[tuple[str, str], Schema] = {
    ("ImageRequest", "checkpoint"): {"description": "a model's name; empty: the node's default"},
    ("ImageRequest", "prompt"): {"description": "what the picture shows", "maxLength": limits.MAXIMUM_PROMPT},
    ("ImageRequest", "negative_prompt"): {"description": "what it should not show", "maxLength": limits.MAXIMUM_PROMPT},
    ("ImageRequest", "seed"): {"minimum": -1, "maximum": limits.MAXIMUM_SEED, "description": "-1 for any"},
    ("ImageRequest", "steps"): {"minimum": 1, "maximum": limits.MAXIMUM_STEPS},
    ("ImageRequest", "cfg_scale"): {"minimum": 0, "maximum": limits.MAXIMUM_GUIDANCE},
    ("ImageRequest", "batch_size"): {"minimum": 1, "maximum": limits.MAXIMUM_BATCH},
    ("ImageRequest", "n_iter"): {"minimum": 1, "maximum": limits.MAXIMUM_PICTURES},
    ("ImageRequest", "clip_skip"): {"minimum": 1, "maximum": 12},
    ("ImageRequest", "memory"): {"enum": [*asked.MEMORY_MODES, None]},
    ("Start", "image"): {"description": "base64, a data URI, or the SHA-256 that PUT /v1/inputs answered"},
    ("Start", "denoise"): _SHARE,
    ("Start", "resize"): {"enum": list(asked.RESIZES)},
    ("Start", "noise"): {"minimum": 0, "maximum": 1.5},
    ("Mask", "image"): {"description": "as start.image; what is white is painted"},
    ("Mask", "blur"): {"minimum": 0, "maximum": 64},
    ("Mask", "padding"): {"minimum": 0, "maximum": 256},
    ("Mask", "fill"): {"enum": list(asked.FILLS)},
    ("Refiner", "mode"): {"enum": list(asked.REFINER_MODES)},
    ("Refiner", "switch_at"): _SHARE,
    ("Refiner", "strength"): _SHARE,
    ("Hires", "scale"): {"minimum": 1, "maximum": 4},
    ("Hires", "denoise"): _SHARE,
    ("Upscale", "image"): {"description": "as start.image: a picture that is only made larger; empty: those painted"},
    ("Upscale", "scale"): {"minimum": 0.05, "maximum": asked.LARGEST_SCALE},
    ("Upscale", "visibility"): _SHARE,
    ("Variation", "strength"): _SHARE,
    ("Output", "format"): {"enum": list(asked.FORMATS)},
    ("Output", "quality"): {"minimum": 1, "maximum": 100},
}
"""What the kinds of fields do not say beside their words."""
WAIT = query("wait", {"type": "number", "minimum": 0, "maximum": 300, "default": 0}, "seconds to wait for its end")


@cache
def body_of_job() -> Schema:
    """Return what a route's `openapi_extra` says of a body that asks for pictures."""
    own = _record_of(ImageRequest)["properties"]
    sides = {name: {**own[name], **_SIDE, "description": "empty: the model's own, or the picture's"} for name in _SIDES}
    beside = {
        "webhook": field("string", "an https:// address that is told of its end"),
        "expires_in": field("number", "seconds after which it is given up if nobody has begun it", minimum=1),
    }
    said = {name: _or_null(schema) for name, schema in {**own, **sides}.items()}
    return body(record({**said, **beside}), example={"prompt": "a red circle on a blue background", "seed": 1})


_SIDES = ("width", "height")


def _or_null(schema: Schema) -> Schema:
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return {**schema, "type": [*kinds, *(["null"] if "null" not in kinds else [])]}


def _record_of(kind: type) -> Schema:
    """Return the schema of a record: every field may be left out that has a default."""
    hints, words = typing.get_type_hints(kind), WORDS.get(kind.__name__, {})
    properties = {
        one.name: {
            **_schema_of(hints[one.name]),
            **({"description": words[one.name]} if one.name in words else {}),
            **_MORE.get((kind.__name__, one.name), {}),
        }
        for one in fields_of(kind)
    }
    return {"type": "object", "properties": properties}


def _schema_of(hint: Any) -> Schema:
    if isinstance(hint, UnionType) or typing.get_origin(hint) is typing.Union:
        (kind,) = (one for one in typing.get_args(hint) if one is not NoneType)
        return _or_null(_schema_of(kind))
    if typing.get_origin(hint) is tuple:
        return {"type": "array", "items": _schema_of(typing.get_args(hint)[0])}
    if is_dataclass(hint):
        return _record_of(typing.cast(type, hint))
    return {"type": _KINDS[hint]}


_TIME: Schema = {"type": ["number", "null"], "description": "seconds since 1970"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
JOB: Schema = record(
    {
        "id": {"type": "string"},
        "owner": {"type": "string"},
        "state": {"type": "string", "enum": list(STATES)},
        "created_at": {"type": "number"},
        "started_at": _TIME,
        "ended_at": _TIME,
        "expires_at": _TIME,
        "tries": _COUNT,
        "error": {"type": ["object", "null"]},
        "model": {"type": ["object", "null"]},
        "seconds": {"type": ["number", "null"]},
        "notes": {"type": "object"},
        "pictures": {
            "type": "array",
            "items": record(
                {
                    "number": _COUNT,
                    "url": {"type": "string"},
                    "media_type": {"type": "string"},
                    "size": _COUNT,
                    "seed": _COUNT,
                    "infotext": {"type": "string"},
                },
                required=("number", "url", "media_type", "size", "seed", "infotext"),
            ),
        },
        "pictures_removed": {"type": "boolean"},
        "webhook": {"type": ["string", "null"]},
        "request": {"type": "object"},
        "url": {"type": "string"},
        "position": {"type": ["integer", "null"], "description": "0 while it is made, null when it is over"},
        "progress": {"type": ["object", "null"]},
        "deliveries": {"type": "array", "items": {"type": "object"}},
    },
    required=("id", "state", "created_at", "ended_at", "error", "pictures", "request", "url", "position", "progress"),
)
ACCEPTED: dict[int | str, dict[str, Any]] = {
    200: answer("The job, over", JOB),
    202: answer("The job, which is not over", JOB),
}
SHOWN: dict[int | str, dict[str, Any]] = {200: answer("The job", JOB)}
LISTED: dict[int | str, dict[str, Any]] = {200: answer("The jobs, newest first", {"type": "array", "items": JOB})}
CANCELLED: dict[int | str, dict[str, Any]] = {
    200: answer(
        "What became of it",
        record({"cancelled": {"type": "boolean"}, "forgotten": {"type": "boolean"}}, ("cancelled", "forgotten")),
    )
}
