"""What a batch begins from where that is a picture: its latents, what of it is repainted, and how it is put back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from garret.service_runtime.asked import Start
from garret.service_runtime.batch import Batch
from garret.service_runtime.engine import decode
from garret.service_runtime.engine.parts import Parts
from garret.service_runtime.errors import ModelError

if TYPE_CHECKING:
    # A worker is ready sooner without Pillow: it comes with the first picture that is begun from.
    import PIL.Image

    from garret.service_runtime.canvas.canvas import Canvas as Layout
    from garret.service_runtime.engine.walk import Walk

Blend = Callable[[int, Tensor], Tensor]


@dataclass(frozen=True)
class Canvas:
    """A picture to begin from.

    `latents` [1, channels, height, width] are clean and scaled as the UNet's; `mask` [1, 1, height, width] says how
    much of them is made anew, 0 to 1. All pictures of a batch begin from the same ones.
    """

    start: Start
    layout: Layout
    latents: Tensor
    mask: Tensor | None = None

    def begin(self, walk: Walk, noise: Tensor) -> Tensor:
        """Return the latents that a walk begins with, for each picture's own noise."""
        noise = noise * self.start.noise
        return walk.begin(noise, self._filled(noise))

    def blending(self, walk: Walk, noise: Tensor, before: int = 0, steps: int = 0) -> Blend | None:
        """Return what keeps the rest as it was, with the noise of each step, or None without a mask.

        A soft mask gives every shade that share of the steps: what is grey is held until the last of them (Levin and
        Fried, "Differential Diffusion", 2023). An even mixture at every step would leave next to nothing of the new.
        `before` steps of `steps` are another walk's; without them this one is all.
        """
        if self.mask is None:
            return None
        kept, mask, noise, steps = self.latents, self.mask, noise * self.start.noise, steps or walk.total_steps

        def blend(i: int, latents: Tensor) -> Tensor:
            left = steps - 1 - before - walk.step_of[i]
            return torch.where(mask * steps <= left, walk.noised(kept, noise, i + 1).to(latents), latents)

        return blend

    def finish(self, painted: Any) -> Any:
        """Return a finished picture (height x width x 3 bytes) put back where its part was cut from."""
        from garret.service_runtime.canvas.canvas import put_back

        return put_back(self.layout, painted)

    def _filled(self, noise: Tensor) -> Tensor:
        """Return the latents with what the mask's fill puts into it."""
        asked = self.start.mask
        if self.mask is None or asked is None or asked.fill not in ("noise", "nothing"):
            return self.latents.expand_as(noise)
        inside = noise if asked.fill == "noise" else torch.zeros_like(noise)
        return torch.lerp(self.latents.expand_as(noise), inside.to(self.latents), self.mask)


def open_canvas(parts: Parts, batch: Batch, *, tiled: bool = False) -> Canvas | None:
    """Return the picture that a batch begins from, or None; the VAE must be on the device.

    Raises:
        ModelError: the picture's file is gone.
    """
    asked, used = batch.request, batch.used
    if asked.start is None:
        return None
    layout = _laid_out(used.start, used.mask, asked.start, asked.width, asked.height)
    latents = encode(parts.vae, layout.picture, tiled=tiled)
    size = (asked.height // parts.scale, asked.width // parts.scale)
    if latents.shape[-2:] != size:  # only where the latents are to be resized instead of the picture
        latents = torch.nn.functional.interpolate(latents, size, mode="bilinear", antialias=True)
    repaint = None
    if layout.repaint is not None:
        repaint = torch.from_numpy(layout.repaint)[None, None].to(latents.device)
    return Canvas(asked.start, layout, latents, repaint)


@lru_cache(maxsize=2)
def _laid_out(picture: str, mask: str, start: Start, width: int, height: int) -> Layout:
    """Return the layout of files, which never change: their names are digests. Batches of one job share it."""
    from garret.service_runtime.canvas.canvas import lay_out

    return lay_out(_read(picture).convert("RGB"), _read(mask) if mask else None, start, width, height)


def encode(vae: Any, picture: PIL.Image.Image, *, tiled: bool = False) -> Tensor:
    """Return a picture's latents [1, channels, height, width] in full precision, scaled as the UNet's.

    The most likely ones, not a sample of them: the same picture gives the same latents for any seed and batch.
    """
    import numpy

    pixels = torch.from_numpy(numpy.asarray(picture).copy()).to(next(vae.encoder.parameters()).device)
    return decode.encode(vae, pixels.permute(2, 0, 1)[None].float() / 127.5 - 1, tiled=tiled)


def read_rows(path: str) -> Any:
    """Return a stored picture as rows of bytes, height x width x 3.

    Raises:
        ModelError: its file is gone.
    """
    import numpy

    return numpy.asarray(_read(path).convert("RGB"))


def _read(path: str) -> PIL.Image.Image:
    import PIL.Image

    try:
        with PIL.Image.open(path, formats=("PNG",)) as picture:
            picture.load()
            return picture
    except OSError as error:
        raise ModelError(f"the picture to begin from cannot be read: {error.strerror or error}") from error
