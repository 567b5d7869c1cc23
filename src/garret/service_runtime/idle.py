"""How long nobody has needed this node: requests, jobs, open pages and operations, counted where they happen."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Idle:
    """Remembers the last sign of life; `clock` counts seconds also while nobody looks."""

    clock: Callable[[], float] = time.monotonic
    last: float = field(default=-1.0)
    sign: str = "the service started"

    def __post_init__(self) -> None:
        """A start is a sign of life: whoever starts a node wants to use it."""
        if self.last < 0:
            self.last = self.clock()

    def touch(self, sign: str) -> None:
        """Note a sign of life, in the words that `status` shows."""
        self.last, self.sign = self.clock(), sign

    @property
    def seconds(self) -> float:
        """Return how long ago the last sign of life was."""
        return max(0.0, self.clock() - self.last)
