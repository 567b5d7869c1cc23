"""What is wrong with a model's route: garret's own clients read it as everywhere, and OpenAI's as they expect it.

Both ask `/v1/models`. OpenAI's clients look for an object under `error`, and where they find a text instead their
exceptions say nothing but the status.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from garret.service_runtime.api.describe import record
from garret.service_runtime.api.dialect import PLAIN_ERROR, Dialect
from garret.service_runtime.api.openai.errors import ERROR_SCHEMA, headers_of
from garret.service_runtime.api.openai.errors import error_of as openai_error
from garret.service_runtime.errors import ServiceError


def error_of(error: ServiceError) -> Mapping[str, Any]:
    """Return the body of an error with the fields of both."""
    return {**error.to_dict(), **openai_error(error)}


MODELS = Dialect(
    name="models",
    title="Native",
    paths=("/v1/models",),
    routers=(),
    error=error_of,
    error_schema=record(
        {**PLAIN_ERROR["properties"], **ERROR_SCHEMA["properties"]}, required=("error", "detail", "body", "errors")
    ),
    headers=headers_of,
    can_be_off=False,
)
"""No API by itself: only how errors below these paths of the native one are written."""
