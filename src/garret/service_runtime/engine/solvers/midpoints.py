"""Two calls of the model a step: Heun's, and DPM-Solver-2 with its ancestral form; the step to zero is Euler's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from garret.service_runtime.asked import Noise
from garret.service_runtime.engine.plan import KEEP, Plan, Stage, Terms, straight
from garret.service_runtime.engine.solvers.noising import churn, split_step


def heun(sigmas: Sequence[float], noise: Noise) -> Plan:
    """Take the mean of the slopes at both ends of a step (arXiv 2206.00364, algorithm 2)."""
    churned = churn(sigmas, noise)
    stages: list[Stage] = []
    for index, end in enumerate(sigmas[1:]):
        sigma, lift = churned.levels[index], churned.noise[index + 1]
        if end == 0:
            stages.append(Stage(sigma, index, straight(sigma, end)))
            break
        half = (end - sigma) / 2
        stages.append(Stage(sigma, index, Terms(base=1.0, answers=(end - sigma,)), base=KEEP))
        stages.append(Stage(end, index, Terms(base=1.0, answers=(half, half)), noise=lift))
    return Plan(tuple(stages), sigmas[-1])


def dpm_2(sigmas: Sequence[float], noise: Noise) -> Plan:
    """Take the slope in the middle, in logarithms, of a step (arXiv 2206.00927)."""
    churned = churn(sigmas, noise)
    stages: list[Stage] = []
    for index, end in enumerate(sigmas[1:]):
        stages += _through_the_middle(churned.levels[index], end, index, churned.noise[index + 1])
    return Plan(tuple(stages), sigmas[-1])


def dpm_2_ancestral(sigmas: Sequence[float], noise: Noise) -> Plan:
    """Take the same step to below the next level and add noise up to it."""
    eta = 1.0 if noise.eta is None else noise.eta
    stages: list[Stage] = []
    for index, (sigma, end) in enumerate(pairwise(sigmas)):
        down, up = split_step(sigma, end, eta)
        stages += _through_the_middle(sigma, down, index, up * noise.s_noise)
    return Plan(tuple(stages), sigmas[-1])


def _through_the_middle(sigma: float, end: float, step: int, noise: float) -> list[Stage]:
    if end == 0:
        return [Stage(sigma, step, straight(sigma, end), noise=noise)]
    middle = math.sqrt(sigma * end)
    return [
        Stage(sigma, step, Terms(base=1.0, answers=(middle - sigma,)), base=KEEP),
        Stage(middle, step, Terms(base=1.0, answers=(end - sigma,)), noise=noise),
    ]
