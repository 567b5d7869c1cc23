"""Noise that is added on the way: after a step (ancestral samplers), or before one (churn)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from garret.service_runtime.asked import Noise


def split_step(sigma: float, end: float, eta: float) -> tuple[float, float]:
    """Return the level to step down to, and the noise to add there so that `end` is reached (DDIM's equation 16)."""
    up = min(end, eta * math.sqrt(max(end**2 * (sigma**2 - end**2) / sigma**2, 0.0)))
    return math.sqrt(end**2 - up**2), up


@dataclass(frozen=True)
class Churned:
    """The levels that steps really begin at, and the noise that lifts the latents to each of them."""

    levels: tuple[float, ...]
    noise: tuple[float, ...]


def churn(sigmas: Sequence[float], noise: Noise) -> Churned:
    """Return the levels of Karras' stochastic sampler (arXiv 2206.00364, algorithm 2).

    The noise of a step's churn is drawn at the end of the step before it; the first step's is in the first noise.
    """
    steps = len(sigmas) - 1
    most = math.inf if noise.s_tmax is None else noise.s_tmax
    gamma = min(noise.s_churn / max(steps, 1), math.sqrt(2) - 1)
    levels = [sigma * (1 + gamma) if noise.s_tmin <= sigma <= most else sigma for sigma in sigmas[:-1]]
    lifts = [noise.s_noise * math.sqrt(max(a**2 - b**2, 0.0)) for a, b in zip(levels, sigmas, strict=False)]
    return Churned((*levels, sigmas[-1]), (*lifts, 0.0))
