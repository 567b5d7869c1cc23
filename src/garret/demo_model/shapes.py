"""What the demo model knows: coloured shapes on coloured backgrounds, their captions and how to draw them."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Plane = NDArray[np.float32]

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (225, 30, 30),
    "orange": (250, 135, 20),
    "yellow": (250, 225, 40),
    "green": (30, 160, 60),
    "cyan": (50, 215, 230),
    "blue": (30, 70, 225),
    "purple": (140, 40, 180),
    "pink": (250, 150, 190),
    "white": (248, 248, 248),
    "black": (12, 12, 12),
}
SHAPES: tuple[str, ...] = ("circle", "square", "triangle", "star", "cross", "ring")
# A shape that the model does not know: the LoRA beside it teaches it.
TAUGHT = "heart"
# The radius as a part of the picture's short side, for a shape in the middle and for one put aside.
SIZES: dict[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "": ((0.30, 0.36), (0.24, 0.28)),
    "small": ((0.20, 0.24), (0.18, 0.22)),
    "large": ((0.40, 0.44), (0.32, 0.35)),
}
# Where the shape stands, in parts of the room between the middle and the edge: across and down.
POSITIONS: dict[str, tuple[float, float]] = {
    "": (0.0, 0.0),
    "on the left": (-0.85, 0.0),
    "on the right": (0.85, 0.0),
    "at the top": (0.0, -0.85),
    "at the bottom": (0.0, 0.85),
}
DEFAULT_BACKGROUND = "white"
CAPTION_FORMS: tuple[str, ...] = (
    "{object} on {background}",
    "{object}, {bare_background}",
    "{bare_object} on {background}",
    "{bare_object}, {bare_background}",
    "a picture of {object} on {background}",
    "a photo of {object} on {background}",
    "a drawing of {object} on {background}",
    "an image of {object}, {bare_background}",
    "{background} with {object}",
)
# Words that people add out of habit and that must not disturb the picture.
SUFFIXES: tuple[str, ...] = (", high quality", ", 4k", ", simple", ", flat design", ", minimalist", ", masterpiece")
HELD_OUT_ONE_IN = 5


@dataclass(frozen=True)
class Scene:
    """One shape on one background, as a caption names them."""

    foreground: str
    background: str
    shape: str
    size: str = ""
    position: str = ""


@dataclass(frozen=True)
class Placement:
    """Where a shape is drawn: its centre and its radius in pixels."""

    across: float
    down: float
    radius: float


def held_out(foreground: str, background: str, shape: str) -> bool:
    """Return whether training never sees this combination, so that tests can ask for something new."""
    return zlib.crc32(f"{foreground} {shape} on {background}".encode()) % HELD_OUT_ONE_IN == 0


def combinations(shapes: tuple[str, ...] = SHAPES) -> list[tuple[str, str, str]]:
    """Return every foreground, background and shape that differ enough to be seen."""
    return [(fore, back, shape) for fore in COLOURS for back in COLOURS if fore != back for shape in shapes]


def with_article(words: str) -> str:
    """Return the words behind "a" or "an"."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def caption(scene: Scene, form: str = CAPTION_FORMS[0]) -> str:
    """Return the scene in words, in one of CAPTION_FORMS."""
    words = f"{scene.size} {scene.foreground} {scene.shape}".strip()
    place = f" {scene.position}" if scene.position else ""
    background = f"{scene.background} background"
    return form.format(
        object=with_article(words) + place,
        bare_object=words + place,
        background=with_article(background),
        bare_background=background,
    )


def random_scene(random: np.random.Generator, unseen: bool, shapes: tuple[str, ...] = SHAPES) -> Scene:
    """Return a random scene: one that training may see, or one of those it never sees."""
    choices = [choice for choice in combinations(shapes) if held_out(*choice) == unseen]
    foreground, background, shape = choices[int(random.integers(len(choices)))]
    size = str(random.choice(["", "", "small", "large"]))
    position = str(random.choice([*POSITIONS, "", "", ""]))
    return Scene(foreground, background, shape, size, position)


def random_caption(scene: Scene, random: np.random.Generator) -> str:
    """Return one of the scene's captions; a white background, which is what an unnamed one means, may be left out."""
    form = CAPTION_FORMS[int(random.integers(len(CAPTION_FORMS)))]
    if scene.background == DEFAULT_BACKGROUND and random.random() < 0.4:
        form = ("{object}", "{bare_object}", "a picture of {object}")[int(random.integers(3))]
    suffix = SUFFIXES[int(random.integers(len(SUFFIXES)))] if random.random() < 0.1 else ""
    return caption(scene, form) + suffix


def place(scene: Scene, height: int, width: int, random: np.random.Generator | None = None) -> Placement:
    """Return where the scene's shape goes: the typical place, or one that varies a little."""
    middle, aside = SIZES[scene.size]
    low, high = aside if scene.position else middle
    short = min(height, width)
    radius = short * (random.uniform(low, high) if random else (low + high) / 2)
    shift_across, shift_down = random.uniform(-0.02, 0.02, 2) * short if random else (0.0, 0.0)
    across, down = POSITIONS[scene.position]
    centre_across = width / 2 + across * (width / 2 - radius) + shift_across
    centre_down = height / 2 + down * (height / 2 - radius) + shift_down
    return Placement(float(centre_across), float(centre_down), float(radius))


def corners(shape: str) -> list[tuple[float, float]]:
    """Return the corners of a shape with straight sides and radius 1, across and down."""
    if shape == "square":
        half = 0.82
        return [(-half, -half), (half, -half), (half, half), (-half, half)]
    if shape == "triangle":
        return [(math.sin(turn), 0.15 - math.cos(turn)) for turn in (0.0, 2 * math.pi / 3, 4 * math.pi / 3)]
    if shape == "star":
        turns = [index * math.pi / 5 for index in range(10)]
        reach = [1.0 if index % 2 == 0 else 0.45 for index in range(10)]
        return [(far * math.sin(turn), -far * math.cos(turn)) for far, turn in zip(reach, turns, strict=True)]
    if shape == TAUGHT:
        turns = [index * math.pi / 24 for index in range(48)]
        return [(math.sin(turn) ** 3, heart_height(turn)) for turn in turns]
    arm, end = 0.33, 0.95
    quarter = [(arm, -end), (arm, -arm), (end, -arm)]
    whole = []
    for _ in range(4):
        whole += quarter
        quarter = [(-down, across) for across, down in quarter]
    return whole


def heart_height(turn: float) -> float:
    """Return how far down the edge of a heart of radius 1 lies: the usual curve of four cosines."""
    waves = 13 * math.cos(turn) - 5 * math.cos(2 * turn) - 2 * math.cos(3 * turn) - math.cos(4 * turn)
    return -(waves + 2.5) / 16


def distance(shape: str, across: Plane, down: Plane) -> Plane:
    """Return the signed distance from the edge of a shape of radius 1, negative inside."""
    if shape in ("circle", "ring"):
        reach = np.hypot(across, down)
        return np.asarray(reach - 1 if shape == "circle" else np.abs(reach - 0.75) - 0.25, dtype=np.float32)
    nearest = np.full(across.shape, np.inf, dtype=np.float32)
    inside = np.zeros(across.shape, dtype=bool)
    points = corners(shape)
    for (start_x, start_y), (end_x, end_y) in zip(points, points[1:] + points[:1], strict=True):
        side_x, side_y = end_x - start_x, end_y - start_y
        from_x, from_y = across - start_x, down - start_y
        along = np.clip((from_x * side_x + from_y * side_y) / (side_x**2 + side_y**2), 0, 1)
        nearest = np.minimum(nearest, (from_x - along * side_x) ** 2 + (from_y - along * side_y) ** 2)
        # A point is inside when a ray from it crosses an odd number of sides.
        straddles = (start_y > down) != (end_y > down)
        inside ^= straddles & ((from_x * side_y < from_y * side_x) == (side_y > 0))
    return np.where(inside, -np.sqrt(nearest), np.sqrt(nearest)).astype(np.float32)


def coverage(shape: str, placement: Placement, height: int, width: int) -> Plane:
    """Return how much of each pixel the shape covers, from 0 to 1."""
    down, across = np.mgrid[0:height, 0:width].astype(np.float32) + np.float32(0.5)
    across = (across - placement.across) / placement.radius
    down = (down - placement.down) / placement.radius
    return np.asarray(np.clip(0.5 - distance(shape, across, down) * placement.radius, 0, 1), dtype=np.float32)


def paint(cover: Plane, foreground: tuple[int, int, int], background: tuple[int, int, int]) -> Pixels:
    """Return the picture with the foreground colour where the shape covers and the background elsewhere."""
    front, back = np.array(foreground, np.float32), np.array(background, np.float32)
    blend = back + cover[..., None] * (front - back)
    return np.asarray(np.rint(blend), dtype=np.uint8)


def draw(scene: Scene, height: int, width: int, random: np.random.Generator | None = None) -> Pixels:
    """Return the scene as a picture of height by width pixels in red, green and blue."""
    cover = coverage(scene.shape, place(scene, height, width, random), height, width)
    return paint(cover, COLOURS[scene.foreground], COLOURS[scene.background])
