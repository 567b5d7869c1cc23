"""Attention whose query, key and value are one matrix product: fewer kernels to start, the same numbers.

The three weights stay three, as views of one buffer: whoever changes one of them in place, as LoRAs do, changes what is
multiplied with. Moving them elsewhere parts them from it, so they are joined again after every move.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import nn
from torch.nn import functional


class PlainAttention:
    """diffusers' processor for one attention of SDXL's UNet: no masks, no norms inside, no biases on the three."""

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,  # noqa: ARG002  (diffusers passes it by position)
        **_: Any,
    ) -> torch.Tensor:
        """Return [rows, tokens, width]."""
        told = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        return attend(attn, attn.to_q(hidden_states), attn.to_k(told), attn.to_v(told))


class FusedAttention:
    """The same with the three weights, or those of key and value, as one."""

    def __init__(self, joined: torch.Tensor, itself: bool) -> None:
        self._joined = joined
        self._itself = itself

    def joins(self, attention: Any) -> bool:
        """Say whether an attention's weights still are the buffer's."""
        first = attention.to_q if self._itself else attention.to_k
        place: int = first.weight.data_ptr()
        return place == self._joined.data_ptr()

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,  # noqa: ARG002  (diffusers passes it by position)
        **_: Any,
    ) -> torch.Tensor:
        """Return [rows, tokens, width]."""
        if self._itself:
            query, key, value = functional.linear(hidden_states, self._joined).chunk(3, dim=-1)
        else:
            query = attn.to_q(hidden_states)
            key, value = functional.linear(encoder_hidden_states, self._joined).chunk(2, dim=-1)
        return attend(attn, query, key, value)


def attend(attn: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Return what an attention makes of its three, each [rows, tokens, width]."""
    query, key, value = (one.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for one in (query, key, value))
    seen = functional.scaled_dot_product_attention(query, key, value)
    result: torch.Tensor = attn.to_out[0](seen.transpose(1, 2).flatten(-2))
    return result


for _kind in (PlainAttention, FusedAttention):
    # diffusers asks for it at every call; worked out anew each time it costs a seventh of a step of the demo model.
    _kind.__call__.__signature__ = inspect.signature(_kind.__call__)  # type: ignore[union-attr]


def fuse(unet: nn.Module) -> None:
    """Join the weights of every attention of a UNet that are not joined, and have it use them so."""
    for attention in attentions_of(unet):
        itself = not attention.is_cross_attention
        processor = attention.processor
        if isinstance(processor, FusedAttention) and processor.joins(attention):
            continue
        layers = [attention.to_q, attention.to_k, attention.to_v] if itself else [attention.to_k, attention.to_v]
        joined = torch.cat([layer.weight.data for layer in layers])
        for layer, part in zip(layers, joined.split([len(layer.weight) for layer in layers]), strict=True):
            layer.weight.data = part
        attention.set_processor(FusedAttention(joined, itself))


def part(unet: nn.Module) -> None:
    """Have every attention use its three weights by themselves; they may be moved then."""
    for attention in attentions_of(unet):
        if not isinstance(attention.processor, PlainAttention):
            attention.set_processor(PlainAttention())


def attentions_of(unet: nn.Module) -> list[Any]:
    """Return the attentions whose three weights have no biases; SDXL's and its refiner's all are so."""
    found: list[Any] = [module for module in unet.modules() if type(module).__name__ == "Attention"]
    return [attention for attention in found if attention.to_k is not None and attention.to_k.bias is None]
