"""The UNet's matrix products in 8-bit floating point, only when it is asked for: faster, and another picture.

Weights and activations are E4M3 with a scale for each row (https://arxiv.org/abs/2209.05433); the sums are not.
Convolutions stay as they are. Needs a GPU of compute capability 8.9 or above: L4, L20, L40S, H20, H100, H200.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from garret.service_runtime.errors import BadRequest

KIND = torch.float8_e4m3fn
CAPABILITY = (8, 9)
_LARGEST = torch.finfo(KIND).max


def check_fp8(device: torch.device) -> None:
    """Refuse what this device cannot do.

    Raises:
        BadRequest: names the field, and what can.
    """
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < CAPABILITY:
        reason = "this device has no 8-bit floating point; GPUs from Ada on have (L4, L20, L40S, H20, H100)"
        raise BadRequest("shortcuts.fp8", reason, "Ask without it")


def to_eight_bits(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return a matrix in 8 bits and the scale of each of its rows [rows, 1]."""
    largest = values.abs().amax(dim=-1, keepdim=True).float().clamp(min=1e-12)
    scale = largest / _LARGEST
    return (values.float() / scale).clamp(-_LARGEST, _LARGEST).to(KIND), scale


class EightBits:
    """What a linear layer does instead, while it lasts."""

    def __init__(self, layer: nn.Linear) -> None:
        self._weight, self._scale = to_eight_bits(layer.weight.data)
        self._bias = layer.bias

    def __call__(self, states: Tensor) -> Tensor:
        """Return states times the weight, in the states' type."""
        flat = states.reshape(-1, states.shape[-1])
        rows, scale = to_eight_bits(flat)
        # Scales for rows come with sums in bfloat16 and no other type.
        product = torch._scaled_mm(rows, self._weight.t(), scale, self._scale.t(), out_dtype=torch.bfloat16)
        product = product.to(states.dtype).reshape(*states.shape[:-1], -1)
        return product if self._bias is None else product + self._bias


@contextmanager
def eight_bits(unet: nn.Module) -> Iterator[None]:
    """Have a UNet's linear layers work in 8 bits inside the block; those with odd sizes go on as ever."""
    layers = [layer for layer in unet.modules() if isinstance(layer, nn.Linear) and fits(layer)]
    try:
        for layer in layers:
            layer.forward = EightBits(layer)
        yield
    finally:
        for layer in layers:
            vars(layer).pop("forward", None)


def fits(layer: nn.Linear) -> bool:
    """Say whether the device's 8-bit product takes a layer's sizes, and whether it is large enough to gain from it."""
    return layer.in_features % 16 == 0 and layer.out_features % 16 == 0 and layer.in_features >= 512
