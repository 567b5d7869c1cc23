"""The invisible watermark is read back from the pixels, and is not seen in them."""

from __future__ import annotations

import numpy
import pytest

from garret.service_runtime.pictures.watermark import BITS, bits_in, is_large_enough, watermarked


def smooth(width: int, height: int, grain: float = 2.0) -> bytes:
    """A picture with soft colours and a little grain."""
    y, x = numpy.mgrid[0:height, 0:width]
    channels = (x * 200 / width + 20, y * 180 / height + 30, 128 + 60 * numpy.sin(x / 40 + y / 60))
    picture = numpy.stack(channels, axis=-1) + numpy.random.default_rng(1).normal(0, grain, (height, width, 3))
    return bytes(numpy.clip(picture, 0, 255).astype(numpy.uint8).tobytes())


def flat(colour: tuple[int, int, int], width: int, height: int) -> bytes:
    """A picture of one colour."""
    return bytes(colour) * (width * height)


@pytest.mark.parametrize(("width", "height"), [(256, 256), (264, 304), (512, 384), (300, 500)])
def test_the_bits_come_back(width: int, height: int) -> None:
    """At any size that can carry them, also one that is no multiple of the blocks."""
    assert bits_in(watermarked(smooth(width, height), width, height), width, height) == BITS


@pytest.mark.parametrize("colour", [(0, 0, 0), (128, 128, 128), (200, 30, 30), (30, 30, 220), (250, 240, 20)])
def test_flat_colours_carry_them_too(colour: tuple[int, int, int]) -> None:
    """Where the library's own mark is lost: the next largest coefficient would be read in the marked one's place."""
    assert bits_in(watermarked(flat(colour, 256, 256), 256, 256), 256, 256) == BITS


def test_it_is_not_seen() -> None:
    """A few pixels of each block change in blue and green, so little that the noise stays 40 dB below the picture."""
    rgb = smooth(512, 512)
    marked = watermarked(rgb, 512, 512)
    before, after = (numpy.frombuffer(one, numpy.uint8).reshape(-1, 3).astype(int) for one in (rgb, marked))
    assert 10 * numpy.log10(255**2 / ((before - after) ** 2).mean()) > 40
    assert (before[:, 0] == after[:, 0]).all()
    assert (before != after).any(axis=1).mean() <= 4 / 64
    brightness = (numpy.abs((before - after) @ [0.299, 0.587, 0.114])).max()
    assert brightness < 1


def test_the_same_picture_is_marked_the_same() -> None:
    """Nothing is drawn by lot."""
    assert watermarked(smooth(256, 256), 256, 256) == watermarked(smooth(256, 256), 256, 256)


def test_a_picture_without_it_says_something_else() -> None:
    """The bits are no accident."""
    assert bits_in(smooth(512, 512), 512, 512) != BITS
    assert BITS[:8] == (1, 0, 1, 1, 0, 0, 1, 1)
    assert len(BITS) == 48


def test_small_pictures_carry_none() -> None:
    """The library reads none below 256 x 256 pixels."""
    assert is_large_enough(256, 256)
    assert not is_large_enough(248, 256)
