"""Where a picture of one size lies on a canvas of another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy
import PIL.Image
from PIL.Image import Resampling

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in whole pixels; right and bottom are the first that are outside."""


@dataclass(frozen=True)
class Placement:
    """A cut of a picture, in its pixels and parts of them, and the box of the canvas that it fills."""

    cut: tuple[float, float, float, float]
    at: Box
    width: int
    height: int

    @property
    def is_whole(self) -> bool:
        """Say whether the cut fills the canvas."""
        return self.at == (0, 0, self.width, self.height)


def stretch(size: tuple[int, int], width: int, height: int) -> Placement:
    """All of the picture on all of the canvas, whatever becomes of its proportions."""
    return Placement((0, 0, *size), (0, 0, width, height), width, height)


def crop(size: tuple[int, int], width: int, height: int) -> Placement:
    """As much of the picture's middle as fills the canvas in the picture's proportions."""
    own_width, own_height = size
    scale = max(width / own_width, height / own_height)
    wide, high = min(own_width, width / scale), min(own_height, height / scale)
    left, top = (own_width - wide) / 2, (own_height - high) / 2
    cut = (left, top, min(own_width, left + wide), min(own_height, top + high))
    return Placement(cut, (0, 0, width, height), width, height)


def fill(cut: Box, width: int, height: int) -> Placement:
    """All of a cut in the middle of the canvas, as large as it goes in its own proportions."""
    wide, high = cut[2] - cut[0], cut[3] - cut[1]
    return _in_the_middle(cut, min(width / wide, height / high), width, height)


def outpaint(size: tuple[int, int], width: int, height: int) -> Placement:
    """All of the picture in the middle of the canvas at its own size, reduced only where it does not fit."""
    return _in_the_middle((0, 0, *size), min(1.0, width / size[0], height / size[1]), width, height)


def _in_the_middle(cut: Box, scale: float, width: int, height: int) -> Placement:
    wide = min(width, max(1, round((cut[2] - cut[0]) * scale)))
    high = min(height, max(1, round((cut[3] - cut[1]) * scale)))
    left, top = (width - wide) // 2, (height - high) // 2
    return Placement(cut, (left, top, left + wide, top + high), width, height)


def place(picture: PIL.Image.Image, placement: Placement) -> PIL.Image.Image:
    """Return the canvas; what the cut does not fill goes on as its edge is."""
    left, top, right, bottom = placement.at
    # Lanczos would leave ripples around the edges of a mask, far into what is to be kept.
    resampling = Resampling.BILINEAR if picture.mode == "L" else Resampling.LANCZOS
    cut = picture.resize((right - left, bottom - top), resampling, box=placement.cut)
    if placement.is_whole:
        return cut
    beside = ((top, placement.height - bottom), (left, placement.width - right))
    depth = () if picture.mode == "L" else ((0, 0),)
    return PIL.Image.fromarray(numpy.pad(numpy.asarray(cut), (*beside, *depth), mode="edge"))


def surroundings(box: Box, padding: int, size: tuple[int, int], width: int, height: int) -> Box:
    """Return the box with `padding` around it, in the canvas's proportions as far as the picture's `size` allows."""
    left, right = _clip(box[0] - padding, box[2] + padding, size[0])
    top, bottom = _clip(box[1] - padding, box[3] + padding, size[1])
    wide = max(right - left, round((bottom - top) * width / height))
    high = max(bottom - top, round((right - left) * height / width))
    left, right = _widen(left, right, wide, size[0])
    top, bottom = _widen(top, bottom, high, size[1])
    return left, top, right, bottom


def _clip(low: int, high: int, end: int) -> tuple[int, int]:
    return max(0, low), min(end, high)


def _widen(low: int, high: int, wanted: int, end: int) -> tuple[int, int]:
    """Return a stretch of `wanted` around low to high, moved rather than cut at the picture's edges."""
    wanted = min(wanted, end)
    low = max(0, min(low - (wanted - (high - low)) // 2, end - wanted))
    return low, low + wanted
