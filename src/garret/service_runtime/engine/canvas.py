"""What a batch begins from where that is a picture: its latents, what of it is repainted, and how it is put back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from garret.service_runtime.batch import Batch
from garret.service_runtime.engine.parts import Parts
from garret.service_runtime.errors import BadRequest

if TYPE_CHECKING:
    from garret.service_runtime.engine.walk import Walk

Blend = Callable[[int, Tensor], Tensor]


@dataclass(frozen=True)
class Canvas:
    """A picture to begin from.

    `latents` [1 or pictures, channels, height, width] are clean and scaled as the UNet's; `mask`, 1 where it repaints,
    has their height and width. `finish` puts a finished picture (height x width x 3, uint8) back where it was cut from.
    """

    latents: Tensor
    mask: Tensor | None = None
    finish: Callable[[Any], Any] | None = None

    def begin(self, walk: Walk, noise: Tensor) -> Tensor:
        """Return the latents to begin with: the picture's, with the noise of the walk's first level."""
        return walk.begin(noise, self.latents)

    def blending(self, walk: Walk, noise: Tensor) -> Blend | None:
        """Return what keeps the unmasked part as it was after each step, or None without a mask."""
        if self.mask is None:
            return None
        kept, mask = self.latents, self.mask

        def blend(i: int, latents: Tensor) -> Tensor:
            return kept_at(i) * (1 - mask) + latents * mask

        def kept_at(i: int) -> Tensor:
            return walk.noised(kept, noise, i + 1)

        return blend


def open_canvas(parts: Parts, batch: Batch, *, tiled: bool = False) -> Canvas | None:  # noqa: ARG001
    """Return the picture that a batch begins from, or None; the VAE must be on the device."""
    if batch.request.start is not None:
        raise BadRequest("start", "image-to-image is not there yet")
    return None
