"""What is wrong, as OpenAI's clients read it: `{"error": {"message", "type", "param", "code"}}`.

The clients choose an exception by the status alone, try 408, 409, 429 and all of 5xx again by themselves, wait for as
long as Retry-After says, and try nothing again when the answer says so in `x-should-retry`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from garret.service_runtime.api.describe import Schema, record
from garret.service_runtime.errors import (
    BadRequest,
    Busy,
    Cancelled,
    InsufficientStorage,
    NotBuilt,
    NotFound,
    OutOfMemory,
    ServiceError,
    TimedOut,
    Unauthorized,
)

STATUSES = {422: 400}
"""A wrong field is 400 there, which the clients raise as BadRequestError."""
# Another try would end alike, and some of these have cost a device minutes by then.
_FOR_GOOD = (Cancelled, NotBuilt, OutOfMemory, TimedOut, InsufficientStorage)
_CODES: tuple[tuple[type[ServiceError], str], ...] = (
    (Unauthorized, "invalid_api_key"),
    (Busy, "rate_limit_exceeded"),
    (BadRequest, "invalid_value"),
)
_INNER_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")
_NO_FIELD = ("body", "content-type")


class UnknownField(BadRequest):
    """A field that this API does not have."""

    code = "unknown_parameter"


class ModelNotFound(NotFound):
    """A model that is not here, where the node does not make do with its own."""

    code = "model_not_found"
    param = "model"


def error_of(error: ServiceError) -> Mapping[str, Any]:
    """Return the body of an error."""
    said = {
        "message": f"{error.message}. {error.hint}" if error.hint else error.message,
        "type": _type_of(error),
        "param": _param_of(error),
        "code": _code_of(error),
    }
    return {"error": said}


def headers_of(error: ServiceError) -> Mapping[str, str]:
    """Return what tells the clients not to try again."""
    return {"x-should-retry": "false"} if isinstance(error, _FOR_GOOD) else {}


def _type_of(error: ServiceError) -> str:
    if isinstance(error, Busy):
        return "rate_limit_error"
    return "server_error" if error.status >= 500 else "invalid_request_error"


def _param_of(error: ServiceError) -> str | None:
    if isinstance(error, BadRequest):
        return None if error.field in _NO_FIELD else error.field
    return getattr(error, "param", None)


def _code_of(error: ServiceError) -> str | None:
    own = getattr(error, "code", None)
    if own is not None:
        return str(own)
    known = next((code for kind, code in _CODES if isinstance(error, kind)), None)
    if known is not None or type(error) is ServiceError:
        return known
    return _INNER_CAPITAL.sub("_", type(error).__name__).lower()


_TEXT_OR_NULL = {"type": ["string", "null"]}
ERROR_SCHEMA: Schema = record(
    {
        "error": record(
            {
                "message": {"type": "string", "description": "what is wrong, and what to do"},
                "type": {"type": "string", "description": "invalid_request_error, rate_limit_error or server_error"},
                "param": {**_TEXT_OR_NULL, "description": "the field that is wrong, where it is one"},
                "code": {**_TEXT_OR_NULL, "description": "the kind of error, in one word"},
            },
            required=("message", "type", "param", "code"),
        )
    },
    required=("error",),
)
