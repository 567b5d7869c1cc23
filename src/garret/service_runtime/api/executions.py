"""Where a token for an operation is handed over, by a way that keeps nothing of it."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request

from garret.service_runtime.api.body import read_json
from garret.service_runtime.api.describe import answer, body, record
from garret.service_runtime.errors import BadRequest
from garret.service_runtime.handed import NotTaken, hand_over
from garret.service_runtime.service import Service

LONGEST_TOKEN = 4096
MOST_TOKENS = 16
_TOKEN = {"type": "string", "minLength": 1, "maxLength": LONGEST_TOKEN}
_TOKENS = {"type": "object", "minProperties": 1, "maxProperties": MOST_TOKENS, "additionalProperties": _TOKEN}
_BODY = record({"tokens": {**_TOKENS, "description": "tokens by their names"}}, required=("tokens",))
_TAKEN = record({"taken": {"type": "integer"}}, required=("taken",))


def router(service: Service) -> APIRouter:
    """Return the route."""
    routes = APIRouter(prefix="/v1/executions", tags=["machine"])

    @routes.put("/{identifier}/secrets", responses={200: answer("Taken", _TAKEN)}, openapi_extra=body(_BODY))
    async def secrets(identifier: str, request: Request) -> dict[str, int]:
        """Take tokens, by their names, for an operation that is about to begin; it takes them once, within minutes."""
        tokens = (await read_json(request, service.settings.client_timeout_s)).get("tokens")
        if not isinstance(tokens, dict) or not 1 <= len(tokens) <= MOST_TOKENS:
            raise BadRequest("tokens", f"must be a table of 1 to {MOST_TOKENS} texts")
        if not all(isinstance(text, str) and 1 <= len(text) <= LONGEST_TOKEN for text in tokens.values()):
            raise BadRequest("tokens", f"must hold texts of 1 to {LONGEST_TOKEN} characters")
        try:
            await asyncio.to_thread(hand_over, service.settings.state_dir, identifier, tokens)
        except NotTaken as error:
            raise BadRequest("identifier", str(error)) from None
        return {"taken": len(tokens)}

    return routes
