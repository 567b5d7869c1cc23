"""How much memory a batch will need, in bytes, told from headers and configurations before anything is loaded.

Weights are counted exactly. What the work itself needs is so many times one state of the first, largest level: 16.3
times for the UNet and 3.8 times for the decoder at their peaks, counted over every tensor that lives at once when the
full-size models run on PyTorch's meta device with attention that keeps no matrix. The factors below add half of that
for what convolutions take beside it and for memory in pieces.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from garret.service_runtime.engine.layout import Layout
from garret.service_runtime.request import ImageRequest

# Skip connections, the feed-forward's inner states and what convolutions need beside them.
_DENOISE_FACTOR = 24
# States of the decoder's last level before and after a convolution, normalised, and the convolution's own memory.
_DECODE_FACTOR = 6
ROOM = 512 << 20
"""What the device's own libraries take beside everything counted here."""


@dataclass(frozen=True)
class Weighed:
    """What a checkpoint's headers and configurations say: the bytes of its weights, and what its work depends on."""

    weights: int
    unet: Mapping[str, Any]
    vae: Mapping[str, Any]


def weigh(layout: Layout, dtype: torch.dtype) -> Weighed:
    """Weigh a checkpoint whose weights will have a type."""
    return Weighed(weights_of(layout, dtype), dict(layout.unet.config), dict(layout.vae.config))


def weights_of(layout: Layout, dtype: torch.dtype) -> int:
    """Return the bytes of a checkpoint's weights in a type."""
    origins = [layout.unet, layout.vae, layout.text_encoder_2, *filter(None, [layout.text_encoder])]
    files = {file.path: file for origin in origins for file in origin.files}
    return sum(_count(entry.shape) for file in files.values() for entry in file.entries.values()) * dtype.itemsize


def work_bytes(
    weighed: Weighed, request: ImageRequest, pictures: int, dtype: torch.dtype, *, overlapping: bool = False
) -> int:
    """Return what a request needs beside weights at its highest point, the step or the decoding of its largest size.

    A batch of pictures is denoised at once and decoded one by one; `overlapping` is that the batch before is decoded
    meanwhile.
    """
    vae = weighed.vae
    width, height = request.painted_size
    rows = pictures * (2 if request.cfg_scale > 1 else 1)
    full = dtype == torch.float16 and vae.get("force_upcast", True)
    step = denoise_bytes(weighed.unet, vae, width * height * rows, dtype.itemsize)
    decoding = decode_bytes(vae, width * height, 4 if full else dtype.itemsize)
    return step + decoding if overlapping else max(step, decoding)


def denoise_bytes(unet: Mapping[str, Any], vae: Mapping[str, Any], pixels: int, itemsize: int) -> int:
    """Return what one step of denoising needs beside weights; `pixels` counts every row of the UNet's batch."""
    cells = pixels // 4 ** (len(vae["block_out_channels"]) - 1)
    return int(unet["block_out_channels"][0]) * cells * itemsize * _DENOISE_FACTOR


def decode_bytes(vae: Mapping[str, Any], pixels: int, itemsize: int) -> int:
    """Return what decoding one picture needs beside weights."""
    channels = vae["block_out_channels"]
    return int(channels[min(1, len(channels) - 1)]) * pixels * itemsize * _DECODE_FACTOR


def bytes_of(module: nn.Module) -> int:
    """Return the bytes of a module's weights."""
    return sum(parameter.numel() * parameter.element_size() for parameter in module.parameters())


def _count(shape: tuple[int, ...]) -> int:
    return torch.Size(shape).numel()
