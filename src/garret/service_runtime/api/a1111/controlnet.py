"""What plug-ins that know ControlNet probe for: there is none here, said so that they go on without it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from garret.service_runtime.api.a1111.desk import Desk
from garret.service_runtime.api.a1111.refused import refusal
from garret.service_runtime.api.body import read_json
from garret.service_runtime.api.describe import answer
from garret.service_runtime.api.describe import body as described
from garret.service_runtime.errors import NotBuilt

_ANSWERS: dict[str, dict[str, Any]] = {
    "version": {"version": 0},
    "model_list": {"model_list": []},
    "module_list": {"module_list": ["none"], "module_detail": {}},
    "control_types": {"control_types": {}},
    "settings": {"control_net_unit_count": 0},
}
"""No model, and no preprocessor but the one that does nothing; version 0 is older than any that clients know."""


def router(desk: Desk) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/controlnet", tags=["A1111"])
    settings = desk.service.settings

    def tell(name: str) -> None:
        said = answer("None.", {"type": "object", "required": list(_ANSWERS[name])})

        @routes.get(f"/{name}", operation_id=f"a1111_controlnet_{name}", responses={200: said})
        async def told() -> Response:
            """Say that there is no ControlNet here."""
            return JSONResponse(_ANSWERS[name])

    for name in _ANSWERS:
        tell(name)

    @routes.post("/detect", openapi_extra=described({"type": "object"}), responses=refusal())
    async def detect(request: Request) -> Response:
        """Refuse (501): no preprocessor runs here."""
        await read_json(request, settings.client_timeout_s, desk.picture_body_bytes)
        raise NotBuilt("controlnet: there is none here", "Begin from a picture instead: img2img")

    return routes
