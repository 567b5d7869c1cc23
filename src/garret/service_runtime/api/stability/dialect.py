"""Stability's REST API, version 1, as a dialect.

Source: its OpenAPI document (https://api.stability.ai/docs, version v1).
"""

from __future__ import annotations

from garret.service_runtime.api.dialect import Dialect
from garret.service_runtime.api.stability import account, routes, upscaling
from garret.service_runtime.api.stability.errors import ERROR_SCHEMA, STATUSES, error_body

DIALECT = Dialect(
    name="stability",
    title="Stability",
    paths=("/v1/generation", "/v1/engines", "/v1/user"),
    routers=(routes.router, upscaling.router, account.router),
    error=error_body,
    error_schema=ERROR_SCHEMA,
    statuses=STATUSES,
    makes="/v1/generation/.*",
)
