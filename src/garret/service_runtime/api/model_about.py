"""What a model's maker says of it, for whoever is about to use it."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter

from garret.service_runtime.api.describe import Schema, answer, record
from garret.service_runtime.api.model_view import find_model
from garret.service_runtime.errors import Gone
from garret.service_runtime.model_about import About, about
from garret.service_runtime.service import Service

_TEXT: Schema = {"type": "string"}
_SCHEMA = record(
    {
        **dict.fromkeys(("title", "author", "license", "base", "resolution", "description", "usage"), _TEXT),
        "words": {"type": "array", "items": _TEXT, "description": "what calls it in a prompt"},
        "tags": {
            "type": "array",
            "items": record({"tag": _TEXT, "count": {"type": "integer"}}, required=("tag", "count")),
            "description": "what it was trained with, the most frequent first",
        },
    },
    required=tuple(About().to_dict()),
)


def router(service: Service) -> APIRouter:
    """Return the route; it stands before those of models, whose names may have slashes in them."""
    routes = APIRouter(prefix="/v1/models", tags=["models"])

    def read(model_type: str, name: str) -> dict[str, Any]:
        model = find_model(service, model_type, name)
        try:
            return about(model.path).to_dict()
        except OSError:
            raise Gone("the model went away a moment ago", "GET /v1/models lists what is there") from None

    @routes.get("/{model_type}/{name:path}/about", responses={200: answer("What is said of it", _SCHEMA)})
    async def show_about(model_type: str, name: str) -> dict[str, Any]:
        """Return what a model's file, and the notes of other tools beside it, say of it; texts are empty without any.

        The words are those of whoever made the file, and true as far as they are.
        """
        return await asyncio.to_thread(read, model_type, name)

    return routes
