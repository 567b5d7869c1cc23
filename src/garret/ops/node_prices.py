"""What a node is told of its own price: it shows it on its page, and could ask nobody itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from garret.errors import GarretError
from garret.ops.deployment import Deployment
from garret.ops.endpoint import endpoint_at

PATH = "/machine/prices"
TELL_S = 5.0
_BEGINS = ("created", "starting")


def tell_prices(deployment: Deployment) -> bool:
    """Tell a node that answers what it costs, as it was planned or changed last; False when it could not be told.

    No verb fails for this: what is not known is not shown, and the next start tells it again.
    """
    told, login = prices_of(deployment), deployment.login
    if told is None or login is None or not login.endpoint:
        return False
    try:
        endpoint_at(login).put(PATH, told, TELL_S)
    except GarretError:  # a node of before this had no such path
        return False
    return True


def prices_of(deployment: Deployment) -> dict[str, Any] | None:
    """The prices per hour as the node takes them, and when its machine was started; None when nobody knows."""
    prices: Mapping[str, Any] = (deployment.plan or {}).get("prices") or {}
    running, stopped = prices.get("running_per_hour") or {}, prices.get("stopped_per_hour") or {}
    try:
        told = {
            "running_per_hour": float(running["amount"]),
            "stopped_per_hour": float(stopped["amount"]) if stopped else None,
            "currency": str(running["currency"]),
            "made_up": bool(running["made_up"]),
        }
    except (KeyError, TypeError, ValueError):
        return None
    began = [entry["at"] for entry in deployment.journal.entries() if entry["event"] in _BEGINS]
    return told | ({"since": datetime.fromisoformat(str(began[-1])).timestamp()} if began else {})
