"""LoRAs on a checkpoint's parts: applied as a set, and exactly gone with the next set."""

from __future__ import annotations

from collections.abc import Sequence

from garret.service_runtime.batch import UsedLora
from garret.service_runtime.engine.parts import Parts
from garret.service_runtime.errors import BadRequest


class Loras:
    """The LoRAs on one checkpoint's parts."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @property
    def identity(self) -> tuple[object, ...]:
        """Return what tells one set of LoRAs from another."""
        return ()

    def use(self, loras: Sequence[UsedLora]) -> dict[str, str]:
        """Make the parts carry these LoRAs and no others, and return what to say of them; called before each batch."""
        if loras:
            raise BadRequest("loras", "are not there yet")
        return {}
