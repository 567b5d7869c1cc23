"""What a form may choose from on this node now; looked up in a thread, since folders are read for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from garret.service_runtime.errors import ServiceError
from garret.service_runtime.families import SDXL_SIZE, Defaults, defaults_of
from garret.service_runtime.models import Model
from garret.service_runtime.service import Service
from garret.service_runtime.tensor_families import REFINER, SDXL
from garret.service_runtime.upscalers import all_upscalers, latent_modes

AUTOMATIC = "Automatic"
NONE = "None"
NO_NAMES = {AUTOMATIC: "form.automatic", NONE: "form.none"}
"""Choices that are no names: the words for them."""


def labelled(names: Iterable[str], say: Callable[[str], Any]) -> list[tuple[Any, str]]:
    """Return what a picker shows with what it means by it; `say` returns the words of a key."""
    return [(say(NO_NAMES[name]) if name in NO_NAMES else name, name) for name in names]


@dataclass(frozen=True)
class Choices:
    """The names that there are, by the field that takes them, and what the default checkpoint makes."""

    checkpoints: list[Model] = field(default_factory=list)
    checkpoint: str = ""
    native: int = SDXL_SIZE
    names: dict[str, list[str]] = field(default_factory=dict)

    def defaults(self, checkpoint: str) -> Defaults:
        """Return what an empty field means for a checkpoint; one that is not there any more is like the default."""
        found = next((one for one in self.checkpoints if one.name == checkpoint), None)
        return found.defaults if found else defaults_of(self.native)

    def about(self, checkpoint: str) -> dict[str, Any]:
        """Return what an element shows of a checkpoint; nothing of one that is not there."""
        found = next((one for one in self.checkpoints if one.name == checkpoint), None)
        if found is None:
            return {"count": len(self.checkpoints), "name": checkpoint}
        return {"count": len(self.checkpoints), "name": found.name, "native": found.native_size, "size": found.size}


def choices_of(service: Service) -> Choices:
    """Return what there is to choose from."""
    models = service.models
    of_sdxl = [one for one in models.all("checkpoint") if not one.problem]
    bases = [one for one in of_sdxl if one.family == SDXL]
    try:
        chosen: Model | None = models.usable_checkpoint()
    except ServiceError:
        chosen = bases[0] if bases else None
    upscalers = [one.name for one in all_upscalers(models)]
    names = {
        "checkpoint": [one.name for one in bases],
        "vae": [AUTOMATIC, NONE, *(one.name for one in models.all("vae") if not one.why_useless)],
        "refiner.checkpoint": [AUTOMATIC, *(one.name for one in of_sdxl if one.family == REFINER)],
        "hires.upscaler": [*latent_modes(), *upscalers],
        "upscale.upscaler": [AUTOMATIC, *upscalers],
    }
    return Choices(bases, chosen.name if chosen else "", chosen.native_size if chosen else SDXL_SIZE, names)
