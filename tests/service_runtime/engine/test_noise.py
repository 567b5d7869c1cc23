"""Noise by seed: variations, other sizes, batches."""

from __future__ import annotations

import pytest

from garret.service_runtime.asked import Variation

torch = pytest.importorskip("torch")
from garret.service_runtime.engine.noise import Noises  # noqa: E402

SHAPE = (4, 8, 12)


def test_a_seed_is_its_noise() -> None:
    """The first of a generator on the CPU, as diffusers draws it, and what comes after."""
    noises = Noises([3, 4])
    first = noises.first(SHAPE)
    plain = torch.Generator().manual_seed(4)
    assert torch.equal(first[1], torch.randn(SHAPE, generator=plain))
    assert torch.equal(noises.next(first)[1], torch.randn(SHAPE, generator=plain))


def test_a_variation_goes_from_one_seeds_noise_to_the_others() -> None:
    """In between it is noise of the same strength, nearer the nearer one."""
    one, other = Noises([3]).first(SHAPE), Noises([9]).first(SHAPE)

    def varied(strength: float) -> torch.Tensor:
        return Noises([3], variation=Variation(9, strength), variation_seeds=[9]).first(SHAPE)

    assert torch.equal(varied(0.0), one)
    assert torch.allclose(varied(1.0), other, atol=1e-5)
    assert abs(float(varied(0.5).std()) - 1) < 0.1
    assert (varied(0.1) - one).norm() < (varied(0.3) - one).norm() < (varied(0.9) - one).norm()
    assert torch.allclose(Noises([3], variation=Variation(3, 0.4), variation_seeds=[3]).first(SHAPE), one)


def test_noise_of_another_size_lies_in_the_middle() -> None:
    """A wider picture of a seed has the smaller one's noise in it, a narrower one the middle of it."""
    small = Noises([3]).first((4, 8, 8))
    wide = Noises([3], variation=Variation(from_width=64, from_height=64)).first((4, 8, 16))
    assert torch.equal(wide[..., 4:12], small)
    narrow = Noises([3], variation=Variation(from_width=64, from_height=64)).first((4, 8, 4))
    assert torch.equal(narrow, small[..., 2:6])
    tall = Noises([3], variation=Variation(from_width=64, from_height=64)).first((4, 10, 4))
    assert torch.equal(tall[:, :, 1:9], small[..., 2:6])
