"""A sampler written down: every call of the model, and the sum that its answer becomes the next latents by.

All samplers of the field are linear in the latents, the model's answers and fresh noise; what differs is the numbers.
They are plain floats here, made once per batch, so that the loop adds tensors and waits for nothing.
Latents are in sigma space: the picture plus sigma times noise of deviation 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from garret.service_runtime.asked import Noise


@dataclass(frozen=True)
class Terms:
    """What to add up: the latents that the model saw, the ones kept as base, and its answers, the newest first."""

    latents: float = 0.0
    base: float = 0.0
    answers: tuple[float, ...] = ()


@dataclass(frozen=True)
class Stage:
    """One call of the model at a level; `step` is the step that it belongs to.

    `base` is what the base becomes first, None: what it was. `last_noise` is the share of the noise that was drawn
    before this stage's own.
    """

    sigma: float
    step: int
    next: Terms
    base: Terms | None = None
    noise: float = 0.0
    last_noise: float = 0.0


@dataclass(frozen=True)
class Plan:
    """The stages down to the level `end`; answers are kept as clean pictures, or else as the noise seen in them."""

    stages: tuple[Stage, ...]
    end: float
    clean: bool = False

    @property
    def longest(self) -> int:
        """Return how many answers the stages look back at, at most."""
        every = [terms for stage in self.stages for terms in (stage.next, stage.base) if terms is not None]
        return max((len(terms.answers) for terms in every), default=1)


Solver = Callable[[Sequence[float], Noise], Plan]
"""Makes the plan for levels that fall, of which the last one is where the last step ends."""

KEEP = Terms(latents=1.0)


def straight(sigma: float, end: float) -> Terms:
    """Return Euler's step from one level to another, for answers that are noise."""
    return Terms(latents=1.0, answers=(end - sigma,))
