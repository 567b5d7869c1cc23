"""One call of the model a step, the slope drawn through earlier ones: LMS, PLMS and DEIS; answers are noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from garret.service_runtime.asked import Noise
from garret.service_runtime.engine.plan import KEEP, Plan, Stage, Terms, straight

ORDER = 4
_ADAMS_BASHFORTH = ((1.0,), (3 / 2, -1 / 2), (23 / 12, -16 / 12, 5 / 12), (55 / 24, -59 / 24, 37 / 24, -9 / 24))


def lms(sigmas: Sequence[float], _noise: Noise) -> Plan:
    """Integrate the polynomial through the last four slopes."""
    stages = []
    for index, (sigma, end) in enumerate(pairwise(sigmas)):
        points = [sigmas[index - back] for back in range(min(index + 1, ORDER))]
        answers = tuple(_integral(points, which, sigma, end) for which in range(len(points)))
        stages.append(Stage(sigma, index, Terms(latents=1.0, answers=answers)))
    return Plan(tuple(stages), sigmas[-1])


def _integral(points: Sequence[float], which: int, start: float, end: float) -> float:
    """Integrate the Lagrange polynomial that is 1 at one point and 0 at the others; Gauss' two points are exact."""
    middle, half = (start + end) / 2, (end - start) / 2
    total = 0.0
    for place in (middle - half / math.sqrt(3), middle + half / math.sqrt(3)):
        others = (other for index, other in enumerate(points) if index != which)
        total += math.prod((place - other) / (points[which] - other) for other in others)
    return total * half


def plms(sigmas: Sequence[float], _noise: Noise) -> Plan:
    """PNDM without its Runge-Kutta start (arXiv 2202.09778): the first step is taken twice, then corrected."""
    stages: list[Stage] = []
    for index, (sigma, end) in enumerate(pairwise(sigmas)):
        reach = end - sigma
        if index == 0:
            again = len(sigmas) > 2
            stages.append(Stage(sigma, 0, straight(sigma, end), base=KEEP))
            if again:
                stages.append(Stage(end, 0, Terms(base=1.0, answers=(reach / 2, reach / 2))))
            continue
        shares = list(_ADAMS_BASHFORTH[min(index, ORDER - 1)])
        # The answer at the end of the first try is none of the slopes.
        if index < ORDER:
            shares.insert(index, 0.0)
        stages.append(Stage(sigma, index, Terms(latents=1.0, answers=tuple(share * reach for share in shares))))
    return Plan(tuple(stages), sigmas[-1])


def deis(sigmas: Sequence[float], _noise: Noise) -> Plan:
    """DEIS of second order in the logarithm of sigma (arXiv 2204.13902); the last of few steps is of the first."""
    steps = len(sigmas) - 1
    stages = []
    for index, (sigma, end) in enumerate(pairwise(sigmas)):
        terms = straight(sigma, end)
        if index and end and not (index == steps - 1 and steps < 15):
            before = sigmas[index - 1]
            newer = _log_integral(end, sigma, before) - _log_integral(sigma, sigma, before)
            older = _log_integral(end, before, sigma) - _log_integral(sigma, before, sigma)
            terms = Terms(latents=1.0, answers=(newer, older))
        stages.append(Stage(sigma, index, terms))
    return Plan(tuple(stages), sigmas[-1])


def _log_integral(place: float, one: float, zero: float) -> float:
    """Return an antiderivative of log(place / zero) / log(one / zero)."""
    return place * (math.log(place / zero) - 1) / math.log(one / zero)
