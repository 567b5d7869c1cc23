"""LoRAs on a checkpoint's parts: applied as a set, and exactly gone with the next set."""

from __future__ import annotations

from collections.abc import Sequence

from garret.service_runtime.batch import UsedLora
from garret.service_runtime.engine.parts import Parts
from garret.service_runtime.errors import BadRequest


def set_loras(parts: Parts, loras: Sequence[UsedLora]) -> None:  # noqa: ARG001
    """Make the parts carry these LoRAs and no others; called before each batch, also with none."""
    if loras:
        raise BadRequest("loras", "are not there yet")
