"""From latents to pixels, one picture at a time, and back."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor


def decode(vae: Any, latents: Tensor, *, tiled: bool = False) -> Iterator[Any]:
    """Yield each picture as an array of bytes, height x width x 3.

    One at a time through the decoder, whose memory would else bound the batch; in tiles it needs that of one tile.
    """
    for one in latents.split(1):
        yield to_bytes(pixels(vae, one, tiled=tiled))


def pixels(vae: Any, latents: Tensor, *, tiled: bool = False) -> Tensor:
    """Return pictures [pictures, 3, height, width] from -1 to 1, or a little beyond, in the VAE's own precision.

    A VAE that overflows in half precision is loaded in full; nothing is converted here.
    """
    mean, deviation = spread(vae, latents)
    values = (latents * deviation + mean).to(vae.dtype)
    decoded: Tensor = tile(vae, tiled).decode(values, return_dict=False)[0]
    return decoded


def encode(vae: Any, pictures: Tensor, *, tiled: bool = False) -> Tensor:
    """Return the latents of pictures [pictures, 3, height, width] from -1 to 1: the mean of what the VAE makes of them.

    One at a time, in full precision and scaled as the UNet's.
    """
    own = tile(in_full_precision(vae), tiled)
    found = torch.cat([own.encode(one.float()).latent_dist.mode() for one in pictures.split(1)])
    mean, deviation = spread(vae, found)
    return (found - mean) / deviation


def in_full_precision(vae: Any) -> Any:
    """Return the VAE with an encoder in full precision, which in half would overflow.

    A copy, of a twentieth of a checkpoint: the decoder may be at work for the batch before in another thread.
    """
    own = copy.copy(vae)
    own._modules = dict(vae._modules)
    for name in ("encoder", "quant_conv"):
        module = own._modules.get(name)
        if module is not None and next(module.parameters()).dtype != torch.float32:
            own._modules[name] = copy.deepcopy(module).float()
    return own


def spread(vae: Any, like: Tensor) -> tuple[Tensor | float, Tensor | float]:
    """Return mean and deviation of a VAE's own latents; the UNet's are scaled to none and one."""
    config = vae.config
    if not (config.get("latents_mean") and config.get("latents_std")):
        return 0.0, 1 / config.scaling_factor
    mean, deviation = (
        torch.tensor(config[name]).view(1, -1, 1, 1).to(like) for name in ("latents_mean", "latents_std")
    )
    return mean, deviation / config.scaling_factor


def tile(vae: Any, tiled: bool) -> Any:
    """Return the VAE, told whether to work in tiles."""
    if tiled:
        vae.enable_tiling()
    else:
        vae.disable_tiling()
    return vae


def to_bytes(picture: Tensor) -> Any:
    """Return one picture [1, 3, height, width] as an array of bytes, height x width x 3."""
    levels = ((picture[0].float() / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
    return levels.permute(1, 2, 0).contiguous().cpu().numpy()
