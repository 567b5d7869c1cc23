"""Look at a picture and say which coloured shape it shows, so that tests can tell whether a prompt was followed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from garret.demo_model.shapes import (
    COLOURS,
    POSITIONS,
    SHAPES,
    SIZES,
    TAUGHT,
    Pixels,
    Placement,
    Scene,
    corners,
    coverage,
)

Mask = NDArray[np.bool_]

LARGEST_SIDE = 256
# A colour further than this from every named one, in the 0 to 255 cube, has no name.
NAMED_WITHIN = 80.0
# A picture whose pixels all lie this close to the background's colour shows nothing.
FAINTEST_SHAPE = 40.0
# The overlap with the ideal shape, as intersection over union, below which a shape has no name.
LEAST_LIKENESS = 0.75
SMALL_BELOW = {"middle": 0.27, "aside": 0.23}
LARGE_ABOVE = {"middle": 0.38, "aside": 0.30}
ASIDE_FROM = 0.45
# The part of the edge, and of the shape, that must have one colour for that colour to count.
PLAIN_BORDER, PLAIN_SHAPE = 0.8, 0.6


@dataclass(frozen=True)
class Seen:
    """What a picture shows; None stands for something without a name."""

    foreground: str | None
    background: str | None
    shape: str | None
    size: str = ""
    position: str = ""
    likeness: float = 0.0


def check_picture(pixels: Pixels, shapes: tuple[str, ...] = SHAPES) -> Seen:
    """Return the colours, and which of the shapes, a picture of height x width x 3 bytes shows."""
    stride = -(-max(pixels.shape[:2]) // LARGEST_SIDE)
    picture = pixels[::stride, ::stride, :3].astype(np.float32)
    edge = border(picture)
    back = np.median(edge, axis=0)
    if share_near(edge, back) < PLAIN_BORDER:
        return Seen(None, None, None)
    contrast = np.sqrt(np.square(picture - back).sum(axis=-1))
    # The strongest hundredth of the pixels lies inside even the smallest shape.
    strongest = float(np.percentile(contrast, 99))
    if strongest < FAINTEST_SHAPE:
        return Seen(None, colour_name(back), None)
    front = np.median(picture[contrast >= 0.8 * strongest], axis=0)
    mask = contrast > 0.5 * strongest
    fits = {shape: fit(shape, mask) for shape in shapes}
    best = max(shapes, key=lambda shape: fits[shape][0])
    likeness, placement = fits[best]
    position = position_name(placement, *mask.shape)
    size = size_name(placement, position, *mask.shape)
    front_name = colour_name(front) if share_near(picture[mask], front) >= PLAIN_SHAPE else None
    named = best if likeness >= LEAST_LIKENESS else None
    return Seen(front_name, colour_name(back), named, size, position, likeness)


def matches(prompt: str, pixels: Pixels, placement: bool = False) -> bool:
    """Return whether the picture shows the colours and shape that the prompt names, and on demand size and place."""
    asked = parse(prompt)
    # The shape that a LoRA teaches is looked for only where it is asked for.
    seen = check_picture(pixels, (*SHAPES, TAUGHT) if asked.shape == TAUGHT else SHAPES)
    wanted = [(asked.foreground, seen.foreground), (asked.background, seen.background), (asked.shape, seen.shape)]
    if placement:
        wanted += [(asked.size, seen.size), (asked.position, seen.position)]
    if not any(want for want, _ in wanted):
        raise ValueError(f"the prompt names nothing that can be checked: {prompt!r}")
    # An unnamed size or place means the ordinary one, an unnamed colour or shape any.
    return all(want == found for want, found in wanted[:3] if want) and all(a == b for a, b in wanted[3:])


def parse(prompt: str) -> Scene:
    """Return what a prompt asks for, with empty strings for what it leaves open."""
    text = " ".join(prompt.lower().split())
    colour, shape = "|".join(COLOURS), "|".join((*SHAPES, TAUGHT))
    thing = re.search(rf"(?:\b({colour}) )?\b({shape})\b", text)
    background = re.search(rf"\b({colour}) background\b", text)
    size = next((name for name in SIZES if name and re.search(rf"\b{name}\b", text)), "")
    position = next((name for name in POSITIONS if name and name in text), "")
    return Scene(
        foreground=(thing[1] or "") if thing else "",
        background=background[1] if background else "",
        shape=thing[2] if thing else "",
        size=size,
        position=position,
    )


def border(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the pixels along the picture's edge, where only the background is."""
    depth = max(1, min(picture.shape[:2]) // 40)
    sides = (picture[:depth], picture[-depth:], picture[:, :depth], picture[:, -depth:])
    return np.concatenate([side.reshape(-1, 3) for side in sides])


def share_near(pixels: NDArray[np.float32], colour: NDArray[np.float32]) -> float:
    """Return the share of the pixels whose colour is near the given one."""
    return float(np.mean(np.sqrt(np.square(pixels - colour).sum(axis=-1)) <= NAMED_WITHIN))


def colour_name(colour: NDArray[np.float32]) -> str | None:
    """Return the nearest named colour, or None where none is near."""
    distances = {name: float(np.linalg.norm(colour - np.array(value))) for name, value in COLOURS.items()}
    nearest = min(distances, key=lambda name: distances[name])
    return nearest if distances[nearest] <= NAMED_WITHIN else None


@lru_cache(maxsize=len(SHAPES) + 1)
def ideal(shape: str) -> tuple[float, float]:
    """Return a shape's area and how far down its centre of mass lies, for radius 1."""
    if shape in ("circle", "ring"):
        return float(np.pi * (1.0 if shape == "circle" else 0.75)), 0.0
    points = corners(shape)
    area = down = 0.0
    for (start_x, start_y), (end_x, end_y) in zip(points, points[1:] + points[:1], strict=True):
        cross = start_x * end_y - end_x * start_y
        area, down = area + cross / 2, down + (start_y + end_y) * cross / 6
    return abs(area), down / area


def fit(shape: str, mask: Mask) -> tuple[float, Placement]:
    """Return how well a shape of the mask's own area and centre of mass covers the mask, and where it lies."""
    area, centre_down = ideal(shape)
    downs, acrosses = np.nonzero(mask)
    radius = float(np.sqrt(len(downs) / area))
    down = float(downs.mean()) + 0.5 - radius * centre_down
    placement = Placement(float(acrosses.mean()) + 0.5, down, radius)
    cover = coverage(shape, placement, *mask.shape)
    both = float(np.minimum(cover, mask).sum())
    either = float(np.maximum(cover, mask).sum())
    return both / either, placement


def position_name(placement: Placement, height: int, width: int) -> str:
    """Return the words for where a shape stands, empty for the middle."""
    across = (placement.across - width / 2) / max(1.0, width / 2 - placement.radius)
    down = (placement.down - height / 2) / max(1.0, height / 2 - placement.radius)
    if max(abs(across), abs(down)) < ASIDE_FROM:
        return ""
    if abs(across) > abs(down):
        return "on the left" if across < 0 else "on the right"
    return "at the top" if down < 0 else "at the bottom"


def size_name(placement: Placement, position: str, height: int, width: int) -> str:
    """Return the word for a shape's size, empty for the ordinary one."""
    part = placement.radius / min(height, width)
    where = "aside" if position else "middle"
    if part < SMALL_BELOW[where]:
        return "small"
    return "large" if part > LARGE_ABOVE[where] else ""
