"""What is told while a batch is made: steps over all of its stages, and small pictures of what there is."""

from __future__ import annotations

from garret.service_runtime.engine.base import Step
from garret.service_runtime.engine.stepping import Emit
from garret.service_runtime.engine.walk import Walk


class Watch:
    """Counts the steps of a batch; stopping the batch is heard here."""

    def __init__(self, emit: Emit, total: int) -> None:
        self._emit = emit
        self._total = total
        self._done = 0

    def step(self, stage: str, walk: Walk, i: int) -> None:
        """Tell that one more step is done, where this call of the model was its last one."""
        if i + 1 < len(walk) and walk.step_of[i + 1] == walk.step_of[i]:
            return
        self._done += 1
        self._emit(Step(self._done, self._total, stage))
