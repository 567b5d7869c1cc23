"""Routes of A1111 that answer 501 by design, each with its reason."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from garret.service_runtime.api import fields
from garret.service_runtime.api.a1111.desk import Desk
from garret.service_runtime.api.body import read_json
from garret.service_runtime.api.describe import Schema, answer, field, record
from garret.service_runtime.api.describe import body as described
from garret.service_runtime.api.dialect import PLAIN_ERROR
from garret.service_runtime.errors import NotBuilt, NotFound

_CAPTION_MODELS = ("clip", "deepdanbooru", "deepbooru")
_ELSEWHERE = "Train elsewhere, and put the file among the models: garret ops download-model"
_TRAINING = {
    "create/embedding": "embeddings are not trained here",
    "create/hypernetwork": "SDXL has no hypernetworks",
    "train/embedding": "embeddings are not trained here",
    "train/hypernetwork": "SDXL has no hypernetworks",
}


def refusal() -> dict[int | str, Schema]:
    """Return what OpenAPI says of a route that is not there by design."""
    return {501: answer("Not here by design: the answer says why", PLAIN_ERROR)}


def router(desk: Desk) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/sdapi/v1", tags=["A1111"])
    settings = desk.service.settings
    asked = record({"image": field("string", "a picture"), "model": field("string", "clip or deepdanbooru")})

    @routes.post("/interrogate", openapi_extra=described(asked), responses=refusal())
    async def interrogate(request: Request) -> Response:
        """Refuse (501): no model that describes pictures runs here; another than A1111's two is not found."""
        body = await read_json(request, settings.client_timeout_s, desk.picture_body_bytes)
        model = fields.text(body, "model") or _CAPTION_MODELS[0]
        if model not in _CAPTION_MODELS:
            raise NotFound(f"model: {model[:40]!r} is not there", f"A1111 has {', '.join(_CAPTION_MODELS[:2])}")
        raise NotBuilt("interrogate: no model that describes pictures runs here", "Describe it in words of your own")

    def refuse(path: str, reason: str) -> None:
        operation = f"a1111_{path.replace('/', '_')}"

        @routes.post(
            f"/{path}", openapi_extra=described({"type": "object"}), operation_id=operation, responses=refusal()
        )
        async def refused(request: Request) -> Response:
            """Refuse (501): nothing is trained on this service."""
            await read_json(request, settings.client_timeout_s)
            raise NotBuilt(f"{path}: {reason}", _ELSEWHERE)

    for path, reason in _TRAINING.items():
        refuse(path, reason)
    return routes
