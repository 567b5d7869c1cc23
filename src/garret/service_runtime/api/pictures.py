"""Pictures inside JSON: base64, bare or as a data URI."""

from __future__ import annotations

import binascii
import re

import pybase64

from garret.service_runtime.errors import BadRequest
from garret.service_runtime.picture_header import MAXIMUM_BYTES

_PREFIX = re.compile(r"data:[\w.+/-]{0,80}(;[\w=.-]{1,80}){0,4},", re.ASCII)
_BLANKS = b" \t\n\r\v\f"


def picture_of(text: object, field: str) -> bytes:
    """Return the file that a text holds; web addresses are refused rather than fetched.

    Raises:
        BadRequest: names the field.
    """
    if not isinstance(text, str) or not text:
        raise BadRequest(field, "must be a picture as base64 text")
    if text[:8].lower().startswith(("http://", "https://")):
        hint = "Send the picture itself, as base64"
        raise BadRequest(field, "is a web address, and this service fetches no pictures for its callers", hint)
    prefix = _PREFIX.match(text, 0, 500)
    if prefix is not None and ";base64," not in prefix[0]:
        raise BadRequest(field, "is a data URI that is not base64", "Send data:image/png;base64,…")
    bare = text[prefix.end() :] if prefix else text
    try:
        data = _decoded(bare)
    except (binascii.Error, ValueError):
        raise BadRequest(field, "is not base64", "Send a picture's file as base64, or a data URI") from None
    if len(data) > MAXIMUM_BYTES:
        raise BadRequest(field, f"is a file of {len(data)} bytes", f"At most {MAXIMUM_BYTES}")
    return data


def _decoded(text: str) -> bytes:
    try:
        return pybase64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        # Some write lines, as e-mail has them; looking for blanks takes longer than decoding what has none.
        return pybase64.b64decode(text.encode("ascii").translate(None, _BLANKS), validate=True)
