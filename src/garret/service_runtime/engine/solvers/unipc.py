"""UniPC of second order (arXiv 2302.04867, B2): a step predicted, and corrected once its end has been looked at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from garret.service_runtime.asked import Noise
from garret.service_runtime.engine.plan import KEEP, Plan, Stage, Terms


def unipc(sigmas: Sequence[float], _noise: Noise) -> Plan:
    """Correct each step's end by the answer there, then predict the next one; answers are clean."""
    steps = len(sigmas) - 1
    stages: list[Stage] = []
    for index, (sigma, end) in enumerate(pairwise(sigmas)):
        order = min(2, index + 1, steps - index)
        base = KEEP
        if index:
            base = _correct(sigmas, index, min(2, index, steps - index + 1))
        stages.append(Stage(sigma, index, _predict(sigmas, index, order), base=base))
        if end == 0:
            break
    return Plan(tuple(stages), sigmas[-1], clean=True)


def _predict(sigmas: Sequence[float], index: int, order: int) -> Terms:
    """Return the step from the corrected latents, looking back at one answer for the second order."""
    sigma, end = sigmas[index], sigmas[index + 1]
    gain = 1 - end / sigma
    if order == 1 or end == 0:
        return Terms(base=end / sigma, answers=(gain,))
    ratio = _ratio(sigmas[index - 1], sigma, end)
    change = gain * 0.5 / ratio
    return Terms(base=end / sigma, answers=(gain - change, change))


def _correct(sigmas: Sequence[float], index: int, order: int) -> Terms:
    """Return the last step's end anew: base, and the answers at its end, its beginning and before."""
    start, sigma = sigmas[index - 1], sigmas[index]
    gain = 1 - sigma / start
    if order == 1:
        return Terms(base=sigma / start, answers=(gain / 2, gain / 2))
    ratio = _ratio(sigmas[index - 2], start, sigma)
    width = -math.log(start / sigma)
    scale = math.expm1(width)
    second = scale / width - 1
    third = second / width - 0.5
    far = (second - 2 * third) / scale / (1 - ratio)
    near = second / scale - far
    older = gain * far / ratio
    return Terms(base=sigma / start, answers=(gain * near, gain - gain * near - older, older))


def _ratio(before: float, sigma: float, end: float) -> float:
    """Return how far back the earlier level lies, in the logarithmic width of the step; negative."""
    return -math.log(before / sigma) / math.log(sigma / end)
