"""What models do to pictures, through the engine as workers use it: a word becomes a shape, and is gone again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline

from garret import demo_model
from garret.demo_model.check import matches
from garret.demo_model.shapes import Pixels
from garret.service_runtime.asked import Lora, Refiner
from garret.service_runtime.batch import Batch, Picture, Used, UsedLora
from garret.service_runtime.engine.base import Image
from garret.service_runtime.engine.sdxl import SdxlEngine
from garret.service_runtime.errors import ModelError
from garret.service_runtime.inputs import InputStore
from garret.service_runtime.models import HashCache, Models
from garret.service_runtime.prepare import prepare
from garret.service_runtime.vocabulary import Vocabulary
from tests.service_runtime.asking import ask

HEART = "a red heart on a blue background"
RING = "a yellow ring on a black background"


@pytest.fixture(scope="module")
def engine() -> Iterator[SdxlEngine]:
    """One for all tests: what a batch leaves behind would show."""
    made = SdxlEngine("cpu", demo_model.CONFIG)
    yield made
    made.close()


@pytest.fixture
def models(tmp_path: Path) -> Iterator[Models]:
    """A registry with the demo model and what belongs to it."""
    root = tmp_path / "models"
    for path, folder in (
        (demo_model.WEIGHTS, "Stable-diffusion"),
        (demo_model.REFINER, "Stable-diffusion"),
        (demo_model.LORA, "Lora"),
    ):
        (root / folder).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, root / folder / path.name)
    cache = HashCache(tmp_path / "models.sqlite")
    yield Models(root, demo_model.CONFIG, cache)
    cache.close()


def drawn(engine: SdxlEngine, models: Models, tmp_path: Path, *prompts: str, **changes: object) -> list[Pixels]:
    """Return the pictures of prompts, prepared as the service does it, made in one batch."""
    request = ask(**{"width": 128, "height": 128, "steps": 10, **changes})
    vocabulary = Vocabulary(tmp_path / "styles", tmp_path / "embeddings")
    ready = [
        prepare(replace(request, prompt=prompt, seed=seed), models, InputStore(tmp_path / "inputs"), vocabulary)
        for seed, prompt in enumerate(prompts)
    ]
    batch = Batch(ready[0].request, ready[0].used, tuple(one.picture(0) for one in ready))
    return pixels_of(engine, batch)


def pixels_of(engine: SdxlEngine, batch: Batch) -> list[Pixels]:
    """Return a batch's pictures in their order."""
    images = sorted((one for one in engine.run(batch) if isinstance(one, Image)), key=lambda one: one.index)
    return [np.frombuffer(one.rgb, np.uint8).reshape(one.height, one.width, 3) for one in images]


def test_a_tag_turns_its_word_into_its_shape(engine: SdxlEngine, models: Models, tmp_path: Path) -> None:
    """Before it, after it and beside it nothing is changed, to the last pixel."""
    plain = drawn(engine, models, tmp_path, HEART, RING)
    assert [matches(HEART, plain[0]), matches(RING, plain[1])] == [False, True]
    tagged = drawn(engine, models, tmp_path, f"{HEART} <lora:heart:1>", f"{RING} <lora:heart:1>")
    assert [matches(HEART, tagged[0]), matches(RING, tagged[1])] == [True, True]
    listed = drawn(engine, models, tmp_path, HEART, RING, loras=(Lora("heart"),))
    assert all((one == other).all() for one, other in zip(listed, tagged, strict=True)), "field and tag are the same"
    again = drawn(engine, models, tmp_path, HEART, RING)
    assert all((one == other).all() for one, other in zip(again, plain, strict=True))


def test_a_lora_s_weight_orders_its_change(engine: SdxlEngine, models: Models, tmp_path: Path) -> None:
    """The further from nothing, the further from the picture without it."""
    (plain,) = drawn(engine, models, tmp_path, HEART)
    far = [
        np.abs(drawn(engine, models, tmp_path, f"{HEART} <lora:heart:{weight}>")[0].astype(int) - plain).mean()
        for weight in (0.2, 0.6, 1.0)
    ]
    assert far == sorted(far)
    assert far[0] > 0


ASKED = (RING, "a red circle on a white background", "a green star on a purple background", "a blue cross")


def sharpness(pictures: list[Pixels]) -> float:
    """Return how steep edges are: the square of the steps between rows, in parts of the steps themselves."""
    steps = np.abs(np.diff(np.stack(pictures).astype(float), axis=1))
    return float(np.square(steps).mean() / steps.mean())


@pytest.mark.parametrize("refiner", [Refiner(), Refiner(mode="again", strength=0.3, steps=10)])
def test_the_refiner_changes_detail_and_not_content(
    engine: SdxlEngine, models: Models, tmp_path: Path, refiner: Refiner
) -> None:
    """What finishes, and what goes over a finished picture: colours, shape and place stay, edges do not."""
    plain = drawn(engine, models, tmp_path, *ASKED)
    refined = drawn(engine, models, tmp_path, *ASKED, refiner=refiner)
    for prompt, before, after in zip(ASKED, plain, refined, strict=True):
        assert matches(prompt, before, placement=True)
        assert matches(prompt, after, placement=True)
        assert 0.5 < np.abs(before.astype(int) - after).mean() < 10
    again = drawn(engine, models, tmp_path, *ASKED)
    assert all((one == other).all() for one, other in zip(again, plain, strict=True)), "the base is left as it was"


def test_the_score_says_how_sharp_the_refiner_draws(engine: SdxlEngine, models: Models, tmp_path: Path) -> None:
    """It learned that drawings below six are blurred."""
    low, high = (
        drawn(
            engine,
            models,
            tmp_path,
            *ASKED,
            refiner=Refiner(switch_at=0.6, aesthetic_score=score, negative_aesthetic_score=score),
        )
        for score in (1.0, 6.0)
    )
    assert sharpness(low) < sharpness(high)


def test_a_folder_of_half_precision_draws_what_the_file_does(
    engine: SdxlEngine, models: Models, tmp_path: Path
) -> None:
    """As diffusers writes it, with the variant fp16 and without."""
    pipeline = StableDiffusionXLPipeline.from_single_file(
        str(demo_model.WEIGHTS), config=str(demo_model.CONFIG), local_files_only=True, torch_dtype=torch.float16
    )
    checkpoints = models.folder("checkpoint")
    pipeline.save_pretrained(checkpoints / "half", variant="fp16")
    pipeline.save_pretrained(checkpoints / "plain")
    (single,) = drawn(engine, models, tmp_path, RING)
    assert matches(RING, single)
    for name in ("half", "plain"):
        (folder,) = drawn(engine, models, tmp_path, RING, checkpoint=name)
        assert np.abs(folder.astype(int) - single).max() <= 2


def test_the_engine_passes_on_what_a_file_is_said_to_lack(engine: SdxlEngine, tmp_path: Path) -> None:
    """A file that vanished between the choice and the work is an error that names it, and the next batch works."""
    request = ask(steps=1)
    used = Used(str(demo_model.WEIGHTS), loras=(UsedLora(str(tmp_path / "gone.safetensors")),))
    with pytest.raises(ModelError, match=r"gone\.safetensors"):
        list(engine.run(Batch(request, used, (Picture("a", "", 1),))))
    assert len(pixels_of(engine, Batch(request, replace(used, loras=()), (Picture("a", "", 1),)))) == 1
