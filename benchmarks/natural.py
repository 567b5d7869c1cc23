"""A picture with the entropy of a photograph, made of smooth noise at every scale and a little grain."""

from __future__ import annotations

import numpy


def natural_rgb(side: int, seed: int = 1) -> bytes:
    """Return side x side x 3 bytes of RGB; `side` is a power of two."""
    random = numpy.random.default_rng(seed)
    total = numpy.zeros((side, side, 3))
    cells = 2
    while cells <= side:
        # The amplitudes of photographs fall with the frequency.
        noise = random.standard_normal((cells, cells, 3))
        total += numpy.repeat(numpy.repeat(noise, side // cells, 0), side // cells, 1) / cells**0.9
        cells *= 2
    for axis in (0, 1):
        total = (numpy.roll(total, 1, axis) + 2 * total + numpy.roll(total, -1, axis)) / 4
    total = (total - total.min()) / (total.max() - total.min()) * 250
    grain = random.normal(0, 1.0, total.shape)
    return bytes(numpy.clip(total + grain, 0, 255).astype(numpy.uint8).tobytes())
