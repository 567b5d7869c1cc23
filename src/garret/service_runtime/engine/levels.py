"""The noise levels that a model was trained with: sigma is the noise's deviation beside a picture of deviation 1.

Plain numbers, no torch; the levels rise with the timestep from 0 to 999.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping
from functools import cached_property
from itertools import accumulate, pairwise
from operator import mul
from typing import Any


class Levels:
    """Sigmas by timestep, made of a diffusers scheduler configuration's betas."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.spacing = str(config.get("timestep_spacing", "linspace"))
        self.offset = int(config.get("steps_offset", 0))
        self.prediction = str(config.get("prediction_type", "epsilon"))
        kept = list(accumulate((1 - beta for beta in _betas(config)), mul))
        if config.get("rescale_betas_zero_snr"):
            kept = _to_no_signal(kept)
        self.sigmas = tuple(math.sqrt((1 - share) / share) for share in kept)

    @property
    def count(self) -> int:
        """Return how many timesteps there are."""
        return len(self.sigmas)

    @property
    def lowest(self) -> float:
        """Return the level of timestep 0."""
        return self.sigmas[0]

    @property
    def highest(self) -> float:
        """Return the level of the last timestep."""
        return self.sigmas[-1]

    @cached_property
    def _logs(self) -> list[float]:
        return [math.log(sigma) for sigma in self.sigmas]

    def at(self, timestep: float) -> float:
        """Return the level of a timestep; between two of them in their logarithms, as k-diffusion has it."""
        low = min(max(int(timestep), 0), self.count - 2)
        share = min(max(timestep - low, 0.0), 1.0)
        return math.exp((1 - share) * self._logs[low] + share * self._logs[low + 1])

    def between(self, timestep: float) -> float:
        """Return the level of a timestep; between two of them on a straight line, as diffusers has it."""
        low = min(max(int(timestep), 0), self.count - 2)
        share = min(max(timestep - low, 0.0), 1.0)
        return (1 - share) * self.sigmas[low] + share * self.sigmas[low + 1]

    def time_of(self, sigma: float) -> float:
        """Return the timestep of a level, 0 below the lowest and the last one above the highest."""
        if sigma <= self.lowest:
            return 0.0
        wanted = math.log(sigma)
        low = min(bisect.bisect_right(self._logs, wanted) - 1, self.count - 2)
        share = (wanted - self._logs[low]) / (self._logs[low + 1] - self._logs[low])
        return low + min(share, 1.0)


def _betas(config: Mapping[str, Any]) -> list[float]:
    """Return how much noise each timestep of the training added."""
    if config.get("trained_betas") is not None:
        return [float(beta) for beta in config["trained_betas"]]
    count = int(config.get("num_train_timesteps", 1000))
    low, high = float(config.get("beta_start", 0.00085)), float(config.get("beta_end", 0.012))
    kind = config.get("beta_schedule", "scaled_linear")
    steps = [index / (count - 1) for index in range(count)]
    if kind == "linear":
        return [low + (high - low) * share for share in steps]
    if kind == "scaled_linear":
        return [(math.sqrt(low) + (math.sqrt(high) - math.sqrt(low)) * share) ** 2 for share in steps]
    if kind == "squaredcos_cap_v2":
        bars = [math.cos((index / count + 0.008) / 1.008 * math.pi / 2) ** 2 for index in range(count + 1)]
        return [min(1 - after / before, 0.999) for before, after in pairwise(bars)]
    raise ValueError(f"the model's scheduler configuration has the unknown beta_schedule {kind!r}")


def _to_no_signal(kept: list[float]) -> list[float]:
    """Stretch the shares of the picture that are kept so that the last timestep is noise alone (arXiv 2305.08891).

    The last one stays just above zero, as diffusers has it, so that its level is a number.
    """
    roots = [math.sqrt(share) for share in kept]
    stretched = [((root - roots[-1]) * roots[0] / (roots[0] - roots[-1])) ** 2 for root in roots]
    return [*stretched[:-1], 2.0**-24]
