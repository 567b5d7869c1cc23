"""Errors as Stability's clients read them: the short name of their class, an id of this one, and what to do."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from garret.service_runtime.api.describe import record
from garret.service_runtime.errors import BadRequest, ServiceError

STATUSES: Mapping[int, int] = {422: 400}
"""Their clients know one status for a wrong field."""
_BY_FIELD = {"width": "invalid_height_or_width", "height": "invalid_height_or_width"}
_BY_STATUS = {
    400: "bad_request",
    401: "unauthorized",
    403: "permission_denied",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    408: "request_timeout",
    409: "cancelled",
    410: "gone",
    413: "content_too_large",
    422: "bad_request",
    429: "rate_limit_exceeded",
    500: "server_error",
    501: "not_implemented",
    503: "service_unavailable",
    504: "generation_timeout",
    507: "insufficient_storage",
}
_OWN_NAMES = {
    "n_iter": "samples",
    "prompt": "text_prompts",
    "negative_prompt": "text_prompts",
    "styles": "style_preset",
    "refiner.checkpoint": "use_refiner",
    "refiner.steps": "refiner_steps",
    "upscale": "image",
}
"""What garret's own fields are called here, where an error comes from behind the dialect."""
_TEXT = {"type": "string"}
ERROR_SCHEMA = record(
    {
        "id": {**_TEXT, "description": "of this very error"},
        "name": {**_TEXT, "description": "its class, as bad_request"},
        "message": {**_TEXT, "description": "what is wrong, and what to send instead"},
    },
    required=("id", "name", "message"),
)


class NamedRequest(BadRequest):
    """A wrong field for which the API has a name of its own."""

    def __init__(self, name: str, field: str, reason: str, hint: str = "") -> None:
        super().__init__(field, reason, hint)
        self.name = name


def name_of(error: ServiceError) -> str:
    """Return the short name of an error's class."""
    if isinstance(error, NamedRequest):
        return error.name
    if isinstance(error, BadRequest):
        return _BY_FIELD.get(error.field, "bad_request")
    return _BY_STATUS.get(error.status, "server_error" if error.status >= 500 else "bad_request")


def error_body(error: ServiceError) -> dict[str, Any]:
    """Return an error's body."""
    message = error.message
    if isinstance(error, BadRequest):
        message = f"{_OWN_NAMES.get(error.field, error.field)}: {error.reason}"
    text = f"{message}. {error.hint}" if error.hint else message
    return {"id": str(uuid.uuid4()), "name": name_of(error), "message": text}
