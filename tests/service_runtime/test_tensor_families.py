"""Families by the names and widths that published files have, and what the service says of those it cannot use."""

from __future__ import annotations

import pytest

from garret import demo_model
from garret.service_runtime.safetensors_header import Header, Tensor, read_header
from garret.service_runtime.tensor_families import UNET, family_of, type_of, why_useless

KOHYA = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight"


def header(tensors: dict[str, tuple[int, ...]], **metadata: str) -> Header:
    """Return a header with these shapes."""
    return Header({name: Tensor("F16", shape) for name, shape in tensors.items()}, metadata, 0, 0)


@pytest.mark.parametrize(
    ("tensors", "family"),
    [
        ({KOHYA: (16, 768)}, "lora-sd1"),
        ({KOHYA: (16, 1024)}, "lora-sd2"),
        ({KOHYA: (16, 2048)}, "lora-sdxl"),
        ({"unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_v.lora_A.weight": (4, 2048)}, "lora-sdxl"),
        ({"unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_k.lora.down.weight": (4, 768)}, "lora-sd1"),
        ({"lora_te1_text_model_encoder_layers_0_mlp_fc1.lora_up.weight": (3072, 8)}, "lora-sdxl"),
        ({"lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight": (8, 768)}, "lora-sd1"),
        ({"lora_te_text_model_encoder_layers_0_self_attn_k_proj.lora_down.weight": (8, 1024)}, "lora-sd2"),
        ({"lora_unet_input_blocks_4_1_transformer_blocks_1_attn1_to_q.lora_down.weight": (8, 640)}, "lora-sdxl"),
        ({"lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q.lora_down.weight": (8, 320)}, "lora-sd1"),
        ({"lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight": (8, 320, 1, 1)}, "lora-sd1"),
        ({"lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k.hada_w1_b": (8, 2048)}, "lora-sdxl"),
        ({"lora_unet_input_blocks_7_1_transformer_blocks_9_ff_net_2.lokr_w1": (4, 4)}, "lora-sdxl"),
        ({"lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight": (16, 3072)}, "lora-flux"),
        ({"transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight": (16, 3072)}, "lora-flux"),
        ({"transformer.transformer_blocks.0.attn.to_q.lora_A.weight": (16, 1536)}, "lora-dit"),
        ({"lora_unet_joint_blocks_0_context_block_attn_qkv.lora_down.weight": (16, 1536)}, "lora-sd3"),
        ({"lora_unet_conv_in.lora_down.weight": (8, 4, 3, 3)}, "lora"),
        ({UNET + "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 768)}, "sd1"),
        ({UNET + "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 1024)}, "sd2"),
        ({UNET + "input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": (640, 2048)}, "unknown"),
        ({"first_stage_model.decoder.conv_in.weight": (512, 4, 3, 3)}, "vae"),
        ({"decoder.conv_in.weight": (512, 16, 3, 3)}, "vae-16"),
    ],
)
def test_a_family_is_told_by_names_and_widths(tensors: dict[str, tuple[int, ...]], family: str) -> None:
    """As the tools that write such files name them: kohya's, diffusers', LyCORIS."""
    assert family_of(header(tensors)) == family


def test_what_the_maker_wrote_decides_only_what_the_names_leave_open() -> None:
    """A file that says SDXL and has 1.x's widths is 1.x."""
    open_ = {"lora_unet_conv_in.lora_down.weight": (8, 4, 3, 3)}
    assert family_of(header(open_, ss_base_model_version="sdxl_base_v1-0")) == "lora-sdxl"
    said = {"modelspec.architecture": "stable-diffusion-v1/lora"}
    assert family_of(header(open_, **said)) == "lora-sd1"
    assert family_of(header({KOHYA: (16, 768)}, ss_base_model_version="sdxl_base_v1-0")) == "lora-sd1"


@pytest.mark.parametrize(
    ("model_type", "family", "reason", "hint"),
    [
        ("lora", "lora-sd1", "a LoRA for Stable Diffusion 1.x, and this service makes pictures with SDXL", "--force"),
        ("lora", "lora-flux", "a LoRA for Flux", "--force"),
        ("lora", "sdxl", "those of a checkpoint, not of a LoRA", "--type checkpoint"),
        ("checkpoint", "sd1", "a checkpoint of Stable Diffusion 1.x", "--force"),
        ("checkpoint", "lora-sdxl", "those of a LoRA, not of a checkpoint", "--type lora"),
        ("checkpoint", "vae", "those of a VAE, not of a checkpoint", "--type vae"),
        ("vae", "vae-16", "16 channels", "--force"),
    ],
)
def test_what_cannot_be_used_is_said_with_its_reason(model_type: str, family: str, reason: str, hint: str) -> None:
    """And what to do instead."""
    said, advice = why_useless(model_type, family)
    assert reason in said
    assert hint in advice


@pytest.mark.parametrize(
    ("model_type", "family"),
    [("lora", "lora-sdxl"), ("lora", "lora"), ("checkpoint", "sdxl"), ("checkpoint", "sdxl-refiner"), ("vae", "vae"),
     ("checkpoint", "unknown"), ("other", "sd1"), ("other", "lora-flux"), ("lora", "unknown")],
)  # fmt: skip
def test_what_can_be_used_or_cannot_be_told_is_let_through(model_type: str, family: str) -> None:
    """No file is refused for what is not known of it."""
    assert why_useless(model_type, family) == ("", "")


def test_the_demo_model_is_of_sdxls_family() -> None:
    """The real file."""
    family = family_of(read_header(demo_model.WEIGHTS))
    assert (family, type_of(family)) == ("sdxl", "checkpoint")
