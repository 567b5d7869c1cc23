"""One call of the model a step: Euler, its ancestral form, and those that are the same thing under other names."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from garret.service_runtime.asked import Noise
from garret.service_runtime.engine.plan import Plan, Stage, Terms, straight
from garret.service_runtime.engine.solvers.noising import churn, split_step


def euler(sigmas: Sequence[float], noise: Noise) -> Plan:
    """Follow the slope (arXiv 2206.00364)."""
    churned = churn(sigmas, noise)
    stages = [
        Stage(churned.levels[index], index, straight(churned.levels[index], end), noise=churned.noise[index + 1])
        for index, end in enumerate(sigmas[1:])
    ]
    return Plan(tuple(stages), sigmas[-1])


def euler_ancestral(sigmas: Sequence[float], noise: Noise) -> Plan:
    """Step below the next level and add noise up to it."""
    return _ancestral(sigmas, noise, 1.0)


def ddim(sigmas: Sequence[float], noise: Noise) -> Plan:
    """DDIM (arXiv 2010.02502): in sigma space it is Euler's step, with eta the ancestral one."""
    return _ancestral(sigmas, noise, 0.0)


def ddpm(sigmas: Sequence[float], noise: Noise) -> Plan:
    """DDPM (arXiv 2006.11239), which is DDIM with the eta 1 (its variance "fixed small")."""
    return _ancestral(sigmas, noise, 1.0)


def lcm(sigmas: Sequence[float], noise: Noise) -> Plan:
    """Jump to the clean picture and add noise up to the next level (arXiv 2310.04378)."""
    stages = [
        Stage(sigma, index, Terms(latents=1.0, answers=(-sigma,)), noise=end * noise.s_noise)
        for index, (sigma, end) in enumerate(pairwise(sigmas))
    ]
    return Plan(tuple(stages), sigmas[-1])


def _ancestral(sigmas: Sequence[float], noise: Noise, habit: float) -> Plan:
    eta = habit if noise.eta is None else noise.eta
    stages = []
    for index, (sigma, end) in enumerate(pairwise(sigmas)):
        down, up = split_step(sigma, end, eta)
        stages.append(Stage(sigma, index, straight(sigma, down), noise=up * noise.s_noise))
    return Plan(tuple(stages), sigmas[-1])
