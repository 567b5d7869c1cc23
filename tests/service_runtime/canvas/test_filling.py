"""Colours for hidden parts: those around them, and no others."""

from __future__ import annotations

import numpy
from hypothesis import given
from hypothesis import strategies as st

from garret.service_runtime.canvas.filling import fill_from_around

SIDES = st.integers(1, 40)


def random_picture(seed: int, width: int, height: int) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Return a noisy picture and what of it is hidden, sometimes in part."""
    random = numpy.random.default_rng(seed)
    picture = random.integers(0, 256, (height, width, 3)).astype(numpy.uint8)
    hidden = random.choice([0, 100, 255], (height, width)).astype(numpy.uint8)
    return picture, hidden


@given(st.integers(0, 10**6), SIDES, SIDES)
def test_what_is_seen_stays_and_what_is_hidden_takes_its_colours(seed: int, width: int, height: int) -> None:
    """No colour is brighter or darker than all that is known; nothing of the hidden ones is left."""
    picture, hidden = random_picture(seed, width, height)
    hidden[0, 0] = 0
    made = fill_from_around(picture, hidden)
    assert (made[hidden == 0] == picture[hidden == 0]).all()
    seen = picture[hidden < 255].astype(int)
    assert made.min() >= seen.min() - 1
    assert made.max() <= seen.max() + 1
    changed = picture.copy()
    changed[hidden == 255] = 255 - changed[hidden == 255]
    assert (fill_from_around(changed, hidden) == made).all()


@given(st.integers(0, 10**6), SIDES, SIDES)
def test_one_colour_stays_one(seed: int, width: int, height: int) -> None:
    """Whatever is hidden of it."""
    _, hidden = random_picture(seed, width, height)
    hidden[-1, -1] = 0
    picture = numpy.full((height, width, 3), (200, 30, 90), numpy.uint8)
    assert abs(fill_from_around(picture, hidden).astype(int) - picture).max() <= 1


def test_all_hidden_is_grey() -> None:
    """There is nothing to go by."""
    hidden = numpy.full((8, 8), 255, numpy.uint8)
    assert (fill_from_around(numpy.zeros((8, 8, 3), numpy.uint8), hidden) == 127).all()


def test_a_hole_goes_over_from_one_side_to_the_other() -> None:
    """Between black on the left and white on the right, greys in order."""
    picture = numpy.zeros((32, 96, 3), numpy.uint8)
    picture[:, 64:] = 255
    hidden = numpy.zeros((32, 96), numpy.uint8)
    hidden[:, 32:64] = 255
    made = fill_from_around(picture, hidden)[16, 32:64, 0].astype(int)
    assert made[0] < 64
    assert made[-1] > 191
    assert (numpy.diff(made) >= -2).all()
