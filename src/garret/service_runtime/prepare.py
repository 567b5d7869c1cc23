"""A request made ready for workers: its names become files of this node, its words what an engine reads."""

from __future__ import annotations

from dataclasses import dataclass

from garret.service_runtime.batch import Picture, Used
from garret.service_runtime.models import Model, Models
from garret.service_runtime.request import ImageRequest


@dataclass(frozen=True)
class Prepared:
    """A request, the models and files that it is made with, and its words as the engine gets them."""

    request: ImageRequest
    model: Model
    used: Used
    prompt: str
    negative_prompt: str

    def picture(self, index: int) -> Picture:
        """Return what the engine is told of one of its pictures."""
        asked = self.request
        return Picture(self.prompt, self.negative_prompt, asked.seed_of(index), asked.variation_seed_of(index))


def prepare(request: ImageRequest, models: Models) -> Prepared:
    """Find what a request names, refusing what this node has not.

    Raises:
        NotFound, ModelError, BadRequest: name the model or the field.
    """
    model = models.usable_checkpoint(request.checkpoint)
    return Prepared(request, model, Used(str(model.path)), request.prompt, request.negative_prompt)
