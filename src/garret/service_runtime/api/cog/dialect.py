"""Cog's API as a dialect, with its errors: the fields of `input` are called what they are called there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from garret.service_runtime.api.cog import inputs, routes
from garret.service_runtime.api.dialect import Dialect
from garret.service_runtime.errors import BadRequest, ServiceError


def error_of(error: ServiceError) -> Mapping[str, Any]:
    """Return the body of an error: `detail`, as Cog's own server has it, beside what all our errors say."""
    if not isinstance(error, BadRequest):
        return error.to_dict()
    name = inputs.OURS.get(error.field, error.field)
    said = BadRequest(name, error.reason, error.hint).to_dict()
    where = ["body", "input", name] if name in inputs.SCHEMA["properties"] else ["body", name]
    text = f"{error.reason}. {error.hint}" if error.hint else error.reason
    return {**said, "detail": [{"loc": where, "msg": text, "type": "value_error"}]}


DIALECT = Dialect(
    name="cog",
    title="Cog",
    paths=("/predictions", "/health-check"),
    routers=(routes.router,),
    error=error_of,
    statuses={400: 422},
    makes="/predictions",
)
