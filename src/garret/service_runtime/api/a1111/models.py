"""A1111's lists of models, and its orders to look for new ones."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from garret.service_runtime.api.a1111.desk import Desk
from garret.service_runtime.api.a1111.schema import array, nothing
from garret.service_runtime.api.picture_json import picture_reply
from garret.service_runtime.models import Model
from garret.service_runtime.safetensors_header import NotSafetensors, read_header

_KINDS = ("checkpoints", "vae", "loras", "embeddings")
# Trainers write whole histories into a LoRA's file; clients show its words and what it was made for.
_TOLD = ("modelspec.", "ss_base_model_version", "ss_sd_model_name", "ss_output_name", "ss_network_", "ss_tag_frequency")
_LONGEST_FACT = 4_000
_MOST_FACTS = 40


def router(desk: Desk) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/sdapi/v1", tags=["A1111"])
    models = desk.service.models

    @routes.get("/sd-models", responses={200: array("title", "model_name", "hash", "sha256", "filename", "config")})
    async def sd_models() -> Response:
        """List the checkpoints."""
        return await picture_reply(
            await asyncio.to_thread(lambda: [_checkpoint(one) for one in models.all("checkpoint")])
        )

    @routes.get("/sd-vae", responses={200: array("model_name", "filename")})
    async def vaes() -> Response:
        """List the VAEs."""
        return await picture_reply(await asyncio.to_thread(lambda: [_file(one) for one in models.all("vae")]))

    @routes.get("/sd-modules", responses={200: array("model_name", "filename")})
    async def modules() -> Response:
        """List what may be added to a checkpoint, as Forge asks for it: the VAEs."""
        return await picture_reply(await asyncio.to_thread(lambda: [_file(one) for one in models.all("vae")]))

    @routes.get("/loras", responses={200: array("name", "alias", "path", "metadata")})
    async def loras() -> Response:
        """List the LoRAs, with some of what their trainers wrote into the files."""
        return await picture_reply(await asyncio.to_thread(lambda: [_lora(one) for one in models.all("lora")]))

    @routes.get("/hypernetworks", responses={200: array("name", "path")})
    async def hypernetworks() -> Response:
        """List no hypernetworks: SDXL has none."""
        return JSONResponse([])

    def refresh(kind: str) -> None:
        @routes.post(f"/refresh-{kind}", operation_id=f"a1111_refresh_{kind}", responses={200: nothing()})
        async def again() -> Response:
            """Look for new files; they would be seen without this as well."""
            await asyncio.to_thread(models.all)
            return JSONResponse(None)

    for kind in _KINDS:
        refresh(kind)
    return routes


def _checkpoint(model: Model) -> dict[str, Any]:
    return {
        "title": model.title,
        "model_name": model.name,
        "hash": model.sha256[:10] or None,
        "sha256": model.sha256 or None,
        "filename": str(model.path),
        "config": None,
        # Not A1111's: the side in pixels the model was made for. A client that does not read it asks for 512.
        "garret_native_size": model.native_size,
        "garret_family": model.family,
    }


def _file(model: Model) -> dict[str, str]:
    return {"model_name": model.path.name, "filename": str(model.path)}


def _lora(model: Model) -> dict[str, Any]:
    facts = _facts(model.path, model.size, model.modified_ns)
    alias = facts.get("ss_output_name", "")
    return {"name": model.name, "alias": alias or model.name, "path": str(model.path), "metadata": dict(facts)}


@lru_cache(maxsize=1000)
def _facts(path: Path, size: int, modified_ns: int) -> Mapping[str, str]:  # noqa: ARG001  (another version, another entry)
    """Return what a version of a file says of itself, within bounds."""
    try:
        said = read_header(path).metadata
    except (NotSafetensors, OSError):
        return {}
    told = [(name, str(value)) for name, value in said.items() if name.startswith(_TOLD)]
    return {name: value for name, value in told[:_MOST_FACTS] if len(value) <= _LONGEST_FACT}
