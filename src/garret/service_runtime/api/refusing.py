"""Errors as HTTP answers: each in the body that the clients of its path's dialect know."""

from __future__ import annotations

import json
from collections.abc import Mapping

from starlette.responses import Response

from garret.service_runtime.api.dialects import dialect_of
from garret.service_runtime.errors import NoRoute, NotFound, ServiceError, Unauthorized

_WITHOUT_V1 = ("/images", "/models", "/chat", "/completions")
_V1 = "The base URL of OpenAI's clients ends in /v1"


def error_response(error: ServiceError, path: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return the answer to a request for `path` that ends in an error; `headers` come with it."""
    dialect = dialect_of(path)
    headers = {**dialect.headers(error), **(headers or {})}
    if error.retry_after is not None:
        headers["retry-after"] = str(error.retry_after)
    if isinstance(error, Unauthorized) and error.invites:
        headers["www-authenticate"] = 'Basic realm="garret", charset="UTF-8"'
    # What is wrong may be quoted, and be half of a surrogate pair, which no UTF-8 can hold.
    body = json.dumps(dict(dialect.error(error)), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return Response(body, dialect.statuses.get(error.status, error.status), headers, "application/json")


def no_route(method: str, path: str, detail: str, status: int, off: tuple[str, ...]) -> ServiceError:
    """Return the error of a request that no route takes; on a dialect's path that is switched off, it says so."""
    dialect = dialect_of(path)
    if dialect.can_be_off and dialect.name in off:
        return NotFound(f"the {dialect.title} API is switched off on this node", "The setting dialects_off names it")
    reason = f"{method} {path[:200]}: {detail}"
    if status == NoRoute.status:
        return NoRoute(reason, _V1 if path.startswith(_WITHOUT_V1) else "GET /docs lists the routes")
    error = ServiceError(reason, "GET /docs lists the routes")
    error.status = status
    return error
