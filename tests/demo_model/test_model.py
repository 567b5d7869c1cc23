"""The demo model as shipped: its files, its single file and what it draws."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from safetensors import safe_open

from garret import demo_model
from garret.demo_model.check import matches
from garret.demo_model.shapes import Scene, caption, combinations, held_out
from training.demo_model.single_file import original_weights

LARGEST_FILE = 10_000_000
PREFIXES = (
    "model.diffusion_model.",
    "first_stage_model.",
    "conditioner.embedders.0.transformer.text_model.",
    "conditioner.embedders.1.model.",
)


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusionXLPipeline:
    """Return the shipped model as users load it."""
    loaded = StableDiffusionXLPipeline.from_single_file(
        str(demo_model.WEIGHTS), config=str(demo_model.CONFIG), local_files_only=True, torch_dtype=torch.float32
    )
    loaded.set_progress_bar_config(disable=True)
    return loaded


def pictures(pipeline: StableDiffusionXLPipeline, prompts: list[str], height: int, width: int) -> list[np.ndarray]:
    """Return one picture for each prompt, with the documented default settings."""
    generators = [torch.Generator().manual_seed(number) for number in range(len(prompts))]
    made = pipeline(
        prompts, height=height, width=width, num_inference_steps=8, guidance_scale=3.0, generator=generators
    )
    return [np.asarray(picture) for picture in made.images]


def test_the_file_is_small_half_precision_and_in_the_original_layout() -> None:
    """The weights fit in 10 MB, are half precision and carry the names of original SDXL checkpoints."""
    assert demo_model.WEIGHTS.stat().st_size <= LARGEST_FILE
    with safe_open(demo_model.WEIGHTS, framework="pt") as weights:
        names = list(weights.keys())
        assert {weights.get_tensor(name).dtype for name in names} == {torch.float16}
        assert all(bool(weights.get_tensor(name).isfinite().all()) for name in names)
    assert all(name.startswith(PREFIXES) for name in names)
    assert all(any(name.startswith(prefix) for name in names) for prefix in PREFIXES)


def test_licence_and_card_are_shipped() -> None:
    """The licence names both licences, and the card the settings and the figures."""
    licence = (demo_model.CARD.parent / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in licence
    assert "Permission is hereby granted, free of charge" in licence
    card = demo_model.CARD.read_text(encoding="utf-8")
    assert "Euler" in card
    assert "held out" in card


def test_the_configuration_is_sdxl_without_weights() -> None:
    """The config folder holds an SDXL of two text encoders and nothing as heavy as weights."""
    parts = json.loads((demo_model.CONFIG / "model_index.json").read_text(encoding="utf-8"))
    assert parts["_class_name"] == "StableDiffusionXLPipeline"
    unet = json.loads((demo_model.CONFIG / "unet" / "config.json").read_text(encoding="utf-8"))
    assert (unet["addition_embed_type"], unet["sample_size"] * 8) == ("text_time", 128)
    files = [path for path in demo_model.CONFIG.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {".json", ".txt"}
    assert all("_name_or_path" not in path.read_text(encoding="utf-8") for path in files)


def test_folder_and_single_file_agree(pipeline: StableDiffusionXLPipeline, tmp_path: Path) -> None:
    """A diffusers folder of the same weights draws the same picture, and turns back into the same file."""
    pipeline.save_pretrained(tmp_path)
    folder = StableDiffusionXLPipeline.from_pretrained(tmp_path, local_files_only=True)
    folder.set_progress_bar_config(disable=True)
    prompt = ["a yellow ring on a blue background"]
    ours, theirs = (pictures(either, prompt, 128, 128)[0].astype(int) for either in (pipeline, folder))
    # The weights are equal to the bit, but where they lie in memory may change how sums are rounded.
    assert np.abs(ours - theirs).max() <= 1
    written = original_weights(folder)
    with safe_open(demo_model.WEIGHTS, framework="pt") as weights:
        assert set(weights.keys()) == set(written)
        assert all(torch.equal(weights.get_tensor(name), written[name]) for name in written)


@pytest.mark.parametrize(("height", "width"), [(128, 128), (256, 256), (128, 192)])
def test_held_out_prompts_are_followed(pipeline: StableDiffusionXLPipeline, height: int, width: int) -> None:
    """Of eight prompts about combinations that training never saw, at most one goes wrong."""
    unseen = [Scene(*choice) for choice in combinations() if held_out(*choice)][::15][:8]
    prompts = [caption(scene) for scene in unseen]
    shown = pictures(pipeline, prompts, height, width)
    right = [matches(prompt, picture) for prompt, picture in zip(prompts, shown, strict=True)]
    assert sum(right) >= len(prompts) - 1
