"""The OpenAPI document: what the routes say of themselves, and to each of them the errors that any request may meet."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from fastapi import FastAPI

from garret.service_runtime.api.describe import Schema, answer
from garret.service_runtime.api.dialects import dialect_of
from garret.service_runtime.api.health import OPEN
from garret.service_runtime.infotext import VERSION

_ABOUT = "One service, spoken to as each client expects. Everything but /healthz wants the login or the token."
_WAYS_IN = {
    "password": {
        "type": "http",
        "scheme": "basic",
        "description": "the login and its password, or anything and a token",
    },
    "token": {"type": "http", "scheme": "bearer", "description": "the deployment's token"},
}
_METHODS = frozenset({"get", "put", "post", "delete", "patch"})
_LATER = {"Retry-After": {"description": "in how many seconds to ask again", "schema": {"type": "integer"}}}
_WHO = {"WWW-Authenticate": {"description": "how to say who calls", "schema": {"type": "string"}}}


def document_of(app: FastAPI) -> dict[str, Any]:
    """Return the document of all routes, each with its dialect's errors beside the answers that it names itself."""
    document = deepcopy(app.openapi())
    document["info"] |= {"version": VERSION, "description": _ABOUT}
    document.setdefault("components", {})["securitySchemes"] = _WAYS_IN
    document["security"] = [{name: []} for name in _WAYS_IN]
    document["paths"][OPEN]["get"]["security"] = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method in _METHODS:
                said = operation.setdefault("responses", {})
                # The framework's own form of a wrong parameter is not what our errors look like.
                if "HTTPValidationError" in str(said.get("422", "")):
                    del said["422"]
                operation["responses"] = {
                    **said,
                    **{code: one for code, one in _errors(path).items() if code not in said},
                }
    for name in ("HTTPValidationError", "ValidationError"):
        document.get("components", {}).get("schemas", {}).pop(name, None)
    return document


def _errors(path: str) -> dict[str, Schema]:
    """Return the answers that any request may meet; which status means what is drawn in docs/api.md."""
    schema = dialect_of(path).error_schema
    return {
        "401": {**answer("Nobody says who calls, or not truly", schema), "headers": _WHO},
        "429": {**answer("No room for one more now", schema), "headers": _LATER},
        "503": {**answer("The service cannot work now", schema), "headers": _LATER},
        "4XX": answer("Something is wrong with the request: the answer says what, and what to send instead", schema),
        "5XX": answer("Something went wrong here", schema),
    }
