"""The sizes that SDXL is told of beside the words: six numbers for the base, five for the refiner."""

from __future__ import annotations

from garret.service_runtime.asked import Refiner
from garret.service_runtime.engine.guidance import Ids
from garret.service_runtime.engine.parts import Parts
from garret.service_runtime.request import ImageRequest


def ids_of(parts: Parts, request: ImageRequest, width: int, height: int) -> Ids:
    """Return what a model is told of a picture of this size in pixels, and of what the picture should not be."""
    if not parts.config.get("requires_aesthetics_score"):
        told = base_ids(request, width, height)
        return Ids(told, told)
    refiner = request.refiner or Refiner()
    told = base_ids(request, width, height)[:4]
    return Ids((*told, refiner.aesthetic_score), (*told, refiner.negative_aesthetic_score))


def base_ids(request: ImageRequest, width: int, height: int) -> tuple[float, ...]:
    """Return original size, crop and target size, each as height and width; a second pass has its own sizes."""
    sizes = request.sizes
    return (
        sizes.original_height or height,
        sizes.original_width or width,
        sizes.crop_top,
        sizes.crop_left,
        sizes.target_height or height,
        sizes.target_width or width,
    )
