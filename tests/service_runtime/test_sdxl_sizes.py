"""SDXL's own sizes, and every multiple of 8 from 256, are sizes that a request may have."""

from __future__ import annotations

from pathlib import Path

import pytest

from garret.service_runtime.limits import MAXIMUM_SIDE
from garret.service_runtime.sdxl_sizes import SDXL_SIZES
from tests.service_runtime.asking import ask


def test_there_are_twenty_six_of_about_a_megapixel() -> None:
    """In order of their shapes, none twice."""
    assert len(set(SDXL_SIZES)) == 26
    assert all(0.89 < width * height / 1024**2 < 1.02 for width, height in SDXL_SIZES)
    assert all(width % 64 == height % 64 == 0 for width, height in SDXL_SIZES)
    assert list(SDXL_SIZES) == sorted(SDXL_SIZES, key=lambda size: size[0] / size[1])


def test_the_manual_lists_them() -> None:
    """In the same order, so that somebody can choose one."""
    text = (Path(__file__).parents[2] / "docs" / "engine.md").read_text(encoding="utf-8")
    assert " · ".join(f"{width}\u00d7{height}" for width, height in SDXL_SIZES) in " ".join(text.split())


@pytest.mark.parametrize("size", [*SDXL_SIZES, *((side, side) for side in range(256, MAXIMUM_SIDE + 1, 8))], ids=str)
def test_each_can_be_asked_for(size: tuple[int, int]) -> None:
    """By any door, since all of them come to this record."""
    request = ask(width=size[0], height=size[1])
    assert (request.width, request.height) == size
