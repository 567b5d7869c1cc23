"""Write a diffusers SDXL pipeline as one safetensors file in the key layout of the original SDXL checkpoints."""

from __future__ import annotations

import argparse
import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import torch
from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextModelWithProjection

Weights = dict[str, torch.Tensor]
Rules = Iterable[tuple[str, str]]

UNET_PREFIX = "model.diffusion_model."
VAE_PREFIX = "first_stage_model."
FIRST_TEXT_PREFIX = "conditioner.embedders.0.transformer."
SECOND_TEXT_PREFIX = "conditioner.embedders.1.model."
REFINER_TEXT_PREFIX = "conditioner.embedders.0.model."

RESNET_RULES = (
    (r"\bnorm1\b", "in_layers.0"),
    (r"\bconv1\b", "in_layers.2"),
    (r"\btime_emb_proj\b", "emb_layers.1"),
    (r"\bnorm2\b", "out_layers.0"),
    (r"\bconv2\b", "out_layers.3"),
    (r"\bconv_shortcut\b", "skip_connection"),
)
UNET_TOP_RULES = (
    (r"^time_embedding\.linear_1", "time_embed.0"),
    (r"^time_embedding\.linear_2", "time_embed.2"),
    (r"^add_embedding\.linear_1", "label_emb.0.0"),
    (r"^add_embedding\.linear_2", "label_emb.0.2"),
    (r"^conv_in", "input_blocks.0.0"),
    (r"^conv_norm_out", "out.0"),
    (r"^conv_out", "out.2"),
    (r"^mid_block\.resnets\.0", "middle_block.0"),
    (r"^mid_block\.attentions\.0", "middle_block.1"),
    (r"^mid_block\.resnets\.1", "middle_block.2"),
)
VAE_RULES = (
    (r"conv_shortcut", "nin_shortcut"),
    (r"conv_norm_out", "norm_out"),
    (r"down_blocks\.(\d+)\.resnets", r"down.\1.block"),
    (r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample"),
    (r"up_blocks\.(\d+)\.resnets", r"up.\1.block"),
    (r"up_blocks\.(\d+)\.upsamplers\.0", r"up.\1.upsample"),
    (r"mid_block\.resnets\.0", "mid.block_1"),
    (r"mid_block\.resnets\.1", "mid.block_2"),
    (r"mid_block\.attentions\.0\.group_norm", "mid.attn_1.norm"),
    (r"mid_block\.attentions\.0\.to_out\.0", "mid.attn_1.proj_out"),
    (r"mid_block\.attentions\.0\.to_([qkv])", r"mid.attn_1.\1"),
)
SECOND_TEXT_RULES = (
    (r"^text_model\.embeddings\.token_embedding\.weight", "token_embedding.weight"),
    (r"^text_model\.embeddings\.position_embedding\.weight", "positional_embedding"),
    (r"^text_model\.final_layer_norm", "ln_final"),
    (r"^text_model\.encoder\.layers", "transformer.resblocks"),
    (r"layer_norm(\d)", r"ln_\1"),
    (r"mlp\.fc1", "mlp.c_fc"),
    (r"mlp\.fc2", "mlp.c_proj"),
    (r"self_attn\.out_proj", "attn.out_proj"),
)


def rewrite(name: str, rules: Rules) -> str:
    """Return the name after every rule has been applied in turn."""
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


def unet_name(name: str, per_block: int, attention_blocks: set[str]) -> str:
    """Return the original name of one UNet weight."""
    match = re.match(r"(down|up)_blocks\.(\d+)\.(\w+?)\.(\d+)\.(.*)", name)
    if match is None:
        # A transformer has a norm1 of its own, which keeps its name.
        rules = UNET_TOP_RULES if ".attentions." in name else (*UNET_TOP_RULES, *RESNET_RULES)
        return UNET_PREFIX + rewrite(name, rules)
    side, block, kind, index, rest = match[1], int(match[2]), match[3], int(match[4]), match[5]
    # The original numbers all layers in one row: a downsampler is a layer of its own, an upsampler a part of one.
    first = block * (per_block + 1)
    if kind == "downsamplers":
        return f"{UNET_PREFIX}input_blocks.{first + per_block + 1}.0.{rest.replace('conv', 'op', 1)}"
    if kind == "upsamplers":
        part = 2 if f"up_blocks.{block}" in attention_blocks else 1
        return f"{UNET_PREFIX}output_blocks.{first + per_block}.{part}.{rest}"
    row = f"input_blocks.{first + index + 1}" if side == "down" else f"output_blocks.{first + index}"
    if kind == "attentions":
        return f"{UNET_PREFIX}{row}.1.{rest}"
    return f"{UNET_PREFIX}{row}.0.{rewrite(rest, RESNET_RULES)}"


def unet_weights(weights: Weights, per_block: int) -> Weights:
    """Return the UNet's weights under their original names."""
    attention_blocks = {name.split(".attentions.")[0] for name in weights if ".attentions." in name}
    return {unet_name(name, per_block, attention_blocks): value for name, value in weights.items()}


def vae_weights(weights: Weights, levels: int) -> Weights:
    """Return the autoencoder's weights under their original names."""
    renamed = {}
    for name, value in weights.items():
        original = rewrite(name, VAE_RULES)
        # The original counts the decoder's levels from the picture, diffusers from the latents.
        original = re.sub(r"\bup\.(\d+)", lambda match: f"up.{levels - 1 - int(match[1])}", original)
        # The original's attention is made of 1x1 convolutions.
        is_projection = "attn_1" in original and value.ndim == 2
        renamed[VAE_PREFIX + original] = value[:, :, None, None] if is_projection else value
    return renamed


def text_names(weights: Weights) -> Weights:
    """Return a text encoder's weights, all named from "text_model." on as checkpoints have them."""
    named = {}
    for name, value in weights.items():
        if name.endswith("position_ids"):
            continue
        whole = name if name.startswith(("text_model.", "text_projection")) else f"text_model.{name}"
        named[whole] = value
    return named


def second_text_weights(weights: Weights) -> Weights:
    """Return the second text encoder's weights under OpenCLIP's names."""
    named = text_names(weights)
    renamed = {}
    for name, value in named.items():
        match = re.fullmatch(r"(.*)\.self_attn\.([qkv])_proj\.(weight|bias)", name)
        if name == "text_projection.weight":
            renamed[SECOND_TEXT_PREFIX + "text_projection"] = value.T
        elif match is None:
            renamed[SECOND_TEXT_PREFIX + rewrite(name, SECOND_TEXT_RULES)] = value
        elif match[2] == "q":
            # OpenCLIP keeps query, key and value in one matrix.
            parts = [named[f"{match[1]}.self_attn.{letter}_proj.{match[3]}"] for letter in "qkv"]
            layer = SECOND_TEXT_PREFIX + rewrite(match[1], SECOND_TEXT_RULES)
            renamed[f"{layer}.attn.in_proj_{match[3]}"] = torch.cat(parts)
    return renamed


def original_weights(pipeline: StableDiffusionXLPipeline) -> Weights:
    """Return all the pipeline's weights in half precision under their original names."""
    first = text_names(pipeline.text_encoder.state_dict())
    renamed = {
        **unet_weights(pipeline.unet.state_dict(), pipeline.unet.config.layers_per_block),
        **vae_weights(pipeline.vae.state_dict(), len(pipeline.vae.config.block_out_channels)),
        **{FIRST_TEXT_PREFIX + name: value for name, value in first.items()},
        **second_text_weights(pipeline.text_encoder_2.state_dict()),
    }
    return {name: value.detach().half().contiguous().clone() for name, value in renamed.items()}


def refiner_weights(unet: UNet2DConditionModel, text_encoder: CLIPTextModelWithProjection) -> Weights:
    """Return a refiner's weights in half precision under their original names, without an autoencoder."""
    text = second_text_weights(text_encoder.state_dict())
    renamed = unet_weights(unet.state_dict(), unet.config.layers_per_block)
    renamed |= {REFINER_TEXT_PREFIX + name.removeprefix(SECOND_TEXT_PREFIX): value for name, value in text.items()}
    return {name: value.detach().half().contiguous().clone() for name, value in renamed.items()}


def tidy(path: Path) -> None:
    """Take the writer's local path out of a configuration file, which a published one should not name."""
    settings = json.loads(path.read_text(encoding="utf-8"))
    settings.pop("_name_or_path", None)
    path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def save_configuration(pipeline: StableDiffusionXLPipeline, folder: Path) -> None:
    """Write the configuration folder that from_single_file needs beside the weights."""
    pipeline.vae.save_config(folder / "vae")
    pipeline.unet.save_config(folder / "unet")
    pipeline.text_encoder.config.save_pretrained(folder / "text_encoder")
    pipeline.text_encoder_2.config.save_pretrained(folder / "text_encoder_2")
    pipeline.scheduler.save_pretrained(folder / "scheduler")
    pipeline.save_config(folder)
    for path in folder.glob("**/*config.json"):
        tidy(path)
    tidy(folder / "model_index.json")


def export(pipeline: StableDiffusionXLPipeline, package: Path) -> Path:
    """Write demo.safetensors and its config folder into the package and return the weights' path."""
    weights = package / "demo.safetensors"
    save_file(original_weights(pipeline), weights, metadata={"format": "pt"})
    save_configuration(pipeline, package / "config")
    return weights


def main() -> None:
    """Turn a diffusers folder into the package's single file and configuration."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pipeline", type=Path, help="a diffusers SDXL folder")
    parser.add_argument("package", type=Path, help="the folder that receives demo.safetensors and config/")
    arguments = parser.parse_args()
    pipeline = StableDiffusionXLPipeline.from_pretrained(arguments.pipeline, local_files_only=True)
    for name in ("tokenizer", "tokenizer_2"):
        target = arguments.package / "config" / name
        if not target.exists():
            shutil.copytree(arguments.pipeline / name, target)
    print(export(pipeline, arguments.package))


if __name__ == "__main__":
    main()
