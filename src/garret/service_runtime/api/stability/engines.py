"""Which model an `engine_id` means: a node's own names, and those that Stability published for its engines."""

from __future__ import annotations

import re
from typing import Any

from garret.service_runtime.errors import NotFound, UnknownChoice
from garret.service_runtime.models import Model, Models
from garret.service_runtime.tensor_families import SDXL
from garret.service_runtime.upscalers import find_upscaler

_PUBLISHED = re.compile(r"stable-(?:diffusion|inpainting)-[a-z0-9.-]{1,60}")
_ESRGAN = re.compile(r"esrgan-v1-[a-z0-9.-]{1,60}")
"""Clients have such an id in their code, and a node has whatever its owner put there: any of them is its default."""


def find_engine(models: Models, engine_id: str) -> Model:
    """Return the checkpoint of an engine's id.

    Raises:
        NotFound: it is neither a checkpoint here nor an id that Stability published.
        ModelError: it cannot be used.
    """
    try:
        return models.usable_checkpoint(engine_id)
    except NotFound as error:
        if _PUBLISHED.fullmatch(engine_id):
            return models.usable_checkpoint()
        raise NotFound(f"The specified engine (ID {engine_id[:80]}) was not found", error.hint) from None


def find_upscaling_engine(models: Models, engine_id: str) -> str:
    """Return the name of the upscaler that an engine's id means, "" for the node's choice.

    Raises:
        NotFound: it is neither an upscaler here nor an id that Stability published.
        ModelError: it cannot be used.
    """
    if _ESRGAN.fullmatch(engine_id):
        return ""
    try:
        return find_upscaler(models, engine_id, "engine_id").name
    except UnknownChoice as error:
        raise NotFound(f"The specified engine (ID {engine_id[:80]}) was not found", error.hint) from None


def engines(models: Models) -> list[dict[str, Any]]:
    """Return the checkpoints that can make pictures, as engines."""
    usable = [one for one in models.all("checkpoint") if one.family == SDXL and not one.problem]
    return [
        {"id": one.name, "name": one.name, "description": f"{one.family}, {one.native_size} pixels", "type": "PICTURE"}
        for one in usable
    ]
