"""From latents to pixels, one picture at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor


def decode(vae: Any, latents: Tensor, *, tiled: bool = False) -> Iterator[Any]:
    """Yield each picture as an array of bytes, height x width x 3.

    One at a time through the decoder, whose memory would else bound the batch.
    """
    vae.use_tiling = tiled
    for one in latents.split(1):
        yield to_bytes(pixels(vae, one))


def pixels(vae: Any, latents: Tensor) -> Tensor:
    """Return pictures [pictures, 3, height, width] from -1 to 1, or a little beyond."""
    config = vae.config
    values = latents.to(vae.dtype) / config.scaling_factor
    if config.get("latents_mean") and config.get("latents_std"):
        mean, std = (
            torch.tensor(config[name]).view(1, -1, 1, 1).to(values) for name in ("latents_mean", "latents_std")
        )
        values = values * std + mean
    decoded: Tensor = vae.decode(values, return_dict=False)[0]
    return decoded


def to_bytes(picture: Tensor) -> Any:
    """Return one picture [1, 3, height, width] as an array of bytes, height x width x 3."""
    levels = ((picture[0].float() / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
    return levels.permute(1, 2, 0).contiguous().cpu().numpy()
