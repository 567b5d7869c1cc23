"""CLIP's text encoder in plain torch: the weights' names and the results are those of transformers' CLIPTextModel.

Importing transformers takes longer than everything else a worker does before its first picture; what SDXL needs of it
is the module below. The model is that of https://arxiv.org/abs/2103.00020, section 2.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional


@dataclass(frozen=True)
class TextStates:
    """What an encoder makes of [pictures, tokens] ids.

    `hidden_states` are [pictures, tokens, width] after the embedding and after each layer, not normalised;
    `pooled` is the normalised state at the text's end, projected where the encoder has a projection.
    """

    hidden_states: tuple[torch.Tensor, ...]
    last_hidden_state: torch.Tensor
    pooled: torch.Tensor


class Embeddings(nn.Module):
    """Tokens and places as vectors."""

    def __init__(self, vocabulary: int, places: int, width: int) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(vocabulary, width)
        self.position_embedding = nn.Embedding(places, width)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return [pictures, tokens, width]."""
        return self.token_embedding(ids) + self.position_embedding.weight[: ids.shape[-1]]


class Attention(nn.Module):
    """Each token looks at itself and those before it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        for name in ("k_proj", "v_proj", "q_proj", "out_proj"):
            setattr(self, name, nn.Linear(width, width))

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Return [pictures, tokens, width]."""
        query, key, value = (
            projection(states).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        seen = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.out_proj(seen.transpose(1, 2).flatten(-2))


class FeedForward(nn.Module):
    """Two projections with the checkpoint's own GELU between them."""

    def __init__(self, width: int, inner: int, activation: str) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, inner)
        self.fc2 = nn.Linear(inner, width)
        self.quick = activation == "quick_gelu"

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Return [pictures, tokens, width]."""
        states = self.fc1(states)
        states = states * torch.sigmoid(1.702 * states) if self.quick else functional.gelu(states)
        return self.fc2(states)


class Layer(nn.Module):
    """One layer of the encoder."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        width, epsilon = config["hidden_size"], config["layer_norm_eps"]
        self.self_attn = Attention(width, config["num_attention_heads"])
        self.layer_norm1 = nn.LayerNorm(width, epsilon)
        self.mlp = FeedForward(width, config["intermediate_size"], config["hidden_act"])
        self.layer_norm2 = nn.LayerNorm(width, epsilon)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Return [pictures, tokens, width]."""
        states = states + self.self_attn(self.layer_norm1(states))
        return states + self.mlp(self.layer_norm2(states))


class Encoder(nn.Module):
    """The layers one after another."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(config) for _ in range(config["num_hidden_layers"]))


class TextModel(nn.Module):
    """Embeddings, layers and the last normalisation."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        width = config["hidden_size"]
        self.embeddings = Embeddings(config["vocab_size"], config["max_position_embeddings"], width)
        self.encoder = Encoder(config)
        self.final_layer_norm = nn.LayerNorm(width, config["layer_norm_eps"])


class TextEncoder(nn.Module):
    """A CLIP text encoder, with a projection of its pooled state where the configuration names one."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        self.config = dict(config)
        self.text_model = TextModel(config)
        self.text_projection: nn.Linear | None = None
        if "WithProjection" in str(config.get("architectures", "")):
            self.text_projection = nn.Linear(config["hidden_size"], config["projection_dim"], bias=False)

    @property
    def dtype(self) -> torch.dtype:
        """The weights' type."""
        return self.text_model.final_layer_norm.weight.dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.text_model.final_layer_norm.weight.device

    def forward(self, ids: torch.Tensor) -> TextStates:
        """Encode [pictures, tokens] ids of begin, words, end and padding; at most 77 tokens each."""
        states = [self.text_model.embeddings(ids)]
        for layer in self.text_model.encoder.layers:
            states.append(layer(states[-1]))
        last = self.text_model.final_layer_norm(states[-1])
        end = self.config["eos_token_id"]
        # Configurations from before transformers 4.31 say 2 for an end mark that is the highest number in truth.
        ends = ids.argmax(-1) if end == 2 else (ids == end).int().argmax(-1)
        pooled = last[torch.arange(len(last), device=last.device), ends]
        if self.text_projection is not None:
            pooled = self.text_projection(pooled)
        return TextStates(tuple(states), last, pooled)
