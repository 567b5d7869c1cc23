"""Replies with pictures inside JSON: base64 text is spliced in as bytes, and all of it made outside the event loop.

Quoting a megabyte of base64 takes a JSON encoder longer than making it; nothing in base64 needs quoting. The library is
pybase64, which uses the processor's vector instructions (docs/engine.md has the numbers).
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pybase64
from starlette.responses import Response


@dataclass(frozen=True)
class Base64:
    """A file that stands as base64 text where this stands in a JSON value, after `prefix` (as a data URI has one)."""

    file: bytes = field(repr=False)
    prefix: str = ""


async def picture_reply(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return the reply whose body is a JSON value with `Base64` anywhere in it; others go on while it is made."""
    body = await asyncio.to_thread(picture_json, value)
    return Response(body, status, dict(headers or {}), "application/json")


def picture_json(value: Any) -> bytes:
    """Return the JSON of a value with `Base64` anywhere in it, in ASCII; blocks for about 1 ms a megabyte."""
    found: list[Base64] = []
    # Nobody who sends texts can know what stands in the pictures' places.
    place = secrets.token_hex(16)

    def stand_in(one: object) -> str:
        if not isinstance(one, Base64):
            raise TypeError(f"{type(one).__name__} is no JSON")
        found.append(one)
        return place

    text = json.dumps(value, default=stand_in, allow_nan=False, separators=(",", ":"))
    return b"".join(_joined(text.encode("ascii").split(place.encode("ascii")), found))


def _joined(pieces: list[bytes], files: list[Base64]) -> Iterator[bytes]:
    """Yield the pieces with the files between them: an encoder meets them in the order in which it writes."""
    yield pieces[0]
    for piece, one in zip(pieces[1:], files, strict=True):
        # Quoted as JSON is, without the quotes that stand in the text already.
        yield json.dumps(one.prefix)[1:-1].encode("ascii")
        yield pybase64.b64encode(one.file)
        yield piece
