"""The spacings of the noise levels that a picture is denoised through: from a name and a count to sigmas.

Each function takes the model's levels and the number of steps and returns that many sigmas, falling; the level that
the last step ends at is joined by `spaced`. Formulas are those of k-diffusion and A1111 where nothing else is said.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from garret.service_runtime.engine.beta import beta_quantile
from garret.service_runtime.engine.levels import Levels
from garret.service_runtime.limits import MAXIMUM_STEPS
from garret.service_runtime.samplers import Sampler, Schedule

# NVIDIA's "Align Your Steps" for SDXL in ten steps (arXiv 2404.14507, project page).
ALIGNED = (14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029)
LEAST_FALL = 0.9999
LCM_STEPS = 50
"""How many of the timesteps latent consistency models are distilled at."""


@dataclass(frozen=True)
class Spacing:
    """The timesteps of the steps, and their sigmas with the one that the last step ends at; both really fall."""

    timesteps: tuple[float, ...]
    sigmas: tuple[float, ...]


def spaced(levels: Levels, sampler: Sampler, schedule: Schedule, steps: int) -> Spacing:
    """Return the noise levels of so many steps; a single step begins at the highest level, whatever its spacing."""
    name = sampler.automatic if schedule.name == "automatic" else schedule.name
    if name == "model":
        return _of_model(levels, sampler, steps)
    if steps == 1:
        sigmas = [levels.highest]
    elif sampler.drops_next_to_last:
        sigmas = SPACINGS[name](levels, steps + 1)
        del sigmas[-2]
    else:
        sigmas = SPACINGS[name](levels, steps)
    return Spacing(tuple(levels.time_of(sigma) for sigma in sigmas), (*_falling(sigmas), 0.0))


def _of_model(levels: Levels, sampler: Sampler, steps: int) -> Spacing:
    """Return what the sampler's diffusers scheduler does with the model's own configuration."""
    times = [levels.count - 1.0] if steps == 1 else _MODEL_TIMES[sampler.kind](levels, steps)
    sigmas = _falling([levels.between(time) for time in times])
    end = min(levels.lowest, sigmas[-1] * LEAST_FALL) if sampler.ends_at_lowest else 0.0
    return Spacing(tuple(times), (*sigmas, end))


def _falling(sigmas: Sequence[float]) -> list[float]:
    """Part levels that are the same, as some spacings give for very many steps: no sampler steps nowhere."""
    found = [sigmas[0]]
    for sigma in sigmas[1:]:
        found.append(min(sigma, found[-1] * LEAST_FALL))
    return found


def _leading(levels: Levels, places: Iterable[int], parts: int) -> list[float]:
    """Return multiples of a part of all timesteps, raised by the configuration's offset.

    diffusers rounds the part down, which with more steps than a request may have would leave out ever more of the
    highest levels; so many divide the levels of a second pass that denoises only a little.
    """
    width = levels.count // parts if parts <= MAXIMUM_STEPS + 1 else levels.count / parts
    return [min(float(round(place * width) + levels.offset), levels.count - 1.0) for place in places]


def _trailing(levels: Levels, steps: int) -> list[float]:
    ratio = levels.count / steps
    return [round(levels.count - index * ratio) - 1.0 for index in range(steps)]


def _sigma_times(levels: Levels, steps: int) -> list[float]:
    """Return the timesteps of diffusers' schedulers that think in sigmas."""
    if levels.spacing == "trailing":
        return _trailing(levels, steps)
    if levels.spacing == "leading":
        return _leading(levels, reversed(range(steps)), steps)
    return [(levels.count - 1) * (1 - index / (steps - 1)) for index in range(steps)]


def _whole_times(levels: Levels, steps: int) -> list[float]:
    """Return the timesteps of DDIM and PNDM: the same, but whole."""
    return [float(round(time)) for time in _sigma_times(levels, steps)]


def _solver_times(levels: Levels, steps: int) -> list[float]:
    """Return the timesteps of the DPM-Solver family, which leaves the lowest one out."""
    if levels.spacing == "trailing":
        return _trailing(levels, steps)
    if levels.spacing == "leading":
        return _leading(levels, range(steps, 0, -1), steps + 1)
    return [float(round((levels.count - 1) * index / steps)) for index in range(steps, 0, -1)]


def _lcm_times(levels: Levels, steps: int) -> list[float]:
    """Return timesteps among those that the model was distilled at, also the same one twice when there are more."""
    width = levels.count // LCM_STEPS
    taught = [index * width - 1.0 for index in range(LCM_STEPS, 0, -1)]
    return [taught[int(index * LCM_STEPS / steps)] for index in range(steps)]


_MODEL_TIMES: dict[str, Callable[[Levels, int], list[float]]] = {
    "sigma": _sigma_times,
    "solver": _solver_times,
    "whole": _whole_times,
    "lcm": _lcm_times,
}


def _ramp(count: int) -> list[float]:
    return [index / (count - 1) for index in range(count)]


def _karras(levels: Levels, steps: int, rho: float = 7.0) -> list[float]:
    low, high = levels.lowest ** (1 / rho), levels.highest ** (1 / rho)
    return [(high + share * (low - high)) ** rho for share in _ramp(steps)]


def _edm(levels: Levels, steps: int) -> list[float]:
    """Return Karras' spacing with the rho of Stability's own demo."""
    return _karras(levels, steps, 3.0)


def _exponential(levels: Levels, steps: int) -> list[float]:
    return _polyexponential(levels, steps)


def _polyexponential(levels: Levels, steps: int, rho: float = 1.0) -> list[float]:
    low, high = math.log(levels.lowest), math.log(levels.highest)
    return [math.exp(low + (1 - share) ** rho * (high - low)) for share in _ramp(steps)]


def _normal(levels: Levels, steps: int) -> list[float]:
    return [levels.at((levels.count - 1) * (1 - share)) for share in _ramp(steps)]


def _sgm_uniform(levels: Levels, steps: int) -> list[float]:
    return [levels.at((levels.count - 1) * (1 - index / steps)) for index in range(steps)]


def _legacy_ddpm(levels: Levels, steps: int) -> list[float]:
    """Return Stability's own: whole timesteps, the lowest left out."""
    return [levels.sigmas[int((levels.count - 1) * (1 - index / steps))] for index in range(steps)]


def _simple(levels: Levels, steps: int) -> list[float]:
    return [levels.sigmas[-1 - int(index * levels.count / steps)] for index in range(steps)]


def _ddim(levels: Levels, steps: int) -> list[float]:
    """Return every so-manieth level from 1 on; A1111's goes on to a further one where steps do not divide 1000."""
    width = levels.count // steps if steps <= MAXIMUM_STEPS + 1 else levels.count / steps
    return [levels.sigmas[min(1 + int(index * width), levels.count - 1)] for index in reversed(range(steps))]


def _beta(levels: Levels, steps: int) -> list[float]:
    """Return "Beta Sampling is All You Need" (arXiv 2407.12173) with alpha and beta 0.6."""
    reach = levels.highest - levels.lowest
    return [levels.lowest + reach * beta_quantile(1 - share, 0.6) for share in _ramp(steps)]


def _kl_optimal(levels: Levels, steps: int) -> list[float]:
    """Return the spacing of theorem 3.1 in "Align Your Steps" (arXiv 2404.14507)."""
    low, high = math.atan(levels.lowest), math.atan(levels.highest)
    return [math.tan(high + share * (low - high)) for share in _ramp(steps)]


def _align_your_steps(_levels: Levels, steps: int) -> list[float]:
    """Return NVIDIA's levels, for another count than theirs in between in their logarithms."""
    logs = [math.log(sigma) for sigma in ALIGNED]
    found = []
    for share in _ramp(steps):
        place = share * (len(logs) - 1)
        low = min(int(place), len(logs) - 2)
        found.append(math.exp(logs[low] + (place - low) * (logs[low + 1] - logs[low])))
    return found


def _turbo(levels: Levels, steps: int) -> list[float]:
    return [levels.sigmas[int(levels.count / steps * index) - 1] for index in range(steps, 0, -1)]


SPACINGS: dict[str, Callable[[Levels, int], list[float]]] = {
    "karras": _karras,
    "edm": _edm,
    "exponential": _exponential,
    "polyexponential": _polyexponential,
    "normal": _normal,
    "uniform": _normal,
    "sgm_uniform": _sgm_uniform,
    "legacy_ddpm": _legacy_ddpm,
    "simple": _simple,
    "ddim": _ddim,
    "beta": _beta,
    "kl_optimal": _kl_optimal,
    "align_your_steps": _align_your_steps,
    "turbo": _turbo,
}
