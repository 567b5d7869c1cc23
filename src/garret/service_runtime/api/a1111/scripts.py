"""A1111's lists of scripts: none, since what is written for its page cannot run here."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from garret.service_runtime.api.a1111.desk import Desk
from garret.service_runtime.api.a1111.schema import array
from garret.service_runtime.api.describe import Schema, answer, record

_NAMES: Schema = {"type": "array", "items": {"type": "string"}}


def router(_: Desk) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/sdapi/v1", tags=["A1111"])
    both = record({"txt2img": _NAMES, "img2img": _NAMES}, required=("txt2img", "img2img"))

    @routes.get("/scripts", responses={200: answer("Their names.", both)})
    async def scripts() -> Response:
        """List no scripts; clients read here that no plug-in has to be told that it is off."""
        return JSONResponse({"txt2img": [], "img2img": []})

    @routes.get("/script-info", responses={200: array("name", "is_alwayson", "is_img2img", "args")})
    async def script_info() -> Response:
        """List no scripts with their arguments."""
        return JSONResponse([])

    return routes
