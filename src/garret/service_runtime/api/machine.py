"""The node itself: how long nobody has needed it, and when it will stop for that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fastapi import APIRouter

from garret.service_runtime.service import Service


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["machine"])

    @routes.get("/machine")
    async def machine() -> dict[str, Any]:
        """Say when autostop will act, and why it has not; asking this does not count as use. Times are seconds.

        `certificate` is how far the trusted certificate is that was asked for, null when none was.
        """
        certificate = certificate_facts(service.settings.certificate_state)
        return {
            "deployment": service.settings.deployment,
            "autostop": service.autostop.facts(),
            "certificate": certificate,
        }

    return routes


def certificate_facts(file: str) -> dict[str, Any] | None:
    """What the node has written about its trusted certificate; None when there is nothing to be read."""
    if not file:
        return None
    try:
        found = json.loads(Path(file).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
