"""Words for the OpenAPI document: fields of bodies and answers, said once beside the code that reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Schema = dict[str, Any]


def field(kind: str, description: str, **more: Any) -> Schema:
    """Return a field that may be left out or null, which is the same; `more` are words of JSON Schema."""
    return {"type": [kind, "null"], "description": description, **more}


def listed(items: Schema, description: str, **more: Any) -> Schema:
    """Return a field that is a list, and may be left out or null."""
    return {"type": ["array", "null"], "items": items, "description": description, **more}


def record(properties: Mapping[str, Schema], required: Sequence[str] = (), description: str = "") -> Schema:
    """Return an object; fields that it does not name are left alone."""
    said: Schema = {"type": "object", "properties": dict(properties)}
    if required:
        said["required"] = list(required)
    return {**said, "description": description} if description else said


def body(schema: Schema, media_type: str = "application/json", example: Any = None) -> Schema:
    """Return what a route's `openapi_extra` says of its body."""
    content: Schema = {"schema": schema}
    if example is not None:
        content["example"] = example
    return {"requestBody": {"required": True, "content": {media_type: content}}}


def query(name: str, schema: Schema, description: str) -> Schema:
    """Return a parameter in the query, for the list `parameters` of `openapi_extra`."""
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


def answer(description: str, schema: Schema | None = None, media_type: str = "application/json") -> Schema:
    """Return one answer, for a route's `responses`."""
    said: Schema = {"description": description}
    return said if schema is None else {**said, "content": {media_type: {"schema": schema}}}
