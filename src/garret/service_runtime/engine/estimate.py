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

from garret.service_runtime.engine.layout import Layout, Origin

# Skip connections, the feed-forward's inner states and what convolutions need beside them.
_DENOISE_FACTOR = 24
# States of the decoder's last level before and after a convolution, normalised, and the convolution's own memory.
_DECODE_FACTOR = 6
ROOM = 512 << 20
"""What the device's own libraries take beside everything counted here."""
TILE = 512
"""The side in pixels of the tiles that a picture is decoded in when memory is short."""


@dataclass(frozen=True)
class Work:
    """What a batch asks for: its largest side lengths in pixels, its pictures, and whether each is asked for twice."""

    width: int
    height: int
    pictures: int = 1
    guided: bool = True


def weights_of(layout: Layout, dtype: torch.dtype) -> int:
    """Return the bytes of a checkpoint's weights in a type."""
    origins = [layout.unet, layout.vae, layout.text_encoder_2, *filter(None, [layout.text_encoder])]
    if all(origin.files == layout.unet.files for origin in origins):
        return sum(entry_count(entry.shape) for entry in layout.unet.files[0].entries.values()) * dtype.itemsize
    return sum(_origin_bytes(origin, dtype) for origin in origins)


def denoise_bytes(unet: Mapping[str, Any], scale: int, work: Work, itemsize: int) -> int:
    """Return what one step of denoising needs beside weights."""
    cells = (work.width // scale) * (work.height // scale)
    rows = work.pictures * (2 if work.guided else 1)
    return int(unet["block_out_channels"][0]) * cells * rows * itemsize * _DENOISE_FACTOR


def decode_bytes(vae: Mapping[str, Any], work: Work, itemsize: int) -> int:
    """Return what decoding one picture needs beside weights; one is decoded after another."""
    channels = vae["block_out_channels"]
    return int(channels[min(1, len(channels) - 1)]) * work.width * work.height * itemsize * _DECODE_FACTOR


def entry_count(shape: tuple[int, ...]) -> int:
    """Return how many numbers a tensor of this shape holds."""
    return torch.Size(shape).numel()


def _origin_bytes(origin: Origin, dtype: torch.dtype) -> int:
    return sum(entry_count(entry.shape) for file in origin.files for entry in file.entries.values()) * dtype.itemsize
