"""Pictures at another size, cut to a part of it: the same as all of it would be, and only that much of it is made."""

from __future__ import annotations

import pytest

from garret.service_runtime.pictures.resize import covered

numpy = pytest.importorskip("numpy")
Image = pytest.importorskip("PIL.Image")
_FILTERS = {"Lanczos": "LANCZOS", "Bicubic": "BICUBIC", "Nearest": "NEAREST", "None": "NEAREST"}


@pytest.mark.parametrize("name", _FILTERS)
@pytest.mark.parametrize(
    ("before", "whole", "size"),
    [
        ((40, 30), (80, 60), (80, 60)),
        ((40, 30), (107, 80), (80, 80)),
        ((41, 97), (300, 709), (300, 301)),
        ((200, 120), (50, 30), (31, 30)),
        ((40, 30), (40, 30), (20, 30)),
    ],
)
def test_a_part_is_what_is_cut_from_the_whole(
    name: str, before: tuple[int, int], whole: tuple[int, int], size: tuple[int, int]
) -> None:
    """Larger, smaller, or as it is; to a level of 255."""
    rows = numpy.random.default_rng(5).integers(0, 256, (before[1], before[0], 3), numpy.uint8)
    picture = Image.fromarray(rows)
    left, top = (whole[0] - size[0]) // 2, (whole[1] - size[1]) // 2
    all_of_it = picture.resize(whole, Image.Resampling[_FILTERS[name]])
    wanted = numpy.asarray(all_of_it.crop((left, top, left + size[0], top + size[1]))).astype(int)
    made = numpy.asarray(covered(picture, whole, size, name)).astype(int)
    assert made.shape == wanted.shape
    assert abs(made - wanted).max() <= 1


def test_a_strip_that_covers_a_square_costs_no_more_than_the_square() -> None:
    """As a whole it would have 2^46 pixels."""
    assert covered(Image.new("RGB", (64, 1)), (1 << 26, 1 << 20), (64, 64)).size == (64, 64)
