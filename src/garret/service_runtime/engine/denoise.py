"""The loop: from noise to a picture's latents along one walk, with one UNet."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from torch import Tensor

from garret.service_runtime.asked import Shortcuts
from garret.service_runtime.engine.canvas import Blend
from garret.service_runtime.engine.guidance import Guide
from garret.service_runtime.engine.walk import Walk
from garret.service_runtime.engine.watch import Watch
from garret.service_runtime.engine.words import Words


@dataclass(frozen=True)
class Pass:
    """One model's part of a pass over a picture, whose steps are `steps`; `before` of them were another model's."""

    stage: str
    guide: Guide
    walk: Walk
    words: Words
    guidance: float
    steps: int
    before: int = 0
    shortcuts: Shortcuts = field(default_factory=Shortcuts)


def denoise(one: Pass, latents: Tensor, watch: Watch, blend: Blend | None = None) -> Tensor:
    """Return the latents at the end of the walk, in full precision; `blend` changes them after each step.

    Nothing in here waits for the device, but for the watch, which lets it run no further behind than a step.
    """
    walk = one.walk
    for i in range(len(walk)):
        step = one.before + walk.step_of[i]
        told = one.words.at(step, one.steps)
        inputs = walk.scale(latents, i)
        prediction = one.guide.predict(inputs, walk.timesteps[i], told, guided=is_guided(one, step))
        guess = partial(walk.clean, prediction, i, latents)
        latents = walk.step(prediction, i, latents)
        if blend is not None:
            latents = blend(i, latents)
        if i + 1 == len(walk) or walk.step_of[i + 1] > walk.step_of[i]:
            watch.step(one.stage, guess)
    return latents


def is_guided(one: Pass, step: int) -> bool:
    """Say whether guidance is at work at a step: above 1, and inside the part of the steps that was asked for."""
    share = step / one.steps
    return one.guidance > 1 and one.shortcuts.guidance_from <= share < one.shortcuts.guidance_until
