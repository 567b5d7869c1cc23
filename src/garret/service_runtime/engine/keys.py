"""The names of weights in SDXL's original single files, told from the names in diffusers' and transformers' modules.

The original numbers its blocks one after another (Stability's generative-models), diffusers nests them by resolution;
open_clip keeps an attention's three projections in one tensor. Prefixes and numbers follow from the configuration.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

UNET, VAE = "model.diffusion_model.", "first_stage_model."
FIRST, SECOND = "conditioner.embedders.0.transformer.", "conditioner.embedders.1.model."
REFINER_SECOND = "conditioner.embedders.0.model."

_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_VAE_INNER = {
    "conv_shortcut": "nin_shortcut",
    "group_norm": "norm",
    "to_q": "q",
    "to_k": "k",
    "to_v": "v",
    "to_out.0": "proj_out",
}
_CLIP_INNER = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}
_CLIP = {
    "text_model.embeddings.token_embedding": "token_embedding",
    "text_model.final_layer_norm": "ln_final",
}
_THIRDS = {"q_proj": 0, "k_proj": 1, "v_proj": 2}


@dataclass(frozen=True)
class Source:
    """Where a weight comes from: a tensor's name, which third of its rows (None: all), whether it lies transposed."""

    name: str
    third: int | None = None
    transposed: bool = False


def unet_sources(targets: Iterable[str], config: Mapping[str, Any], prefix: str = UNET) -> dict[str, Source]:
    """Return each weight's source for a UNet of this configuration."""
    return _sources(targets, _unet_blocks(config), _RESNET, prefix, only_in="resnets")


def vae_sources(targets: Iterable[str], config: Mapping[str, Any], prefix: str = VAE) -> dict[str, Source]:
    """Return each weight's source for an autoencoder of this configuration."""
    return _sources(targets, _vae_blocks(config), _VAE_INNER, prefix)


def same_sources(targets: Iterable[str], prefix: str) -> dict[str, Source]:
    """Return each weight's source where both sides have the same names."""
    return {target: Source(prefix + target) for target in targets}


def open_clip_sources(targets: Iterable[str], layers: int, prefix: str = SECOND) -> dict[str, Source]:
    """Return each weight's source for a text encoder as open_clip keeps it."""
    blocks = _CLIP | {f"text_model.encoder.layers.{n}": f"transformer.resblocks.{n}" for n in range(layers)}
    sources = {}
    for target in targets:
        if target == "text_projection.weight":
            sources[target] = Source(f"{prefix}text_projection", transposed=True)
        elif target == "text_model.embeddings.position_embedding.weight":
            sources[target] = Source(f"{prefix}positional_embedding")
        elif (third := _THIRDS.get(target.split(".")[-2])) is not None:
            block, kind = blocks[target.partition(".self_attn.")[0]], target.rpartition(".")[2]
            sources[target] = Source(f"{prefix}{block}.attn.in_proj_{kind}", third)
        else:
            sources[target] = Source(prefix + _renamed(target, blocks, _CLIP_INNER))
    return sources


def _sources(
    targets: Iterable[str], blocks: Mapping[str, str], inner: Mapping[str, str], prefix: str, only_in: str = ""
) -> dict[str, Source]:
    return {target: Source(prefix + _renamed(target, blocks, inner if only_in in target else {})) for target in targets}


def _renamed(target: str, blocks: Mapping[str, str], inner: Mapping[str, str]) -> str:
    """Replace the longest known beginning, and what follows it."""
    words = target.split(".")
    for count in range(len(words) - 1, 0, -1):
        block = blocks.get(".".join(words[:count]))
        if block is not None:
            rest = ".".join(words[count:-1])
            return ".".join(filter(None, (block, inner.get(rest, rest), words[-1])))
    return target


def _unet_blocks(config: Mapping[str, Any]) -> dict[str, str]:
    layers, down, up = config["layers_per_block"], config["down_block_types"], config["up_block_types"]
    blocks = {
        "conv_in": "input_blocks.0.0",
        "time_embedding.linear_1": "time_embed.0",
        "time_embedding.linear_2": "time_embed.2",
        "add_embedding.linear_1": "label_emb.0.0",
        "add_embedding.linear_2": "label_emb.0.2",
        "mid_block.resnets.0": "middle_block.0",
        "mid_block.attentions.0": "middle_block.1",
        "mid_block.resnets.1": "middle_block.2",
        "conv_norm_out": "out.0",
        "conv_out": "out.2",
    }
    number = 1
    for place, kind in enumerate(down):
        for layer in range(layers):
            blocks[f"down_blocks.{place}.resnets.{layer}"] = f"input_blocks.{number}.0"
            if "CrossAttn" in kind:
                blocks[f"down_blocks.{place}.attentions.{layer}"] = f"input_blocks.{number}.1"
            number += 1
        if place < len(down) - 1:
            blocks[f"down_blocks.{place}.downsamplers.0.conv"] = f"input_blocks.{number}.0.op"
            number += 1
    number = 0
    for place, kind in enumerate(up):
        attends = "CrossAttn" in kind
        for layer in range(layers + 1):
            blocks[f"up_blocks.{place}.resnets.{layer}"] = f"output_blocks.{number}.0"
            if attends:
                blocks[f"up_blocks.{place}.attentions.{layer}"] = f"output_blocks.{number}.1"
            number += 1
        blocks[f"up_blocks.{place}.upsamplers.0.conv"] = f"output_blocks.{number - 1}.{1 + attends}.conv"
    return blocks


def _vae_blocks(config: Mapping[str, Any]) -> dict[str, str]:
    layers, levels = config["layers_per_block"], len(config["block_out_channels"])
    blocks = {}
    for side in ("encoder", "decoder"):
        blocks[f"{side}.mid_block.resnets.0"] = f"{side}.mid.block_1"
        blocks[f"{side}.mid_block.resnets.1"] = f"{side}.mid.block_2"
        blocks[f"{side}.mid_block.attentions.0"] = f"{side}.mid.attn_1"
        blocks[f"{side}.conv_norm_out"] = f"{side}.norm_out"
    for level in range(levels):
        down, up = f"encoder.down.{level}", f"decoder.up.{levels - 1 - level}"
        for layer in range(layers + 1):
            blocks[f"encoder.down_blocks.{level}.resnets.{layer}"] = f"{down}.block.{layer}"
            blocks[f"decoder.up_blocks.{level}.resnets.{layer}"] = f"{up}.block.{layer}"
        blocks[f"encoder.down_blocks.{level}.downsamplers.0.conv"] = f"{down}.downsample.conv"
        blocks[f"decoder.up_blocks.{level}.upsamplers.0.conv"] = f"{up}.upsample.conv"
    return blocks
