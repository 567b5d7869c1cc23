"""Measure how often the demo model draws what held-out prompts ask for, and show a grid of its pictures."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import (
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLInpaintPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from PIL import Image, ImageDraw
from safetensors.torch import load_file

from garret.demo_model import CONFIG, WEIGHTS
from garret.demo_model.check import check_picture
from garret.demo_model.shapes import SHAPES, TAUGHT, Pixels, Scene, caption, draw, random_caption, random_scene
from garret.service_runtime.engine.keys import unet_sources

BATCH = 8
PARTS = ("foreground", "background", "shape", "size", "position")
Painter = Callable[[list[Scene], list[str], list[torch.Generator]], list[Image.Image]]


def load(folder: Path | None) -> StableDiffusionXLPipeline:
    """Load a diffusers folder, or the model in the package when no folder is named."""
    if folder is not None:
        pipeline = StableDiffusionXLPipeline.from_pretrained(folder, local_files_only=True)
    else:
        options = {"config": str(CONFIG), "local_files_only": True, "torch_dtype": torch.float32}
        pipeline = StableDiffusionXLPipeline.from_single_file(str(WEIGHTS), **options)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def load_refiner(weights: Path, base: StableDiffusionXLPipeline) -> StableDiffusionXLImg2ImgPipeline:
    """Load a refiner's file; its words and its autoencoder are the base's."""
    unet = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(CONFIG / "refiner" / "unet"))
    tensors = load_file(weights)
    sources = unet_sources(unet.state_dict(), unet.config)
    unet.load_state_dict({name: tensors[source.name].float() for name, source in sources.items()})
    words = {"text_encoder": None, "tokenizer": None}
    shared = {name: getattr(base, name) for name in ("vae", "text_encoder_2", "tokenizer_2", "scheduler")}
    options = {"requires_aesthetics_score": True, "force_zeros_for_empty_prompt": False, "add_watermarker": False}
    refiner = StableDiffusionXLImg2ImgPipeline(unet=unet, **words, **shared, **options)
    refiner.set_progress_bar_config(disable=True)
    return refiner


def scenes(count: int, plain: bool, seed: int, shapes: tuple[str, ...] = SHAPES) -> Iterator[tuple[Scene, str]]:
    """Yield held-out scenes with prompts: the plainest form only, or every form, size and position."""
    random = np.random.default_rng(seed)
    for _ in range(count):
        scene = random_scene(random, True, shapes)
        if plain:
            scene = Scene(scene.foreground, scene.background, scene.shape)
            yield scene, caption(scene)
        else:
            yield scene, random_caption(scene, random)


def measure(paint: Painter, asked: list[tuple[Scene, str]], seed: int) -> tuple[dict[str, Any], list[Image.Image]]:
    """Paint every prompt and return the share of pictures in which each part is right, with the pictures."""
    pictures: list[Image.Image] = []
    started = time.monotonic()
    for start in range(0, len(asked), BATCH):
        part = asked[start : start + BATCH]
        generators = [torch.Generator().manual_seed(seed + start + index) for index in range(len(part))]
        pictures += paint([scene for scene, _ in part], [prompt for _, prompt in part], generators)
    seconds = (time.monotonic() - started) / len(asked)
    right = np.zeros(len(PARTS))
    whole = placed = 0
    for (scene, _), picture in zip(asked, pictures, strict=True):
        seen = check_picture(np.asarray(picture), (*SHAPES, TAUGHT) if scene.shape == TAUGHT else SHAPES)
        hits = np.array([getattr(seen, name) == getattr(scene, name) for name in PARTS])
        right += hits
        whole += bool(hits[:3].all())
        placed += bool(hits.all())
    figures = {name: round(float(value) / len(asked), 4) for name, value in zip(PARTS, right, strict=True)}
    figures |= {"all": round(whole / len(asked), 4), "all_and_placed": round(placed / len(asked), 4)}
    return {"pictures": len(asked), **figures, "seconds_per_picture": round(seconds, 3)}, pictures


def text_painter(pipeline: StableDiffusionXLPipeline, height: int, width: int, steps: int, guidance: float) -> Painter:
    """Return a painter that makes pictures from prompts alone."""

    def paint(_: list[Scene], prompts: list[str], generators: list[torch.Generator]) -> list[Image.Image]:
        options = {"num_inference_steps": steps, "guidance_scale": guidance, "generator": generators}
        return list(pipeline(prompts, height=height, width=width, **options).images)

    return paint


def refined_painter(
    pipeline: StableDiffusionXLPipeline, refiner: StableDiffusionXLImg2ImgPipeline, steps: int, guidance: float
) -> Painter:
    """Return a painter whose last fifth of the steps is the refiner's."""

    def paint(_: list[Scene], prompts: list[str], generators: list[torch.Generator]) -> list[Image.Image]:
        options = {"num_inference_steps": steps, "guidance_scale": guidance, "generator": generators}
        latents = pipeline(prompts, denoising_end=0.8, output_type="latent", **options).images
        return list(refiner(prompts, image=latents, denoising_start=0.8, **options).images)

    return paint


def other_drawings(wanted: list[Scene], keep_background: bool) -> list[Image.Image]:
    """Return a drawing of something else for each wanted scene, on request with its background."""
    random = np.random.default_rng(len(wanted))
    drawings = []
    for scene in wanted:
        other = random_scene(random, unseen=False)
        while other.shape == scene.shape or scene.background == other.foreground:
            other = random_scene(random, unseen=False)
        background = scene.background if keep_background else other.background
        drawings.append(Image.fromarray(draw(Scene(other.foreground, background, other.shape), 128, 128)))
    return drawings


def image_painter(pipeline: StableDiffusionXLPipeline, steps: int, guidance: float, strength: float) -> Painter:
    """Return a painter that starts from a drawing of something else."""
    image_pipeline = StableDiffusionXLImg2ImgPipeline(**pipeline.components, add_watermarker=False)
    image_pipeline.set_progress_bar_config(disable=True)

    def paint(wanted: list[Scene], prompts: list[str], generators: list[torch.Generator]) -> list[Image.Image]:
        options = {"num_inference_steps": steps, "guidance_scale": guidance, "strength": strength}
        drawings = other_drawings(wanted, keep_background=False)
        return list(image_pipeline(prompts, image=drawings, generator=generators, **options).images)

    return paint


def inpaint_painter(pipeline: StableDiffusionXLPipeline, steps: int, guidance: float) -> Painter:
    """Return a painter that replaces the middle of a drawing, whose background it has to go on with."""
    inpaint_pipeline = StableDiffusionXLInpaintPipeline(**pipeline.components, add_watermarker=False)
    inpaint_pipeline.set_progress_bar_config(disable=True)
    area: Pixels = np.zeros((128, 128), np.uint8)
    area[12:-12, 12:-12] = 255

    def paint(wanted: list[Scene], prompts: list[str], generators: list[torch.Generator]) -> list[Image.Image]:
        options = {"num_inference_steps": steps, "guidance_scale": guidance, "strength": 1.0}
        masks = [Image.fromarray(area)] * len(wanted)
        drawings = other_drawings(wanted, keep_background=True)
        options |= {"height": 128, "width": 128, "mask_image": masks, "generator": generators}
        return list(inpaint_pipeline(prompts, image=drawings, **options).images)

    return paint


def grid(pictures: list[Image.Image], prompts: list[str], columns: int = 8) -> Image.Image:
    """Return the pictures in rows, each under its prompt."""
    width, height = (max(128, side) for side in pictures[0].size)
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * (width + 4), rows * (height + 28)), "white")
    pen = ImageDraw.Draw(sheet)
    for index, (picture, prompt) in enumerate(zip(pictures, prompts, strict=True)):
        left, top = index % columns * (width + 4), index // columns * (height + 28)
        pen.multiline_text((left, top), f"{prompt[:22]}\n{prompt[22:44]}", fill="black", font_size=10)
        sheet.paste(picture, (left, top + 26))
    return sheet


def main() -> None:
    """Measure what the command line asks for, write the figures as JSON and the pictures as a grid."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pipeline", type=Path, help="a diffusers folder (default: the model in the package)")
    parser.add_argument("--task", choices=("text", "image", "inpaint"), default="text")
    parser.add_argument(
        "--size", dest="resolution", default="128x128", help="width x height of text-to-image (default %(default)s)"
    )
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--strength", type=float, default=0.8, help="for image-to-image (default %(default)s)")
    parser.add_argument("--spacing", help="timestep spacing, instead of the scheduler's own")
    parser.add_argument("--plain", action="store_true", help='ask only "a red circle on a blue background"')
    parser.add_argument("--taught", action="store_true", help="ask for the shape that the LoRA teaches")
    parser.add_argument("--lora", type=Path, help="a LoRA to load")
    parser.add_argument("--refiner", type=Path, help="a refiner that makes the last fifth of the steps")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, help="the folder for figures.json (appended to) and the grid")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    pipeline = load(arguments.pipeline)
    if arguments.spacing:
        pipeline.scheduler.register_to_config(timestep_spacing=arguments.spacing)
    if arguments.lora:
        pipeline.load_lora_weights(str(arguments.lora.parent), weight_name=arguments.lora.name)
    width, height = (int(side) for side in arguments.resolution.split("x"))
    steps, guidance = arguments.steps, arguments.guidance
    painters = {
        "text": lambda: text_painter(pipeline, height, width, steps, guidance),
        "image": lambda: image_painter(pipeline, steps, guidance, arguments.strength),
        "inpaint": lambda: inpaint_painter(pipeline, steps, guidance),
    }
    if arguments.refiner:
        refiner = load_refiner(arguments.refiner, pipeline)
        painters["text"] = lambda: refined_painter(pipeline, refiner, steps, guidance)
    shapes = (TAUGHT,) if arguments.taught else SHAPES
    asked = list(scenes(arguments.count, arguments.plain or arguments.task != "text", arguments.seed, shapes))
    figures, pictures = measure(painters[arguments.task](), asked, arguments.seed)
    settings = {key: value for key, value in vars(arguments).items() if key not in ("pipeline", "output", "threads")}
    settings |= {key: settings[key] and settings[key].name for key in ("lora", "refiner")}
    record = json.dumps({**settings, **figures})
    print(record)
    if arguments.output:
        arguments.output.mkdir(parents=True, exist_ok=True)
        with (arguments.output / "figures.jsonl").open("a", encoding="utf-8") as lines:
            lines.write(record + "\n")
        name = f"{arguments.task}_{arguments.resolution}_{steps}_{guidance:g}.png"
        grid(pictures[:32], [prompt for _, prompt in asked[:32]]).save(arguments.output / name)


if __name__ == "__main__":
    main()
