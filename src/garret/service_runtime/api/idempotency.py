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
    text = json.dumps([request.url.path, body], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
