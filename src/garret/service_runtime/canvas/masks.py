"""Masks as planes of bytes: 255 is repainted and shown, 0 is kept, and between them is the seam."""

from __future__ import annotations

import numpy
import PIL.Image
import PIL.ImageFilter
import PIL.ImageOps
from numpy.typing import NDArray

from garret.service_runtime.asked import Mask

Plane = NDArray[numpy.uint8]
CELL = 8
"""The side, in pixels, of what one latent stands for."""


def read_mask(mask: PIL.Image.Image, asked: Mask, size: tuple[int, int]) -> PIL.Image.Image:
    """Return a mask of any size and mode in shades of grey, at its picture's size and the right way round."""
    grey = mask.convert("L")
    if grey.size != size:
        grey = grey.resize(size, PIL.Image.Resampling.BILINEAR)
    return PIL.ImageOps.invert(grey) if asked.invert else grey


def blurred(mask: PIL.Image.Image, radius: float) -> tuple[PIL.Image.Image, PIL.Image.Image]:
    """Return the mask with seams that go out from what is white, and how much of what is painted shows.

    What is white stays so in both. Around it as much shows as twice the blurred mask, half of which is one at the
    mask's own edge. `radius` is a sigma in pixels.
    """
    if not radius:
        return mask, mask
    hard = numpy.asarray(mask)
    soft = numpy.asarray(mask.filter(PIL.ImageFilter.GaussianBlur(radius)))
    twice = numpy.where(soft < 128, soft << 1, numpy.uint8(255))
    seams, shown = numpy.maximum(hard, soft), numpy.maximum(hard, twice)
    return PIL.Image.fromarray(seams), PIL.Image.fromarray(shown)


def cells(mask: Plane) -> Plane:
    """Return the largest value of each latent's 8 x 8 pixels, so that nothing white is left as it was."""
    height, width = mask.shape
    parts: Plane = mask.reshape(height // CELL, CELL, width // CELL, CELL).max(axis=(1, 3))
    return parts


def means(mask: Plane) -> NDArray[numpy.float32]:
    """Return the mean of each latent's 8 x 8 pixels, 0 to 1."""
    height, width = mask.shape
    sums = mask.reshape(height // CELL, CELL, width // CELL, CELL).sum(axis=(1, 3), dtype=numpy.float32)
    parts: NDArray[numpy.float32] = sums / numpy.float32(255 * CELL * CELL)
    return parts
