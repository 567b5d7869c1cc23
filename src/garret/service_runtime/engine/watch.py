"""What is told while a batch is made: steps over all of its stages, and small pictures of what there is."""

from __future__ import annotations

from torch import Tensor

from garret.service_runtime.engine.base import Step
from garret.service_runtime.engine.stepping import Emit


class Watch:
    """Counts the steps of a batch; stopping the batch is heard here."""

    def __init__(self, emit: Emit, total: int) -> None:
        self._emit = emit
        self._total = total
        self._done = 0

    def step(self, stage: str, latents: Tensor) -> None:  # noqa: ARG002  (previews are made from them)
        """Tell that one more step is done."""
        self._done += 1
        self._emit(Step(self._done, self._total, stage))
