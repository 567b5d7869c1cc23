"""The node's prices, which whoever deploys it tells it."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request

from garret.service_runtime.api.body import read_json
from garret.service_runtime.api.describe import Schema, answer, body, field, record
from garret.service_runtime.errors import BadRequest
from garret.service_runtime.prices import HIGHEST, Prices, PricesFile, WrongPrices
from garret.service_runtime.results import storage_error
from garret.service_runtime.service import Service

_PRICE: Schema = {"type": "number", "minimum": 0, "maximum": HIGHEST}
_TOLD: dict[str, Schema] = {
    "running_per_hour": _PRICE,
    "stopped_per_hour": {**_PRICE, "type": ["number", "null"], "description": "null when it is not known"},
    "currency": field("string", "as CNY, which it is when nothing is said", pattern="^[A-Za-z]{1,8}$"),
    "made_up": field("boolean", "true of the local cloud's"),
    "since": field("number", "when the machine was started, in seconds since 1970", minimum=0),
}
SCHEMA: Schema = {
    "type": ["object", "null"],
    "properties": {
        **_TOLD,
        "since": {"type": "number", "description": "from when on this run counts, in seconds since 1970"},
        "hours": {"type": "number", "description": "since then"},
        "so_far": {"type": "number", "description": "what this run has cost; what the bill says comes later"},
    },
    "description": "what the node costs; null when nobody has told it",
}

_BODY = body(record(_TOLD, required=("running_per_hour",)), example={"running_per_hour": 12.5, "currency": "CNY"})
_KNOWN = answer("It is known now", record({"known": {"const": True}}, required=("known",)))


def router(service: Service) -> APIRouter:
    """Return the route."""
    routes = APIRouter(prefix="/machine/prices", tags=["machine"])
    file = PricesFile(service.settings.state_dir / "prices.json")

    @routes.put("", responses={200: _KNOWN}, openapi_extra=_BODY)
    async def set_prices(request: Request) -> dict[str, Any]:
        """Tell the node what an hour of it costs, which GET /machine then shows as `cost`; `garret` does so itself.

        It changes no bill, and is kept over a restart.
        """
        said = await read_json(request, service.settings.client_timeout_s)
        try:
            await asyncio.to_thread(file.write, Prices.from_dict(said))
        except WrongPrices as error:
            raise BadRequest(error.field, error.reason, error.hint) from None
        except OSError as error:
            raise storage_error(error) from error
        return {"known": True}

    return routes
