"""The refiner's walks: the last steps of a pass, or some steps of its own over what the base has finished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from garret.service_runtime.asked import Refiner
from garret.service_runtime.engine.noise import Noises
from garret.service_runtime.engine.parts import Parts
from garret.service_runtime.engine.walk import Walk
from garret.service_runtime.engine.walks import Walks

SAME = 1e-4
"""Levels that differ by less, as a share, are the same."""


@dataclass(frozen=True)
class Span:
    """The part of a pass that is made: the last `share` of so many steps; `stage` is its name."""

    stage: str
    steps: int
    share: float


def split(walks: Walks, base: Parts, refiner: Parts, asked: Refiner, span: Span) -> tuple[Walk | None, Walk | None]:
    """Return the base's walk and the refiner's, which goes on where the first one ends; one of them may be None.

    `Refiner.switch_at` is a share of what is made, by noise levels as diffusers' denoising_end and denoising_start.
    """
    steps, share = span.steps, span.share
    if asked.switch_at <= 0:
        return None, walks.build(refiner, asked.steps or steps, denoise=share)
    whole = walks.build(base, steps, denoise=share)
    if asked.switch_at >= 1:
        return whole, None
    begun = walks.build(base, steps, denoise=share, end=1 - share * (1 - asked.switch_at))
    if begun.total_steps == whole.total_steps:
        return whole, None
    return begun, continued(walks, refiner, asked.steps or steps, begun.sigmas[-1])


def continued(walks: Walks, refiner: Parts, steps: int, level: float) -> Walk:
    """Return the refiner's walk from a noise level on: from its own next one above, where it has not the same."""
    whole = walks.build(refiner, steps)
    first = _first_levels(whole)
    begin = max((step for step, sigma in enumerate(first) if sigma >= level * (1 - SAME)), default=0)
    return walks.build(refiner, steps, denoise=kept(len(first) - begin, len(first)))


def join(walk: Walk, latents: Tensor, level: float, noises: Noises) -> Tensor:
    """Return the latents that another walk has left at a level as this one begins: with the noise that they lack."""
    more = walk.sigmas[0] ** 2 - level**2
    return latents + noises.next(latents) * more**0.5 if more > SAME * level**2 else latents


def again(walks: Walks, refiner: Parts, asked: Refiner, steps: int) -> Walk | None:
    """Return the refiner's walk over finished latents, or None at no strength.

    Of the levels, the last 0 among them, the share `strength` is kept, as by sgm's Img2ImgDiscretizationWrapper; here
    one step at least is made.
    """
    if not asked.strength:
        return None
    steps = asked.steps or steps
    levels = max(int(asked.strength * (steps + 1)), 1)
    return walks.build(refiner, steps, denoise=kept(max(levels - 1, 1), steps))


def kept(last: int, steps: int) -> float:
    """Return the share that means so many last steps, whichever way it is rounded down."""
    return min(1.0, (last + 0.5) / steps)


def _first_levels(walk: Walk) -> Sequence[float]:
    levels: dict[int, float] = {}
    for step, sigma in zip(walk.step_of, walk.sigmas, strict=False):
        levels.setdefault(step, sigma)
    return list(levels.values())
