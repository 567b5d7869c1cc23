"""Where pictures lie on canvases: proportions kept, nothing beyond the edges, nothing lost that should be seen."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from garret.service_runtime.canvas import placing

SIDES = st.integers(1, 96)
CANVASES = st.integers(8, 12).map(lambda cells: cells * 8)


def gradient(width: int, height: int) -> Image.Image:
    """Return a picture whose red grows to the right and whose green grows downwards."""
    across, down = numpy.meshgrid(numpy.linspace(0, 255, width), numpy.linspace(0, 255, height))
    return Image.fromarray(numpy.stack([across, down, 0 * across], axis=-1).round().astype(numpy.uint8))


def array(picture: Image.Image) -> Any:
    """Return a picture's pixels."""
    return numpy.asarray(picture).astype(int)


@given(SIDES, SIDES, CANVASES, CANVASES)
def test_every_way_of_placing_stays_inside(own_width: int, own_height: int, width: int, height: int) -> None:
    """Of the picture and of the canvas; those that keep proportions do, as far as whole pixels can."""
    size = (own_width, own_height)
    for made in (
        placing.stretch(size, width, height),
        placing.crop(size, width, height),
        placing.fill((0, 0, *size), width, height),
        placing.outpaint(size, width, height),
    ):
        left, top, right, bottom = made.cut
        assert 0 <= left < right <= own_width
        assert 0 <= top < bottom <= own_height
        assert 0 <= made.at[0] < made.at[2] <= width
        assert 0 <= made.at[1] < made.at[3] <= height
        assert placing.place(Image.new("RGB", size, (9, 8, 7)), made).size == (width, height)
    wide, high = (made.at[2] - made.at[0], made.at[3] - made.at[1])
    assert wide <= own_width + 0.5
    assert high <= own_height + 0.5
    cut = placing.crop(size, width, height).cut
    assert (cut[2] - cut[0]) / (cut[3] - cut[1]) == pytest.approx(width / height)
    filled = placing.fill((0, 0, *size), width, height).at
    scale = min(width / own_width, height / own_height)
    assert abs((filled[2] - filled[0]) - own_width * scale) <= 1
    assert abs((filled[3] - filled[1]) - own_height * scale) <= 1


def test_crop_takes_the_middle(tmp_path: object) -> None:
    """A wide picture loses its sides alike."""
    made = array(placing.place(gradient(128, 64), placing.crop((128, 64), 64, 64)))
    assert made[0, 0, 0] == pytest.approx(64, abs=2)
    assert made[0, -1, 0] == pytest.approx(191, abs=2)
    assert (made[0, 0, 1], made[-1, 0, 1]) == (0, 255)


def test_fill_goes_on_as_the_edge_is() -> None:
    """Above and below a wide picture; the picture itself is all there."""
    made = array(placing.place(gradient(128, 64), placing.fill((0, 0, 128, 64), 64, 64)))
    assert (made[:16] == made[16]).all()
    assert (made[48:] == made[47]).all()
    assert made[16, 0, 1] < 8
    assert made[47, 0, 1] > 247


def test_outpainting_leaves_a_small_picture_as_it_is() -> None:
    """In the middle, pixel for pixel; a picture that is larger is reduced."""
    small = gradient(32, 24)
    made = array(placing.place(small, placing.outpaint(small.size, 64, 64)))
    assert (made[20:44, 16:48] == array(small)).all()
    assert placing.outpaint((128, 64), 64, 64).at == (0, 16, 64, 48)


def test_a_line_costs_no_more_than_a_picture() -> None:
    """Cutting a line to a square makes no giant in between."""
    made = placing.place(gradient(1, 4096), placing.crop((1, 4096), 512, 512))
    assert made.size == (512, 512)


@st.composite
def boxes(draw: Any) -> tuple[tuple[int, int, int, int], tuple[int, int]]:
    """Draw a picture's size and a box inside it."""
    width, height = draw(SIDES), draw(SIDES)
    left, top = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    right, bottom = draw(st.integers(left + 1, width)), draw(st.integers(top + 1, height))
    return (left, top, right, bottom), (width, height)


@given(boxes(), st.integers(0, 40), CANVASES, CANVASES)
def test_surroundings_hold_the_box_and_have_the_canvas_s_proportions(
    where: tuple[tuple[int, int, int, int], tuple[int, int]], padding: int, width: int, height: int
) -> None:
    """As far as the picture reaches: then one side is all of it."""
    box, size = where
    left, top, right, bottom = placing.surroundings(box, padding, size, width, height)
    assert 0 <= left <= max(0, box[0] - padding)
    assert 0 <= top <= max(0, box[1] - padding)
    assert min(size[0], box[2] + padding) <= right <= size[0]
    assert min(size[1], box[3] + padding) <= bottom <= size[1]
    wide, high = right - left, bottom - top
    fits = abs(wide - high * width / height) <= 1 or abs(high - wide * height / width) <= 1
    assert fits or wide == size[0] or high == size[1]
