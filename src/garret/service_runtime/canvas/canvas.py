"""A picture and its mask laid out at the size that is painted, and what was painted put back where it belongs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy
import PIL.Image
from numpy.typing import NDArray
from PIL.Image import Image, Resampling

from garret.service_runtime.asked import Mask, Start
from garret.service_runtime.canvas import masks, placing
from garret.service_runtime.canvas.filling import fill_from_around
from garret.service_runtime.canvas.placing import Box, Placement
from garret.service_runtime.limits import MAXIMUM_SIDE

Pixels = NDArray[numpy.uint8]
RIM = masks.CELL
"""So many pixels along a picture's edge are painted anew where it is continued; else the edge would stay to be seen."""
CONTINUED = Mask("", fill="fill")
"""How a picture is continued where the request has no mask that says it."""


@dataclass(frozen=True)
class Canvas:
    """What is painted: `picture` (RGB) is begun from, `repaint` says how much of each latent is made anew, 0 to 1.

    `under` lies below the result wherever `show` (0 to 255, of its size) is not 255; `placement` says where it was cut.
    """

    picture: Image
    repaint: NDArray[numpy.float32] | None = None
    under: Pixels | None = None
    show: Pixels | None = None
    placement: Placement | None = None


def lay_out(picture: Image, mask: Image | None, start: Start, width: int, height: int) -> Canvas:
    """Bring a picture and its mask to a canvas of the request's size."""
    asked = start.mask
    grey = masks.read_mask(mask, asked, picture.size) if mask is not None and asked is not None else None
    if grey is not None and asked is not None and asked.only_masked:
        return _lay_out_part(picture, grey, asked, width, height)
    if start.resize == "outpaint":
        return _lay_out_middle(picture, grey, asked or CONTINUED, width, height)
    if start.resize == "latent" and grey is None:
        return Canvas(_to_cells(picture))
    kinds = {"stretch": placing.stretch, "latent": placing.stretch, "crop": placing.crop}
    if start.resize in kinds:
        placement = kinds[start.resize](picture.size, width, height)
    else:
        placement = placing.fill((0, 0, *picture.size), width, height)
    base = placing.place(picture, placement)
    if grey is None or asked is None:
        return Canvas(base)
    return _masked(base, placing.place(grey, placement), asked)


def put_back(canvas: Canvas, painted: Pixels) -> Pixels:
    """Return the result of what was painted (height x width x 3): what is not to be shown is the picture's, exactly."""
    if canvas.under is None or canvas.show is None:
        return painted
    box = PIL.Image.fromarray(canvas.show).getbbox()
    if box is None:
        return canvas.under
    if canvas.placement is not None:
        painted = _on_whole(painted, canvas.placement, canvas.under)
    left, top, right, bottom = box
    part = slice(top, bottom), slice(left, right)
    share = canvas.show[part].astype(numpy.uint16)[..., None]
    result = canvas.under.copy()
    result[part] = (painted[part] * share + canvas.under[part] * (255 - share) + 127) // 255
    return result


def _masked(base: Image, grey: Image, asked: Mask) -> Canvas:
    """Return the canvas of a picture and its mask that both have the result's size."""
    soft, show = _seams(grey, asked)
    return Canvas(_filled(base, show, asked), _repaint(grey, soft, asked), numpy.asarray(base), numpy.asarray(show))


def _seams(grey: Image, asked: Mask) -> tuple[Image, Image]:
    """Return the blurred mask, and where what is painted shows: shades that were painted by their share show whole."""
    soft, show = masks.blurred(grey, asked.blur)
    if asked.soft:
        _, show = masks.blurred(grey.point(lambda shade: 255 * bool(shade)), asked.blur)
    return soft, show


def _lay_out_part(picture: Image, grey: Image, asked: Mask, width: int, height: int) -> Canvas:
    """Lay out the mask's surroundings alone, as large as the canvas allows."""
    soft, show = _seams(grey, asked)
    box: Box = show.getbbox() or (0, 0, *picture.size)
    cut = placing.surroundings(box, asked.padding, picture.size, width, height)
    placement = placing.fill(cut, width, height)
    base, near, soft, seen = (placing.place(one, placement) for one in (picture, grey, soft, show))
    shades = _repaint(near, soft, asked)
    return Canvas(_filled(base, seen, asked), shades, numpy.asarray(picture), numpy.asarray(show), placement)


def _lay_out_middle(picture: Image, grey: Image | None, asked: Mask, width: int, height: int) -> Canvas:
    """Lay out a picture in the middle, to be continued on all sides where there is room."""
    placement = placing.outpaint(picture.size, width, height)
    base = placing.place(picture, placement)
    if asked.fill == "original":  # what is added has no colours of its own; every other fill gives it some anyway
        added = numpy.full((height, width), 255, numpy.uint8)
        added[placement.at[1] : placement.at[3], placement.at[0] : placement.at[2]] = 0
        base = PIL.Image.fromarray(fill_from_around(numpy.asarray(base), added))
    wanted = numpy.full((height, width), 255, numpy.uint8)
    left, top, right, bottom = without_rim(placement)
    wanted[top:bottom, left:right] = 0
    if grey is not None:
        inside = numpy.zeros_like(wanted)
        rows, columns = slice(placement.at[1], placement.at[3]), slice(placement.at[0], placement.at[2])
        inside[rows, columns] = numpy.asarray(placing.place(grey, placement))[rows, columns]
        wanted = numpy.maximum(wanted, inside)
    return _masked(base, PIL.Image.fromarray(wanted), asked)


def without_rim(placement: Placement) -> Box:
    """Return the box in which a continued picture stays as it was: not along the sides that it goes on beyond."""
    left, top, right, bottom = placement.at
    across, down = min(RIM, (right - left) // 4), min(RIM, (bottom - top) // 4)
    return (
        left + across * (left > 0),
        top + down * (top > 0),
        right - across * (right < placement.width),
        bottom - down * (bottom < placement.height),
    )


def _filled(base: Image, show: Image, asked: Mask) -> Image:
    """Return the picture to begin from; what becomes noise or nothing as latents has no old colours either."""
    if asked.fill == "original":
        return base
    return PIL.Image.fromarray(fill_from_around(numpy.asarray(base), numpy.asarray(show)))


def _repaint(grey: Image, soft: Image, asked: Mask) -> NDArray[numpy.float32]:
    """Return how much of each latent is made anew: all or nothing, or on demand by the mask's shades."""
    if asked.soft:
        return masks.means(numpy.asarray(soft))
    touched = masks.cells(numpy.asarray(grey)) >= 128
    return (touched | (masks.means(numpy.asarray(soft)) >= 0.5)).astype(numpy.float32)


def _on_whole(painted: Pixels, placement: Placement, under: Pixels) -> Pixels:
    """Return a picture of the result's size with what was painted where it was cut from."""
    left, top, right, bottom = (int(side) for side in placement.cut)
    size = (right - left, bottom - top)
    cut = PIL.Image.fromarray(painted).resize(size, Resampling.LANCZOS, box=placement.at)
    whole = under.copy()
    whole[top:bottom, left:right] = numpy.asarray(cut)
    return whole


def _to_cells(picture: Image) -> Image:
    """Return a picture at its own size in whole latents, no side larger than is ever painted."""
    longest = max(picture.size)
    scale = min(1.0, MAXIMUM_SIDE / longest)
    width, height = (max(masks.CELL, round(side * scale / masks.CELL) * masks.CELL) for side in picture.size)
    return picture.resize((width, height), Resampling.LANCZOS)
