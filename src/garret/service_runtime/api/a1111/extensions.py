"""A1111's list of extensions."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter

from garret.service_runtime.extensions.registry import Extension
from garret.service_runtime.service import Service


def router(service: Service) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/sdapi/v1", tags=["A1111"])

    @routes.get("/extensions")
    async def extensions() -> list[dict[str, Any]]:
        """List the extensions; installing and removing is the operator's, on the command line."""
        return [_extension(one) for one in await asyncio.to_thread(service.extensions.registry.all)]

    return routes


def _extension(one: Extension) -> dict[str, Any]:
    is_git = one.source.startswith("git+")
    return {
        "name": one.name,
        "remote": one.source,
        "branch": None,
        "commit_hash": one.digest if is_git else None,
        "version": one.version,
        "commit_date": 0,
        "enabled": one.is_on,
    }
