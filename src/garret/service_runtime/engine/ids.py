"""The sizes that SDXL is told of beside the words: six numbers for the base, five for the refiner."""

from __future__ import annotations

from garret.service_runtime.asked import Refiner
from garret.service_runtime.engine.guidance import Ids
from garret.service_runtime.request import ImageRequest


def base_ids(request: ImageRequest, width: int, height: int) -> Ids:
    """Return original size, crop and target size of a picture of this size in pixels, each as height and width."""
    sizes = request.sizes
    told = (
        sizes.original_height or height,
        sizes.original_width or width,
        sizes.crop_top,
        sizes.crop_left,
        sizes.target_height or height,
        sizes.target_width or width,
    )
    return Ids(told, told)


def refiner_ids(request: ImageRequest, refiner: Refiner, width: int, height: int) -> Ids:
    """Return original size, crop and the aesthetic score, another one for what the picture should not be."""
    told = base_ids(request, width, height).positive[:4]
    return Ids((*told, refiner.aesthetic_score), (*told, refiner.negative_aesthetic_score))
