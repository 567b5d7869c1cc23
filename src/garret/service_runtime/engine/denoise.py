"""The loop: from noise to a picture's latents along one walk, with one UNet."""

from __future__ import annotations

from dataclasses import dataclass, field

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

    Nothing in here waits for the device.
    """
    walk = one.walk
    for i in range(len(walk)):
        step = one.before + walk.step_of[i]
        prediction = one.guide.predict(
            walk.scale(latents, i), walk.timesteps[i], one.words.at(step, one.steps), guided=is_guided(one, step)
        )
        latents = walk.step(prediction, i, latents)
        if blend is not None:
            latents = blend(i, latents)
        watch.step(one.stage, walk, i)
    return latents


def is_guided(one: Pass, step: int) -> bool:
    """Say whether guidance is at work at a step: above 1, and inside the part of the steps that was asked for."""
    share = step / one.steps
    return one.guidance > 1 and one.shortcuts.guidance_from <= share < one.shortcuts.guidance_until
