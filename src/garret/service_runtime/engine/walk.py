"""One walk down the noise levels: what a sampler does with a model's answers, on the device, waiting for nothing."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from garret.service_runtime.engine.levels import Levels
from garret.service_runtime.engine.noise import Noises
from garret.service_runtime.engine.plan import Plan, Terms
from garret.service_runtime.engine.sigmas import Spacing, spaced
from garret.service_runtime.engine.solvers import SOLVERS
from garret.service_runtime.request import ImageRequest
from garret.service_runtime.samplers import find_sampler, unused_noise


class Walk:
    """The stages of one batch; `len` is the number of the model's calls, of which a step may need two.

    Latents are float32 and in sigma space; `timesteps` lie on the device, `sigmas` and `step_of` are plain numbers.
    """

    def __init__(self, plan: Plan, levels: Levels, noises: Noises, device: torch.device | str, first: float) -> None:
        self._plan = plan
        self._noises = noises
        self._first = first
        self._prediction = levels.prediction
        self._base: torch.Tensor | None = None
        self._answers: deque[torch.Tensor] = deque(maxlen=plan.longest)
        self._last_noise: torch.Tensor | None = None
        times = [levels.time_of(stage.sigma) for stage in plan.stages]
        self.timesteps = torch.tensor(times, dtype=torch.float32, device=device)
        self.sigmas = (*(stage.sigma for stage in plan.stages), plan.end)
        self.step_of = tuple(stage.step for stage in plan.stages)
        self.notes: dict[str, str] = {}

    def __len__(self) -> int:
        """Return how often the model is called."""
        return len(self._plan.stages)

    @property
    def total_steps(self) -> int:
        """Return how many steps are walked."""
        return self.step_of[-1] + 1 if self.step_of else 0

    def begin(self, noise: torch.Tensor, latents: torch.Tensor | None = None) -> torch.Tensor:
        """Return the latents to begin with: noise alone, or a picture's latents with noise of the first level."""
        return noise * self._first if latents is None else self.noised(latents, noise, 0)

    def scale(self, latents: torch.Tensor, index: int) -> torch.Tensor:
        """Return the model's input for a stage, of deviation 1."""
        return latents * (self.sigmas[index] ** 2 + 1) ** -0.5

    def noised(self, latents: torch.Tensor, noise: torch.Tensor, index: int) -> torch.Tensor:
        """Return clean latents with the noise that they have before a stage; after the last one that is none."""
        sigma = self.sigmas[index]
        return torch.add(latents.float(), noise, alpha=sigma) if sigma else latents.float()

    def clean(self, prediction: torch.Tensor, index: int, latents: torch.Tensor) -> torch.Tensor:
        """Return what the model takes the finished latents for."""
        sigma = self.sigmas[index]
        if self._prediction == "epsilon":
            return torch.add(latents, prediction, alpha=-sigma)
        if self._prediction == "v_prediction":
            return torch.add(latents / (sigma**2 + 1), prediction, alpha=-sigma * (sigma**2 + 1) ** -0.5)
        return prediction.float()

    def step(self, prediction: torch.Tensor, index: int, latents: torch.Tensor) -> torch.Tensor:
        """Return the next stage's latents, given the model's answer to this one's."""
        stage = self._plan.stages[index]
        self._answers.appendleft(self._answer(prediction, index, latents))
        if stage.base is not None:
            self._base = self._sum(stage.base, latents)
        moved = self._sum(stage.next, latents)
        if stage.last_noise:
            moved = torch.add(moved, self._last_noise, alpha=stage.last_noise)
        if stage.noise:
            self._last_noise = self._noises.next(latents)
            moved = torch.add(moved, self._last_noise, alpha=stage.noise)
        return moved

    def _answer(self, prediction: torch.Tensor, index: int, latents: torch.Tensor) -> torch.Tensor:
        if self._plan.clean:
            return self.clean(prediction, index, latents)
        if self._prediction == "epsilon":
            return prediction.float()
        return (latents - self.clean(prediction, index, latents)) / self.sigmas[index]

    def _sum(self, terms: Terms, latents: torch.Tensor) -> torch.Tensor:
        """Add up what the terms name, with as few passes over memory as they have parts."""
        parts: list[tuple[float, torch.Tensor]] = []
        if terms.latents:
            parts.append((terms.latents, latents))
        if terms.base and self._base is not None:
            parts.append((terms.base, self._base))
        parts += [(share, answer) for share, answer in zip(terms.answers, self._answers, strict=False) if share]
        share, total = parts[0]
        total = total if share == 1.0 else total * share
        for share, part in parts[1:]:
            total = torch.add(total, part, alpha=share)
        return total


def build_walk(
    config: Mapping[str, Any],
    request: ImageRequest,
    steps: int,
    device: torch.device | str,
    noises: Noises,
    *,
    denoise: float = 1.0,
    start: float | None = None,
    end: float | None = None,
    sampler: str = "",
    schedule: str = "",
) -> Walk:
    """Return the walk of a request's sampler, or of another one, for a model's scheduler configuration.

    `denoise` keeps the last share of the steps, at least one; `start` and `end` cut at shares of the model's
    timesteps, as diffusers' `denoising_start` and `denoising_end`: where nothing is left after `start` the walk is
    empty.

    Raises:
        UnknownChoice: a name that is no sampler's or schedule's.
    """
    found, spacing_name = find_sampler(sampler or request.sampler, schedule or request.schedule)
    noise = request.noise
    levels = Levels(config)
    spacing = spaced(levels, found, spacing_name, steps)
    first, last = _window(levels, spacing, denoise, start, end)
    plan = SOLVERS[found.solver](spacing.sigmas[first : last + 1], noise) if first < last else Plan((), 0.0)
    if plan.end and last == len(spacing.timesteps):
        plan = _to_picture(plan)
    level = plan.stages[0].sigma if plan.stages else 0.0
    walk = Walk(plan, levels, noises, device, _first_deviation(levels, found.kind, level))
    walk.notes = {f"Not used by {found.name}": ", ".join(unused)} if (unused := unused_noise(found, noise)) else {}
    return walk


def _window(
    levels: Levels, spacing: Spacing, denoise: float, start: float | None, end: float | None
) -> tuple[int, int]:
    """Return the first step to walk and the one to end before."""
    steps = len(spacing.timesteps)
    first, last = steps - max(1, min(int(steps * denoise), steps)), steps
    if start is not None:
        cut = round(levels.count - start * levels.count)
        first = max(first, sum(time >= cut for time in spacing.timesteps))
    if end is not None:
        cut = round(levels.count - end * levels.count)
        last = max(first + 1, sum(time >= cut for time in spacing.timesteps)) if end < 1 else steps
    return first, last


def _to_picture(plan: Plan) -> Plan:
    """Scale the last latents where a sampler leaves a little noise in them, to the range that pictures have."""
    *stages, last = plan.stages
    shrink = (plan.end**2 + 1) ** -0.5
    terms = Terms(last.next.latents * shrink, last.next.base * shrink, tuple(x * shrink for x in last.next.answers))
    scaled = replace(last, next=terms, noise=last.noise * shrink, last_noise=last.last_noise * shrink)
    return replace(plan, stages=(*stages, scaled))


def _first_deviation(levels: Levels, kind: str, sigma: float) -> float:
    """Return what the first noise is multiplied by: the level itself, or with the picture's own deviation in it.

    Both are in use, and a picture of the same seed differs; this is each diffusers scheduler's choice.
    """
    is_level = kind == "sigma" and levels.spacing in ("linspace", "trailing")
    return sigma if is_level else math.sqrt(sigma**2 + 1)
