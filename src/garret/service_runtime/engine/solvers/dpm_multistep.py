"""DPM-Solver++ with one call of the model a step, looking back at earlier answers (arXiv 2211.01095); they are clean.

The SDE forms add noise at each step; with eta 0 the second-order one is DPM++ 2M.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from garret.service_runtime.asked import Noise
from garret.service_runtime.engine.plan import Plan, Stage, Terms


def dpmpp_2m(sigmas: Sequence[float], _noise: Noise) -> Plan:
    """Second order without noise: DPM++ 2M."""
    return _second_order(sigmas, eta=0.0, s_noise=0.0, is_heun=False)


def dpmpp_2m_sde(sigmas: Sequence[float], noise: Noise) -> Plan:
    """Second order with noise, in the midpoint's form."""
    return _second_order(sigmas, eta=_eta(noise), s_noise=noise.s_noise, is_heun=False)


def dpmpp_2m_sde_heun(sigmas: Sequence[float], noise: Noise) -> Plan:
    """Second order with noise, in Heun's form."""
    return _second_order(sigmas, eta=_eta(noise), s_noise=noise.s_noise, is_heun=True)


def dpmpp_3m_sde(sigmas: Sequence[float], noise: Noise) -> Plan:
    """Third order with noise: DPM++ 3M SDE."""
    stages: list[Stage] = []
    before: list[float] = []
    for index, (sigma, end) in enumerate(pairwise(sigmas)):
        if end == 0:
            stages.append(Stage(sigma, index, Terms(answers=(1.0,))))
            break
        width = math.log(sigma / end)
        stages.append(_third_order_stage(index, sigma, end, before, noise))
        before = [width, *before[:1]]
    return Plan(tuple(stages), sigmas[-1], clean=True)


def _eta(noise: Noise) -> float:
    return 1.0 if noise.eta is None else noise.eta


def _lift(end: float, width: float, eta: float, s_noise: float) -> float:
    return end * math.sqrt(-math.expm1(-2 * eta * width)) * s_noise


def _second_order(sigmas: Sequence[float], *, eta: float, s_noise: float, is_heun: bool) -> Plan:
    stages: list[Stage] = []
    before: float | None = None
    for index, (sigma, end) in enumerate(pairwise(sigmas)):
        if end == 0:
            stages.append(Stage(sigma, index, Terms(answers=(1.0,))))
            break
        width = math.log(sigma / end)
        reach = width * (1 + eta)
        gain = -math.expm1(-reach)
        change = 0.0
        if before is not None:
            change = (1 - gain / reach if is_heun else gain / 2) * width / before
        answers = (gain + change, -change) if change else (gain,)
        lift = _lift(end, width, eta, s_noise)
        stages.append(Stage(sigma, index, Terms(latents=math.exp(-reach), answers=answers), noise=lift))
        before = width
    return Plan(tuple(stages), sigmas[-1], clean=True)


def _third_order_stage(index: int, sigma: float, end: float, before: list[float], noise: Noise) -> Stage:
    """Return one step; `before` holds the widths of the last steps in logarithms, the newest first."""
    width = math.log(sigma / end)
    eta = _eta(noise)
    reach = width * (1 + eta)
    gain = -math.expm1(-reach)
    slope = 1 - gain / reach
    answers = [gain, 0.0, 0.0]
    if len(before) == 1:
        change = slope * width / before[0]
        answers = [gain + change, -change]
    elif len(before) == 2:
        near, far = before[0] / width, before[1] / width
        # The first and second differences of the last three answers, as sums of them.
        newer, older = (1 / near, -1 / near, 0.0), (0.0, 1 / far, -1 / far)
        bend = slope / reach - 0.5
        for place in range(3):
            turn = newer[place] - older[place]
            answers[place] += slope * (newer[place] + turn * near / (near + far)) - bend * turn / (near + far)
    terms = Terms(latents=math.exp(-reach), answers=tuple(answers))
    return Stage(sigma, index, terms, noise=_lift(end, width, eta, noise.s_noise))
