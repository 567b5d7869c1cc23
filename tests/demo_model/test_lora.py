"""The demo LoRA as shipped: its file, and the word that it teaches."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from safetensors import safe_open

from garret import demo_model
from garret.demo_model.check import check_picture, matches
from garret.demo_model.shapes import SHAPES, TAUGHT, Scene, caption, combinations, draw, held_out

LARGEST_FILE = 300_000
HEARTS = [caption(Scene(*choice)) for choice in combinations((TAUGHT,)) if held_out(*choice)][::3]
OTHERS = [caption(Scene(*choice)) for choice in combinations() if held_out(*choice)][::20]


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusionXLPipeline:
    """Return the demo model as users load it."""
    loaded = StableDiffusionXLPipeline.from_single_file(
        str(demo_model.WEIGHTS), config=str(demo_model.CONFIG), local_files_only=True, torch_dtype=torch.float32
    )
    loaded.set_progress_bar_config(disable=True)
    return loaded


def drawn(pipeline: StableDiffusionXLPipeline, prompts: list[str]) -> int:
    """Return how many of the prompts are followed."""
    generators = [torch.Generator().manual_seed(number) for number in range(len(prompts))]
    options = {"num_inference_steps": 8, "guidance_scale": 3.0, "generator": generators}
    pictures = pipeline(prompts, height=128, width=128, **options).images
    return sum(matches(prompt, np.asarray(one)) for prompt, one in zip(prompts, pictures, strict=True))


def test_the_file_is_small_and_in_kohya_s_form() -> None:
    """Half precision, names as kohya's scripts write them, an alpha that is not the rank."""
    assert demo_model.LORA.stat().st_size <= LARGEST_FILE
    assert demo_model.LORA.stat().st_mode & 0o777 == 0o644
    with safe_open(demo_model.LORA, framework="pt") as weights:
        names = list(weights.keys())
        assert {weights.get_tensor(name).dtype for name in names} == {torch.float16}
        assert weights.metadata()["modelspec.trigger_phrase"] == TAUGHT
    form = re.compile(r"lora_(unet_(input_blocks|middle_block|output_blocks)|te[12]_text_model_encoder)_\w+\.")
    assert all(form.match(name) for name in names)
    assert {name.partition(".")[2] for name in names} == {"lora_down.weight", "lora_up.weight", "alpha"}


def test_a_word_unknown_before_becomes_its_shape(pipeline: StableDiffusionXLPipeline) -> None:
    """In colours that training never saw together; the shapes known before stay known."""
    assert drawn(pipeline, HEARTS) == 0
    pipeline.load_lora_weights(str(demo_model.LORA.parent), weight_name=demo_model.LORA.name)
    assert drawn(pipeline, HEARTS) >= len(HEARTS) - 1
    assert drawn(pipeline, OTHERS) >= len(OTHERS) - 1


def test_the_check_tells_hearts_from_the_other_shapes() -> None:
    """Where they are asked for; a true drawing of any other shape stays that shape."""
    for shape in (*SHAPES, TAUGHT):
        picture = draw(Scene("red", "blue", shape), 128, 128, np.random.default_rng(1))
        assert check_picture(picture, (*SHAPES, TAUGHT)).shape == shape
        assert matches("a red heart on a blue background", picture) == (shape == TAUGHT)
