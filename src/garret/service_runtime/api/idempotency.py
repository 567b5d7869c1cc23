"""The header Idempotency-Key: who sends the same request again with it gets the same job, and not a second one.

Source: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from garret.service_runtime.errors import BadRequest

HEADER = "Idempotency-Key"
LONGEST_KEY = 255
_LONG = 10_000
_DEPTH = 4
"""Pictures lie no deeper in a body: start, mask, image."""


def key_of(request: Request) -> str:
    """Return the key that a request comes with, or ""; quotes around it are not part of it."""
    values = request.headers.getlist(HEADER)
    if not values:
        return ""
    key = values[0].strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if len(values) > 1 or not 1 <= len(key) <= LONGEST_KEY or not (key.isascii() and key.isprintable()):
        raise BadRequest(HEADER, f"must come once, with 1 to {LONGEST_KEY} printable ASCII characters")
    return key


def digest_of(request: Request, body: Mapping[str, Any]) -> str:
    """Return what tells this request from another one: where it went and what it said, however it was written."""
    try:
        text = json.dumps([request.url.path, _short(body)], sort_keys=True, separators=(",", ":"))
    except RecursionError:
        raise BadRequest("body", "is nested too deep") from None
    return hashlib.sha256(text.encode()).hexdigest()


def _short(value: Any, depth: int = _DEPTH) -> Any:
    """Return a value with a digest in the place of each long text: quoting megabytes would hold up everybody."""
    if isinstance(value, str) and len(value) > _LONG:
        return {"sha256": hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()}
    if isinstance(value, Mapping) and depth:
        return {name: _short(inner, depth - 1) for name, inner in value.items()}
    return [_short(inner, depth - 1) for inner in value] if isinstance(value, list) and depth else value
