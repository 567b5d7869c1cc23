"""The walks of one batch: what is the same for all of them is said once."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from garret.service_runtime.engine.noise import Noises
from garret.service_runtime.engine.parts import Parts
from garret.service_runtime.engine.walk import Walk, build_walk
from garret.service_runtime.request import ImageRequest


@dataclass(frozen=True)
class Walks:
    """Builds walks for one request and its noise; the sampler may be another one than the request's."""

    request: ImageRequest
    noises: Noises
    device: torch.device
    sampler: str = ""
    schedule: str = ""

    def build(self, parts: Parts, steps: int, *, denoise: float = 1.0, end: float | None = None) -> Walk:
        """Return the last share `denoise` of so many steps, until the share `end` of all noise levels."""
        return build_walk(
            parts.scheduler_config,
            self.request,
            steps,
            self.device,
            self.noises,
            denoise=denoise,
            end=end,
            sampler=self.sampler,
            schedule=self.schedule,
        )
