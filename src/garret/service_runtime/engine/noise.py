"""Noise by seed, one generator per picture on the CPU: the same alone, in a batch, on any device and worker."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from garret.service_runtime.asked import Variation

PIXELS = 8
"""Pixels to a side of one latent."""


class Noises:
    """The noise of a batch: the first of each picture, and what samplers draw after it, in their order."""

    def __init__(
        self,
        seeds: Sequence[int],
        device: torch.device | str = "cpu",
        *,
        variation: Variation | None = None,
        variation_seeds: Sequence[int] = (),
    ) -> None:
        self._seeds = tuple(seeds)
        self._device = torch.device(device)
        self._variation = variation or Variation()
        self._variation_seeds = tuple(variation_seeds) or self._seeds
        self._generators = [_generator(seed) for seed in self._seeds]

    def first(self, shape: Sequence[int]) -> torch.Tensor:
        """Return the first noise, float32 of the batch's size and this shape (channels, height, width in latents)."""
        made = self._empty(shape)
        for index, generator in enumerate(self._generators):
            made[index] = self._first(index, tuple(shape), generator)
        return self._moved(made)

    def next(self, like: torch.Tensor) -> torch.Tensor:
        """Return fresh noise for latents, without waiting for the device."""
        made = self._empty(like.shape[1:])
        for picture, generator in zip(made, self._generators, strict=True):
            picture.normal_(generator=generator)
        return self._moved(made)

    def _first(self, index: int, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
        other = self._variation
        drawn = torch.randn(shape, generator=generator)
        inner = (shape[0], other.from_height // PIXELS or shape[1], other.from_width // PIXELS or shape[2])
        # Another size's noise is that of the same seed at that size; what lies outside it is this size's own.
        noise = drawn if inner == shape else torch.randn(inner, generator=_generator(self._seeds[index]))
        if other.strength:
            more = torch.randn(inner, generator=_generator(self._variation_seeds[index]))
            noise = blend(noise, more, other.strength)
        return noise if inner == shape else put_into(drawn, noise)

    def _empty(self, shape: Sequence[int]) -> torch.Tensor:
        # Pinned, the copy to the device is only queued; the allocator keeps the memory until it is done.
        return torch.empty((len(self._seeds), *shape), pin_memory=self._device.type == "cuda")

    def _moved(self, made: torch.Tensor) -> torch.Tensor:
        return made.to(self._device, non_blocking=True)


def blend(one: torch.Tensor, other: torch.Tensor, share: float) -> torch.Tensor:
    """Return noise that lies the share of the way from one to the other on their sphere, so that it is noise again."""
    cosine = float(torch.dot(one.flatten(), other.flatten()) / (one.norm() * other.norm()))
    if abs(cosine) > 0.9995:
        return one.lerp(other, share)
    angle = math.acos(cosine)
    near, far = (math.sin(part * angle) / math.sin(angle) for part in (1 - share, share))
    return one * near + other * far


def put_into(whole: torch.Tensor, inner: torch.Tensor) -> torch.Tensor:
    """Return `whole` with `inner` in its middle; what is larger than it is cut at the sides alike."""
    result = whole.clone()
    places = []
    for large, small in zip(whole.shape[1:], inner.shape[1:], strict=True):
        length = min(large, small)
        places.append((max(large - small, 0) // 2, max(small - large, 0) // 2, length))
    (top, from_top, height), (left, from_left, width) = places
    cut = inner[:, from_top : from_top + height, from_left : from_left + width]
    result[:, top : top + height, left : left + width] = cut
    return result


def _generator(seed: int) -> torch.Generator:
    return torch.Generator("cpu").manual_seed(seed)
