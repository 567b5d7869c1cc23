"""Lists as the native API answers them, and as OpenAI's clients read one; and how much of one is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi import Request
from starlette.responses import Response

from garret.service_runtime.api.describe import Schema, query, record
from garret.service_runtime.api.picture_json import picture_reply
from garret.service_runtime.errors import BadRequest

LONGEST = 1000
USUAL = 100
LIMIT = query("limit", {"type": "integer", "minimum": 1, "maximum": LONGEST, "default": USUAL}, "how many at most")


def list_of(records: Iterable[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """Return a list's answer."""
    return {"object": "list", "data": list(records), **more}


async def list_reply(records: Iterable[dict[str, Any]], **more: Any) -> Response:
    """Return a list that may be long as its reply, written outside the event loop."""
    return await picture_reply(list_of(records, **more))


def list_schema(item: Schema, **more: Schema) -> Schema:
    """Return the schema of such an answer."""
    properties: dict[str, Schema] = {"object": {"const": "list"}, "data": {"type": "array", "items": item}, **more}
    return record(properties, required=tuple(properties))


def limit_of(request: Request) -> int:
    """Return how many records are asked for.

    Raises:
        BadRequest: the parameter is no number from 1 to `LONGEST`.
    """
    text = request.query_params.get("limit", str(USUAL))
    if not (text.isascii() and text.isdigit()) or len(text) > 9 or not 1 <= int(text) <= LONGEST:
        raise BadRequest("limit", f"must be 1 to {LONGEST}")
    return int(text)


def flag_of(request: Request, name: str) -> bool:
    """Return a parameter that is true or false, false when it is absent.

    Raises:
        BadRequest: it is something else.
    """
    text = request.query_params.get(name, "false")
    if text not in ("true", "false"):
        raise BadRequest(name, "must be true or false")
    return text == "true"
