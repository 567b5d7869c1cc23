"""What clients of Stability's API ask before they begin: engines, the account, its balance."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request

from garret.service_runtime.api.describe import Schema, answer, record
from garret.service_runtime.api.stability.engines import engines
from garret.service_runtime.service import Service

CREDITS = 1_000_000.0
"""Nothing is counted here; a client that asks whether it can go on is told yes."""
_TEXT: Schema = {"type": "string"}
_ENGINES: Schema = {
    "type": "array",
    "items": record(dict.fromkeys(("id", "name", "description", "type"), _TEXT), ("id", "name", "description", "type")),
}
_ACCOUNT = record(
    {"id": _TEXT, "email": _TEXT, "organizations": {"type": "array", "items": {"type": "object"}}},
    ("id", "email", "organizations"),
)
_BALANCE = record({"credits": {"type": "number"}}, ("credits",))


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/v1", tags=["Stability"])

    @routes.get("/engines/list", responses={200: answer("The engines", _ENGINES)})
    async def list_engines() -> list[dict[str, Any]]:
        """List the checkpoints as engines; the ids that Stability published mean the default one."""
        return await asyncio.to_thread(engines, service.models)

    @routes.get("/user/account", responses={200: answer("The account", _ACCOUNT)})
    async def show_account(request: Request) -> dict[str, Any]:
        """Tell who calls; the address is made up, since a login here has none."""
        own = {"id": "garret", "name": "garret", "role": "MEMBER", "is_default": True}
        return {"id": request.state.caller, "email": "nobody@example.com", "organizations": [own]}

    @routes.get("/user/balance", responses={200: answer("The balance", _BALANCE)})
    async def show_balance() -> dict[str, float]:
        """Tell a balance that never ends: pictures are not paid one by one here."""
        return {"credits": CREDITS}

    return routes
