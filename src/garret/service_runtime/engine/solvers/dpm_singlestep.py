"""DPM-Solver++ with two calls of the model a step (arXiv 2211.01095), ancestral and as an SDE; answers are clean.

diffusers has no counterpart of the ancestral one, and of the other one only with torchsde's tree of noise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from garret.service_runtime.asked import Noise
from garret.service_runtime.engine.plan import KEEP, Plan, Stage, Terms
from garret.service_runtime.engine.solvers.noising import split_step


def _toward(sigma: float, end: float) -> Terms:
    """Return the exact step between two levels for a clean picture that does not change on the way."""
    return Terms(base=end / sigma, answers=(1 - end / sigma,))


def dpmpp_2s_ancestral(sigmas: Sequence[float], noise: Noise) -> Plan:
    """Look at the middle of the way to below the next level, step there, add noise up to it: DPM++ 2S a."""
    eta = 1.0 if noise.eta is None else noise.eta
    stages: list[Stage] = []
    for index, (sigma, end) in enumerate(pairwise(sigmas)):
        down, up = split_step(sigma, end, eta)
        lift = up * noise.s_noise
        if down == 0:
            stages.append(Stage(sigma, index, _toward(sigma, down), base=KEEP, noise=lift))
            continue
        middle = math.sqrt(sigma * down)
        stages.append(Stage(sigma, index, _toward(sigma, middle), base=KEEP))
        stages.append(Stage(middle, index, _toward(sigma, down), noise=lift))
    return Plan(tuple(stages), sigmas[-1], clean=True)


def dpmpp_sde(sigmas: Sequence[float], noise: Noise) -> Plan:
    """Add noise in the middle of a step as well; the whole step's is that of one Brownian path through the middle.

    The path is drawn piece by piece as it is needed, so that no tree is searched for it; another number of steps is
    another path, where torchsde's would be the same one.
    """
    eta = 1.0 if noise.eta is None else noise.eta
    stages: list[Stage] = []
    for index, (sigma, end) in enumerate(pairwise(sigmas)):
        if end == 0:
            stages.append(Stage(sigma, index, _toward(sigma, end), base=KEEP))
            continue
        middle = math.sqrt(sigma * end)
        down, up = split_step(sigma, middle, eta)
        stages.append(Stage(sigma, index, _toward(sigma, down), base=KEEP, noise=up * noise.s_noise))
        down, up = split_step(sigma, end, eta)
        lift = up * noise.s_noise
        first = math.sqrt((sigma - middle) / (sigma - end))
        second = math.sqrt((middle - end) / (sigma - end))
        stages.append(Stage(middle, index, _toward(sigma, down), noise=lift * second, last_noise=lift * first))
    return Plan(tuple(stages), sigmas[-1], clean=True)
