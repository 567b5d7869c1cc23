"""Our PNG files hold the same pixels as they were given, read by another's decoder."""

from __future__ import annotations

import io
import random

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as some
from PIL import Image

from benchmarks.natural import natural_rgb
from garret.service_runtime.png import encode_png
from tests.service_runtime.living import read_texts


@given(some.integers(1, 40), some.integers(1, 40), some.integers(0, 1000), some.booleans())
def test_pixels_come_back_from_pillow(width: int, height: int, seed: int, noisy: bool) -> None:
    """Noise and flat colour, any size."""
    random_ = random.Random(seed)
    rgb = random_.randbytes(width * height * 3) if noisy else bytes([7, 200, 30]) * (width * height)
    picture = Image.open(io.BytesIO(encode_png(rgb, width, height)))
    assert picture.size == (width, height)
    assert picture.mode == "RGB"
    assert picture.tobytes() == rgb


@pytest.mark.parametrize(("width", "height"), [(1024, 700), (511, 1500), (1, 400_001), (400_001, 2), (2048, 2048)])
def test_pixels_of_large_pictures_come_back(width: int, height: int) -> None:
    """They are packed in bands side by side, each with the filter that suits it: flat, soft, and noise."""
    random = numpy.random.default_rng(width)
    size = width * height * 3
    soft = (numpy.arange(size // 3) // 40 % 256).astype(numpy.uint8)
    pixels = numpy.concatenate(
        [numpy.full(size // 3, 9, numpy.uint8), soft, random.integers(0, 256, size - 2 * (size // 3), numpy.uint8)]
    )
    file = encode_png(pixels.tobytes(), width, height)
    assert file == encode_png(pixels.tobytes(), width, height)
    picture = Image.open(io.BytesIO(file))
    assert picture.size == (width, height)
    assert picture.tobytes() == pixels.tobytes()


def test_a_picture_like_a_photograph_is_hardly_larger_than_pillow_makes_it() -> None:
    """A fifth is what the benchmark of delivery allows."""
    rgb = natural_rgb(1024)
    theirs = io.BytesIO()
    Image.frombytes("RGB", (1024, 1024), rgb).save(theirs, "PNG")
    assert len(encode_png(rgb, 1024, 1024)) <= 1.2 * len(theirs.getvalue())


def test_words_are_read_back_by_pillow_and_by_us() -> None:
    """Latin-1 goes as A1111 writes it, anything else as international text."""
    texts = {"parameters": "a red circle\nSteps: 4", "other": "红色的圆 🔴"}
    png = encode_png(bytes(12), 2, 2, texts)
    assert read_texts(png) == texts
    picture = Image.open(io.BytesIO(png))
    picture.load()
    assert {key: str(value) for key, value in picture.info.items()} == texts


def test_the_wrong_number_of_pixels_is_refused() -> None:
    """A picture is never padded or cut."""
    with pytest.raises(ValueError, match="11 bytes"):
        encode_png(bytes(11), 2, 2)
