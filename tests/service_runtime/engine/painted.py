"""What the engine's tests share: the demo model, diffusers' own pipelines on it, and pictures as arrays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy

from garret import demo_model
from garret.service_runtime.batch import Batch
from garret.service_runtime.engine.base import Image, Step


def plain_pipeline() -> Any:
    """Return diffusers' own text-to-image pipeline with the demo model."""
    from diffusers import StableDiffusionXLPipeline

    pipeline = StableDiffusionXLPipeline.from_single_file(
        str(demo_model.WEIGHTS), config=str(demo_model.CONFIG), local_files_only=True, add_watermarker=False
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def plain_refiner(base: Any, folder: Path, **settings: Any) -> Any:
    """Return diffusers' own image-to-image pipeline with a random refiner, which is written to the folder as well."""
    import torch
    from diffusers import StableDiffusionXLImg2ImgPipeline, UNet2DConditionModel

    shape = json.loads((demo_model.CONFIG / "refiner" / "unet" / "config.json").read_text("utf-8"))
    generator = torch.random.get_rng_state()
    torch.manual_seed(5)
    unet = UNet2DConditionModel.from_config(shape)
    torch.random.set_rng_state(generator)
    pipeline = StableDiffusionXLImg2ImgPipeline(
        vae=base.vae,
        text_encoder=None,
        text_encoder_2=base.text_encoder_2,
        tokenizer=None,
        tokenizer_2=base.tokenizer_2,
        unet=unet,
        scheduler=type(base.scheduler).from_config(base.scheduler.config),
        requires_aesthetics_score=True,
        force_zeros_for_empty_prompt=False,
        add_watermarker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    pipeline.save_pretrained(folder, **settings)
    return pipeline


def pictures(engine: Any, batch: Batch) -> list[Any]:
    """Return a batch's pictures as arrays of whole numbers, in order."""
    images = [event for event in engine.run(batch) if isinstance(event, Image)]
    assert [image.index for image in images] == list(range(len(batch.pictures)))
    return [numpy.frombuffer(one.rgb, numpy.uint8).reshape(one.height, one.width, 3).astype(int) for one in images]


def stages(engine: Any, batch: Batch) -> list[str]:
    """Return the stage of each step, having checked that they are counted to their total."""
    steps = [event for event in engine.run(batch) if isinstance(event, Step)]
    assert [step.done for step in steps] == list(range(1, len(steps) + 1))
    assert {step.total for step in steps} == {len(steps)}
    return [step.stage for step in steps]


def levels(made: Any) -> Any:
    """Return a picture of diffusers' output_type "np" as whole numbers."""
    return (made.images[0] * 255).round().astype(int)


def difference(one: Any, other: Any) -> int:
    """Return the largest difference of two pictures in levels of 255."""
    assert one.shape == other.shape
    return int(abs(one - other).max())
