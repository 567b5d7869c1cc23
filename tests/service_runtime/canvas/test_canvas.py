"""Pictures and masks laid out and put back: what is not repainted is kept to the last bit."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from garret.service_runtime.asked import FILLS, RESIZES, Mask, Start
from garret.service_runtime.canvas.canvas import lay_out, put_back
from tests.service_runtime.canvas.test_placing import gradient

WIDTH, HEIGHT = 64, 48


def array(picture: Any) -> Any:
    """Return pixels as numbers that can be subtracted."""
    return numpy.asarray(picture).astype(int)


def spot(size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    """Return a mask that is white in a box."""
    mask = Image.new("L", size, 0)
    mask.paste(255, box)
    return mask


def begin(mask: Image.Image | None = None, picture: Image.Image | None = None, **said: Any) -> Any:
    """Lay out a picture, by default one of the canvas's own size; `said` is of the mask and of the start."""
    resize = said.pop("resize", "stretch")
    asked = Mask("m", **said) if mask is not None else None
    return lay_out(picture or gradient(WIDTH, HEIGHT), mask, Start("s", resize=resize, mask=asked), WIDTH, HEIGHT)


@pytest.mark.parametrize("resize", RESIZES)
@pytest.mark.parametrize("size", [(64, 48), (200, 60), (20, 90), (33, 31)])
def test_every_way_of_resizing_makes_a_canvas(resize: str, size: tuple[int, int]) -> None:
    """Of the request's size, but where the latents are resized: of the picture's own size in whole latents."""
    made = begin(picture=gradient(*size), resize=resize)
    if resize == "latent":
        assert all(side % 8 == 0 and abs(side - own) <= 4 for side, own in zip(made.picture.size, size, strict=True))
    else:
        assert made.picture.size == (WIDTH, HEIGHT)
    assert made.picture.mode == "RGB"
    painted = numpy.zeros((HEIGHT, WIDTH, 3), numpy.uint8)
    assert put_back(made, painted).shape == (HEIGHT, WIDTH, 3)


@given(
    box=st.tuples(*[st.integers(0, 40)] * 4),
    blur=st.sampled_from([0.0, 1.5, 4.0]),
    fill=st.sampled_from(FILLS),
    only_masked=st.booleans(),
    invert=st.booleans(),
    soft=st.booleans(),
    resize=st.sampled_from(RESIZES),
    size=st.sampled_from([(64, 48), (96, 96), (40, 90)]),
)
def test_what_lies_beyond_the_blur_is_kept_exactly(
    box: tuple[int, int, int, int], size: tuple[int, int], resize: str, **said: Any
) -> None:
    """Whatever was painted; and in the mask all of what was painted shows."""
    if resize == "outpaint" and said["only_masked"]:
        said["only_masked"] = False
    left, top, width, height = box
    mask = spot(size, (left, top, left + 1 + width, top + 1 + height))
    made = begin(mask, gradient(*size), resize=resize, **said)
    painted = numpy.full((HEIGHT, WIDTH, 3), (9, 99, 255), numpy.uint8)
    result = put_back(made, painted)
    assert result.shape == ((size[1], size[0], 3) if said["only_masked"] else (HEIGHT, WIDTH, 3))
    kept, taken = made.show == 0, made.show == 255
    assert (result[kept] == made.under[kept]).all()
    assert (abs(array(result)[taken] - (9, 99, 255)) <= 1).all()
    assert made.repaint.shape == (HEIGHT // 8, WIDTH // 8)
    assert 0 <= made.repaint.min() <= made.repaint.max() <= 1


def test_without_a_blur_the_mask_s_edge_is_the_edge() -> None:
    """Not one pixel beyond it changes."""
    made = begin(spot((WIDTH, HEIGHT), (16, 16, 40, 32)), blur=0)
    result = put_back(made, numpy.zeros((HEIGHT, WIDTH, 3), numpy.uint8))
    expected = numpy.asarray(gradient(WIDTH, HEIGHT)).copy()
    expected[16:32, 16:40] = 0
    assert (result == expected).all()


def test_a_blur_goes_outwards_only() -> None:
    """The mask itself is repainted whole; the seam falls off, and ends within three times the blur."""
    made = begin(spot((WIDTH, HEIGHT), (24, 8, 40, 40)), blur=4)
    show = array(made.show)
    assert (show[8:40, 24:40] == 255).all()
    assert (numpy.diff(show[24, 40:]) <= 0).all()
    assert 0 < show[24, 44] < 255
    assert (show[:, :10] == 0).all()
    assert (show[:, 54:] == 0).all()


def test_every_latent_that_white_touches_is_made_anew() -> None:
    """Also of a line too thin for a latent of its own, which a mean would round away."""
    made = begin(spot((WIDTH, HEIGHT), (17, 0, 18, 48)), blur=0)
    assert (made.repaint[:, 2] == 1).all()
    assert made.repaint.sum() == HEIGHT // 8


def test_shades_count_only_when_they_are_asked_for() -> None:
    """A soft mask repaints by its shades, any other all or nothing."""
    half = Image.new("L", (WIDTH, HEIGHT), 100)
    assert begin(half, blur=0, soft=True).repaint == pytest.approx(100 / 255)
    assert begin(half, blur=0).repaint.max() == 0
    assert begin(Image.new("L", (WIDTH, HEIGHT), 140), blur=0).repaint.min() == 1


def test_the_mask_follows_its_picture() -> None:
    """A mask of another size covers the same part of the picture, in every way of resizing."""
    big = gradient(128, 128)
    for resize in ("crop", "fill", "stretch"):
        plain = begin(spot((128, 128), (32, 32, 96, 96)), big, resize=resize, blur=0)
        small = begin(spot((32, 32), (8, 8, 24, 24)), big, resize=resize, blur=0)
        inside = array(plain.show) > 128
        reds = array(plain.picture)[..., 0]
        assert reds[inside].min() >= 62
        assert reds[inside].max() <= 193
        assert abs(array(plain.show) - array(small.show)).mean() < 12


def test_inverted_is_the_other_part() -> None:
    """Black is repainted then."""
    mask = spot((WIDTH, HEIGHT), (16, 16, 40, 32))
    plain, turned = begin(mask, blur=0), begin(mask, blur=0, invert=True)
    assert (array(plain.show) + array(turned.show) == 255).all()


def test_only_masked_paints_the_surroundings_at_full_size() -> None:
    """A twelfth of a large picture fills the canvas; the rest of it comes back untouched at its own size."""
    big = gradient(640, 480)
    made = begin(spot((640, 480), (300, 200, 332, 224)), big, only_masked=True, padding=16, blur=0)
    left, top, right, bottom = made.placement.cut
    assert (right - left) * (bottom - top) < 80 * 80
    reds = array(made.picture)[..., 0]
    assert abs(reds.min() - 255 * left / 640) < 3
    assert abs(reds.max() - 255 * right / 640) < 3
    result = put_back(made, numpy.asarray(made.picture))
    assert result.shape == (480, 640, 3)
    assert abs(array(result) - array(big)).max() <= 3
    assert (result[:200] == array(big)[:200]).all()


@pytest.mark.parametrize("only_masked", [False, True])
def test_fills_hide_what_was_there(only_masked: bool) -> None:
    """But for `original`: neither colours nor shapes of the masked part are begun from."""
    white = Image.new("RGB", (WIDTH, HEIGHT), (255, 255, 255))
    white.paste((0, 0, 0), (24, 16, 40, 32))
    mask = spot((WIDTH, HEIGHT), (20, 12, 44, 36))
    for fill in FILLS:
        made = begin(mask, white, fill=fill, only_masked=only_masked)
        assert bool(array(made.picture).min() < 30) is (fill == "original")


def test_outpainting_continues_a_picture_and_keeps_its_middle() -> None:
    """Exactly, but for a seam along the sides that it goes on beyond; what is added begins from its colours."""
    small = gradient(48, 48)
    made = begin(picture=small, resize="outpaint")
    result = array(put_back(made, numpy.zeros((HEIGHT, WIDTH, 3), numpy.uint8)))
    assert made.repaint[:, :2].all()
    assert made.repaint[:, 6:].all()
    assert not made.repaint[:, 2:6].any()
    assert (result[:, :16] == 0).all()
    assert (result[:, 48:] == 0).all()
    assert (result[:, 29:35] == array(small)[:, 21:27]).all()
    assert (array(made.picture)[:, 29:35] == array(small)[:, 21:27]).all()
    assert array(made.picture)[24, 0, 0] < 100
    assert array(made.picture)[24, -1, 0] > 150


def test_outpainting_repaints_a_mask_as_well() -> None:
    """What is masked inside the picture and what is added around it."""
    small = gradient(32, 48)
    made = begin(spot((32, 48), (12, 16, 20, 32)), small, resize="outpaint", blur=0)
    assert (array(made.show)[16:32, 28:36] == 255).all()
    assert (array(made.show)[:, :16] == 255).all()
    assert (array(made.show)[:12, 26:38] == 0).all()


def test_a_mask_without_white_changes_nothing() -> None:
    """Neither whole nor only masked."""
    for only_masked in (False, True):
        made = begin(Image.new("L", (WIDTH, HEIGHT), 0), only_masked=only_masked)
        assert (put_back(made, numpy.zeros((HEIGHT, WIDTH, 3), numpy.uint8)) == array(gradient(WIDTH, HEIGHT))).all()
