"""The configuration that SDXL's single files lack: the published sizes, and the published tokenizer byte for byte."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionXLPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from garret.service_runtime.families import (
    FIRST_WORDS,
    REFINER_WORDS,
    SECOND_WORDS,
    find_configuration,
    native_size,
)
from garret.service_runtime.known_models import SDXL_BASE, SDXL_REFINER
from garret.service_runtime.safetensors_header import Header, Tensor
from garret.service_runtime.sdxl_files import configuration_files
from garret.service_runtime.tensor_families import UNET

FILES = dict(configuration_files())
# What the parts of Stable Diffusion XL have, as its report and the libraries that load it count them.
PARAMETERS = {"unet": 2_567_463_684, "vae": 83_653_863, "text_encoder": 123_060_480, "text_encoder_2": 694_659_840}


def placed(folder: Path) -> Path:
    """The configuration on a disk."""
    for path, text in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, "utf-8")
    return folder


def test_the_tokenizer_is_the_published_one() -> None:
    """SHA-256 of vocab.json and merges.txt as the hubs show them for CLIP and for SDXL."""
    for name in ("tokenizer", "tokenizer_2"):
        digests = [
            hashlib.sha256(FILES[f"{name}/{file}"].encode()).hexdigest() for file in ("vocab.json", "merges.txt")
        ]
        assert digests == [
            "e089ad92ba36837a0d31433e555c8f45fe601ab5c221d4f607ded32d9f7a4349",
            "9fd691f7c8039210e0fced15865466c65820d09b63988b0174bfe25de299051a",
        ]


def test_words_become_clip_s_numbers(tmp_path: Path) -> None:
    """49407 ends a text; the second tokenizer fills up with noughts."""
    folder = placed(tmp_path)
    first = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    second = CLIPTokenizer.from_pretrained(folder / "tokenizer_2")
    assert first("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert first("cat", padding="max_length", max_length=5).input_ids == [49406, 2368, 49407, 49407, 49407]
    assert second("cat", padding="max_length", max_length=5).input_ids == [49406, 2368, 49407, 0, 0]


def test_the_parts_have_the_published_sizes(tmp_path: Path) -> None:
    """Built without memory; together they are the published file, but for its header."""
    folder = placed(tmp_path)
    configs = {name: json.loads(FILES[f"{name}/config.json"]) for name in PARAMETERS}
    with torch.device("meta"):
        parts = {
            "unet": UNet2DConditionModel.from_config(configs["unet"]),
            "vae": AutoencoderKL.from_config(configs["vae"]),
            "text_encoder": CLIPTextModel(CLIPTextConfig(**configs["text_encoder"])),
            "text_encoder_2": CLIPTextModelWithProjection(CLIPTextConfig(**configs["text_encoder_2"])),
        }
    counts = {name: sum(one.numel() for one in part.parameters()) for name, part in parts.items()}
    assert counts == PARAMETERS
    assert 0 < SDXL_BASE.size - 2 * sum(counts.values()) < 1_000_000
    assert StableDiffusionXLPipeline.load_config(folder)["force_zeros_for_empty_prompt"] is True


def test_an_sdxl_checkpoint_finds_it(tmp_path: Path) -> None:
    """By the shapes in the file's header, beside the demo model's configuration."""
    shapes = {
        f"{UNET}input_blocks.0.0.weight": (320, 4, 3, 3),
        f"{UNET}label_emb.0.0.weight": (1280, 2816),
        SECOND_WORDS: (49408, 1280),
        FIRST_WORDS: (49408, 768),
        "first_stage_model.decoder.conv_in.weight": (512, 4, 3, 3),
    }
    header = Header({name: Tensor("F16", shape) for name, shape in shapes.items()}, {}, 0, 0)
    folder = placed(tmp_path / "sdxl")
    assert find_configuration(header, tmp_path) == folder
    assert native_size(folder) == 1024


def test_the_refiner_has_its_published_size_and_finds_its_configuration(tmp_path: Path) -> None:
    """Told from the base by the five numbers and the one text that it reads; it may leave out the shared VAE."""
    folder = placed(tmp_path / "sdxl") / "refiner"
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(json.loads(FILES["refiner/unet/config.json"]))
    count = sum(one.numel() for one in unet.parameters()) + PARAMETERS["vae"] + PARAMETERS["text_encoder_2"]
    assert 0 < SDXL_REFINER.size - 2 * count < 1_000_000
    shapes = {
        f"{UNET}input_blocks.0.0.weight": (384, 4, 3, 3),
        f"{UNET}label_emb.0.0.weight": (1536, 2560),
        REFINER_WORDS: (49408, 1280),
        "first_stage_model.decoder.conv_in.weight": (512, 4, 3, 3),
    }
    for names in (list(shapes), list(shapes)[:3]):
        header = Header({name: Tensor("F16", shapes[name]) for name in names}, {}, 0, 0)
        assert find_configuration(header, tmp_path) == folder
        assert find_configuration(header, tmp_path / "sdxl") == folder
    assert native_size(folder) == 1024
