"""Colours for what is not there: those around it, going over into one another.

Averages of ever larger neighbourhoods, and back from the coarsest to the finest wherever a finer one knows nothing: the
pull-push scheme of Gortler et al., "The Lumigraph" (SIGGRAPH 1996).
"""

from __future__ import annotations

import numpy
import PIL.Image
from numpy.typing import NDArray

Pixels = NDArray[numpy.uint8]
Plane = NDArray[numpy.float32]


def fill_from_around(picture: Pixels, hidden: Pixels) -> Pixels:
    """Return height x width x 3 pixels whose hidden part (255; 0 is kept) has the colours of what is around it."""
    box = PIL.Image.fromarray(hidden).getbbox()
    if box is None:
        return picture
    # As much around the hidden part as it is large itself: what is farther off hardly shows, and costs as much.
    margin = max(box[2] - box[0], box[3] - box[1])
    near = slice(max(0, box[1] - margin), box[3] + margin), slice(max(0, box[0] - margin), box[2] + margin)
    known: Plane = (1 - hidden[near].astype(numpy.float32) / 255).astype(numpy.float32)
    if not known.any():
        return numpy.full_like(picture, 127)
    made = picture.copy()
    made[near] = _fill(picture[near].astype(numpy.float32), known).round().clip(0, 255)
    return made


def _fill(colours: Plane, known: Plane) -> Plane:
    if max(known.shape) == 1 or known.min() >= 1:
        return colours
    around = _enlarge(_fill(*_halve(colours, known)), *known.shape)
    return known[..., None] * colours + (1 - known[..., None]) * around


def _halve(colours: Plane, known: Plane) -> tuple[Plane, Plane]:
    """Return the means of two by two pixels, each weighted by how well it is known."""
    height, width = known.shape
    odd = ((0, height % 2), (0, width % 2))
    weights = numpy.pad(known, odd)
    sums = _sum(numpy.pad(colours, (*odd, (0, 0))) * weights[..., None])
    total = _sum(weights)
    means = sums / numpy.maximum(total, 1e-6)[..., None]
    return means.astype(numpy.float32), numpy.minimum(total, 1).astype(numpy.float32)


def _sum(plane: Plane) -> Plane:
    return plane[0::2, 0::2] + plane[1::2, 0::2] + plane[0::2, 1::2] + plane[1::2, 1::2]


def _enlarge(colours: Plane, height: int, width: int) -> Plane:
    size = (width + width % 2, height + height % 2)
    planes = (PIL.Image.fromarray(numpy.ascontiguousarray(colours[..., channel])) for channel in range(3))
    larger = [numpy.asarray(plane.resize(size, PIL.Image.Resampling.BILINEAR)) for plane in planes]
    return numpy.stack(larger, axis=-1)[:height, :width]
