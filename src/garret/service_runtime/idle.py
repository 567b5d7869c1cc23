"""How long nobody has needed this node: requests, jobs, open pages and operations, counted where they happen."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from garret.service_runtime.gaps import Gaps

PAGE = "/machine/page"
"""Where an open page says that somebody sits before it."""
_ONLY_LOOKS = frozenset({
    "/healthz", "/readyz", "/v1/health", "/v1/queue", "/v1/logs", "/machine", "/machine/prices", "/metrics",
    "/boot.json", "/internal/ping",
    "/internal/progress", "/internal/pending-tasks", "/queue/status", "/ping",
    "/sdapi/v1/progress", "/sdapi/v1/memory", "/sdapi/v1/cmd-flags", "/favicon.ico",
    "/login", "/logout", "/ui/login.css",
})  # fmt: skip


def is_use(path: str) -> bool:
    """Say whether a request means that somebody needs the node.

    Programs that show a node's state ask for it day and night: as long as a job runs, that job counts.
    """
    return path not in _ONLY_LOOKS


@dataclass
class Idle:
    """Remembers the last sign of life, and the silences before it; `clock` counts seconds also while nobody looks."""

    clock: Callable[[], float] = time.monotonic
    last: float = field(default=-1.0)
    sign: str = "the service started"
    gaps: Gaps = field(default_factory=Gaps)

    def __post_init__(self) -> None:
        """A start is a sign of life: whoever starts a node wants to use it."""
        if self.last < 0:
            self.last = self.clock()

    def touch(self, sign: str) -> None:
        """Note a sign of life, in the words that `status` shows."""
        now = self.clock()
        self.gaps.add(now - self.last)
        self.last, self.sign = now, sign

    def goes_on_from(self, silent_s: float, sign: str) -> None:
        """Take up a silence that began before this process did."""
        self.last, self.sign = self.clock() - max(0.0, silent_s), sign

    @property
    def seconds(self) -> float:
        """Return how long ago the last sign of life was."""
        return max(0.0, self.clock() - self.last)
