"""A1111's lists of what words stand for: styles and embeddings."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from garret.service_runtime.api.a1111.desk import Desk
from garret.service_runtime.api.a1111.schema import array
from garret.service_runtime.api.describe import answer, record
from garret.service_runtime.api.picture_json import picture_reply
from garret.service_runtime.embeddings import Embedding

_EMBEDDINGS = record({"loaded": {"type": "object"}, "skipped": {"type": "object"}}, required=("loaded", "skipped"))


def router(desk: Desk) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/sdapi/v1", tags=["A1111"])
    vocabulary = desk.service.vocabulary

    @routes.get("/prompt-styles", responses={200: array("name", "prompt", "negative_prompt")})
    async def styles() -> Response:
        """List the styles that a request may name."""
        return await picture_reply([vars(style) for style in await asyncio.to_thread(vocabulary.styles.all)])

    @routes.get("/embeddings", responses={200: answer("By their words.", _EMBEDDINGS)})
    async def embeddings() -> Response:
        """List the embeddings, and those whose files this service passes over."""
        found = await asyncio.to_thread(vocabulary.embeddings.all)
        return await picture_reply(
            {
                "loaded": {one.name: _embedding(one) for one in found if not one.problem},
                "skipped": {
                    one.name: {**_embedding(one), "garret_problem": one.problem} for one in found if one.problem
                },
            }
        )

    return routes


def _embedding(one: Embedding) -> dict[str, Any]:
    """Return its facts; the shape is that of SDXL's second table, the larger of the two."""
    return {
        "step": None,
        "sd_checkpoint": None,
        "sd_checkpoint_name": None,
        "shape": 1280,
        "vectors": one.vectors,
    }
