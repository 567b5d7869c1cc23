"""OpenAI's Images API as a dialect."""

from __future__ import annotations

from garret.service_runtime.api.dialect import Dialect
from garret.service_runtime.api.openai import routes
from garret.service_runtime.api.openai.errors import ERROR_SCHEMA, STATUSES, error_of, headers_of

DIALECT = Dialect(
    name="openai",
    title="OpenAI",
    paths=("/v1/images/generations", "/v1/images/edits", "/v1/images/variations"),
    routers=(routes.router,),
    error=error_of,
    error_schema=ERROR_SCHEMA,
    statuses=STATUSES,
    headers=headers_of,
    makes="/v1/images/.*",
)
