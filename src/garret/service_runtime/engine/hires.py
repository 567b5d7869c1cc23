"""The second pass at a larger size: what it begins from, and how many steps it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from garret.service_runtime.asked import LATENT_UPSCALERS, PICTURE_UPSCALERS, Hires
from garret.service_runtime.engine.decode import encode, pixels, to_bytes
from garret.service_runtime.engine.refine import kept
from garret.service_runtime.pictures.resize import covered

Grow = Callable[[Any, tuple[int, int]], Any]
"""Makes a picture (height x width x 3 bytes) larger until it covers a width and height, and cuts it to them."""
MAXIMUM_LEVELS = 1000
"""As many as SDXL was trained with."""


def enlarge(
    latents: Tensor,
    hires: Hires,
    size: tuple[int, int],
    scale: int,
    vae: Any,
    *,
    tiled: bool,
    grow: Grow | None = None,
) -> Tensor:
    """Return latents for pictures of a width and height in pixels, `scale` of which are one latent.

    Latents are enlarged themselves or, by another upscaler, the pictures that they stand for; what another shape has
    too much is cut off on both sides. The VAE must be on the device for the latter. `grow` is a network's work.
    """
    width, height = size
    if hires.upscaler in LATENT_UPSCALERS:
        mode, smooth = LATENT_UPSCALERS[hires.upscaler]
        return cover(latents, width // scale, height // scale, mode, antialias=smooth)
    larger = []
    for one in latents.split(1):
        picture = pixels(vae, one, tiled=tiled)
        if grow is not None:
            picture = to_values(grow(to_bytes(picture), size), picture)
        else:
            picture = enlarge_picture(picture, hires.upscaler, width, height)
        larger.append(encode(vae, picture, tiled=tiled))
    return torch.cat(larger)


def enlarge_picture(picture: Tensor, upscaler: str, width: int, height: int) -> Tensor:
    """Return a picture [1, 3, height, width] from -1 to 1 at another size."""
    if upscaler == "Lanczos":
        return cover_by_lanczos(picture, width, height)
    mode, smooth = PICTURE_UPSCALERS[upscaler]
    return cover(picture, width, height, mode, antialias=smooth)


def cover(values: Tensor, width: int, height: int, mode: str, *, antialias: bool) -> Tensor:
    """Return values [pictures, channels, height, width] enlarged until they cover a size, and cut to it."""
    wide, high = covering(values, width, height)
    options = {"antialias": antialias} if mode in ("bilinear", "bicubic") else {}
    larger = interpolate(values.float(), size=(high, wide), mode=mode, **options)
    left, top = (wide - width) // 2, (high - height) // 2
    return larger[:, :, top : top + height, left : left + width]


def cover_by_lanczos(picture: Tensor, width: int, height: int) -> Tensor:
    """Do the same by Pillow, whose filter torch has not."""
    # Only this upscaler pays for the import.
    import numpy
    from PIL import Image

    rows = ((picture[0].float().clamp(-1, 1) / 2 + 0.5) * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    larger = covered(Image.fromarray(rows), covering(picture, width, height), (width, height))
    return to_values(numpy.array(larger), picture)


def to_values(rows: Any, like: Tensor) -> Tensor:
    """Return a picture [1, 3, height, width] from -1 to 1 of rows of bytes, on the device of another one."""
    import numpy

    values = torch.from_numpy(numpy.array(rows)).permute(2, 0, 1)[None].float() / 127.5 - 1
    return values.to(like.device)


def covering(values: Tensor, width: int, height: int) -> tuple[int, int]:
    """Return the width and height in the values' own proportions that cover a size."""
    before_high, before_wide = values.shape[-2:]
    scale = max(width / before_wide, height / before_high)
    return max(width, round(before_wide * scale)), max(height, round(before_high * scale))


def steps_of(hires: Hires, steps: int) -> tuple[int, float]:
    """Return the steps to divide all noise levels by, and the share of them that makes as many as were asked for.

    A1111 counts so: `Hires.steps`, or as many as the first pass has, are really made, however little is denoised.
    """
    wanted = hires.steps or steps
    share = min(hires.denoise, 0.999)
    if share <= 0:
        return wanted, 0.0
    whole = max(wanted, int(wanted / share))
    if whole > MAXIMUM_LEVELS:
        return MAXIMUM_LEVELS, max(share, 1 / MAXIMUM_LEVELS)
    return whole, kept(wanted, whole)
