"""What a denoising step costs the host beside the UNet: our loop against diffusers' pipeline, with a UNet of no work.

The time of one step is the difference between a long and a short picture's, divided by the difference of their steps:
what is done once per picture is in neither. Of several pictures the fastest counts, since a busy machine only adds.
Ours runs as in a worker, through the engine's thread, with each step and the previews told; diffusers' runs as its
documentation has it. Guidance is on, latents are 8 x 8, so that next to nothing of the time is arithmetic. Both are
measured in turn in one process with one thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from benchmarks.report import Report
from garret import demo_model
from garret.service_runtime.batch import Batch, Picture, Used
from garret.service_runtime.request import ImageRequest

SHORT, LONG = 10, 150
ROUNDS, PICTURES = 5, 12
DIFFUSERS_S = 0.56e-3
"""Diffusers' own time as it was measured before this engine was written (see docs/engine.md)."""


def measure() -> list[Report]:
    """Return both times as samples of seconds per step, and ours against the time that was measured of old."""
    import torch

    torch.set_num_threads(1)
    ours, theirs = our_picture(), their_picture()
    samples: tuple[list[float], list[float]] = ([], [])
    for picture in (ours, theirs):
        picture(SHORT)
    for _ in range(ROUNDS):
        for picture, taken in zip((ours, theirs), samples, strict=True):
            taken.append(step_seconds(picture))
    notes: dict[str, object] = {
        "steps": [SHORT, LONG],
        "rounds": ROUNDS,
        "sampler": "Euler",
        "unit": "seconds per step",
    }
    return [
        Report("host_step", "host seconds per step, ours over diffusers'", *samples, at_most=0.9, notes=notes),
        Report(
            "host_step_bound", "host seconds per step over 0.56 ms", samples[0], [DIFFUSERS_S], at_most=1, notes=notes
        ),
    ]


def step_seconds(picture: Callable[[int], float]) -> float:
    """Return the seconds of one step."""
    taken = [(picture(LONG), picture(SHORT)) for _ in range(PICTURES)]
    return (min(long for long, _ in taken) - min(short for _, short in taken)) / (LONG - SHORT)


def our_picture() -> Callable[[int], float]:
    """Return what makes one picture of so many steps with our loop and returns its seconds."""
    import torch

    from garret.service_runtime.engine.painting import Painting, Workshop
    from garret.service_runtime.engine.previews import Colours
    from garret.service_runtime.engine.residency import Residency
    from garret.service_runtime.engine.stepping import Emit, stepwise
    from garret.service_runtime.engine.upscale import Enlarger
    from garret.service_runtime.engine.vaes import Vaes
    from garret.service_runtime.engine.words import WordEncoder

    class Idle(Residency):
        """Has checkpoints whose UNet does nothing."""

        def take(self, path: str, share: Any = None) -> Any:
            parts, loras = super().take(path, share)
            return replace(parts, unet=idle_unet(parts.unet)), loras

    device = torch.device("cpu")
    residency = Idle(device, torch.float32, demo_model.CONFIG)
    workshop = Workshop(
        residency, Vaes(device, torch.float32), WordEncoder(), Colours(), device, Enlarger(device, torch.float32)
    )
    thread = ThreadPoolExecutor(max_workers=1)

    def make(steps: int) -> float:
        request = ImageRequest("demo", "a red circle", 64, 64, steps, 3.0, 1)
        batch = Batch(request, Used(str(demo_model.WEIGHTS)), (Picture("a red circle", "blue", 1),))

        def work(emit: Emit) -> None:
            with torch.no_grad():
                Painting(workshop, batch).paint(emit)

        begun = time.perf_counter()
        for _ in stepwise(work, thread):
            pass
        return time.perf_counter() - begun

    return make


def their_picture() -> Callable[[int], float]:
    """Return what makes one picture of so many steps with diffusers' pipeline and returns its seconds."""
    import torch
    from diffusers import StableDiffusionXLPipeline

    pipeline = StableDiffusionXLPipeline.from_single_file(
        str(demo_model.WEIGHTS), config=str(demo_model.CONFIG), local_files_only=True, add_watermarker=False
    )
    pipeline.set_progress_bar_config(disable=True)
    pipeline.unet = idle_unet(pipeline.unet)

    def make(steps: int) -> float:
        begun = time.perf_counter()
        pipeline(
            "a red circle",
            negative_prompt="blue",
            width=64,
            height=64,
            num_inference_steps=steps,
            guidance_scale=3.0,
            generator=torch.Generator().manual_seed(1),
            output_type="latent",
        )
        return time.perf_counter() - begun

    return make


def idle_unet(real: Any) -> Any:
    """Return a module that stands in for a UNet and answers with its input."""
    import torch

    class Idle(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.config, self.add_embedding = real.config, real.add_embedding
            self.dtype, self.device = real.dtype, real.device

        def forward(self, sample: Any, *_: Any, **__: Any) -> tuple[Any]:
            return (sample,)

    return Idle()
