"""Which checkpoint an `engine_id` means: a node's own names, and those that Stability published for its engines."""

from __future__ import annotations

import re
from typing import Any

from garret.service_runtime.errors import NotFound
from garret.service_runtime.models import Model, Models
from garret.service_runtime.tensor_families import SDXL

_PUBLISHED = re.compile(r"stable-(?:diffusion|inpainting)-[a-z0-9.-]{1,60}")
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


def engines(models: Models) -> list[dict[str, Any]]:
    """Return the checkpoints that can make pictures, as engines."""
    usable = [one for one in models.all("checkpoint") if one.family == SDXL and not one.problem]
    return [
        {"id": one.name, "name": one.name, "description": f"{one.family}, {one.native_size} pixels", "type": "PICTURE"}
        for one in usable
    ]
