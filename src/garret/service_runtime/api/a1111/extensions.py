"""A1111's list of extensions."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from garret.service_runtime.api.a1111.desk import Desk
from garret.service_runtime.api.a1111.schema import array
from garret.service_runtime.extensions.registry import Extension

_FIELDS = ("name", "remote", "branch", "commit_hash", "version", "commit_date", "enabled")


def router(desk: Desk) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/sdapi/v1", tags=["A1111"])

    @routes.get("/extensions", responses={200: array(*_FIELDS)})
    async def extensions() -> Response:
        """List the extensions; installing and removing is the operator's, on the command line."""
        return JSONResponse([_extension(one) for one in await asyncio.to_thread(desk.service.extensions.registry.all)])

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
