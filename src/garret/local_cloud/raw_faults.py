"""A raw fault: which calls meet it, and what happens to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Fault:
    """What goes wrong, at which action, and how often.

    `effect`: "error" answers `status`, `code`, `message` and does nothing; "lost" carries the call out and drops the
    connection instead of answering; "unsent" drops it without carrying anything out; "slow" waits `seconds` first.
    `times` 0 means until it is taken away. `match` narrows it to calls whose parameters have these values.
    """

    action: str
    effect: str = "error"
    product: str = ""
    code: str = "ServiceUnavailable"
    message: str = "switched on at the local cloud's fault board"
    status: int = 503
    times: int = 1
    seconds: float = 0.0
    retry_after_ms: int = 0
    match: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.effect not in ("error", "lost", "unsent", "slow"):
            raise ValueError(f"effect: {self.effect!r} is none of error, lost, unsent, slow")
        if not 400 <= self.status <= 599:
            raise ValueError(f"status: {self.status} is no HTTP error (400..599)")
        if self.times < 0:
            raise ValueError("times: must be 0 (for ever) or more")

    def meets(self, product: str, action: str, params: Mapping[str, str]) -> bool:
        """Whether a call meets it."""
        if self.action not in ("*", action) or self.product.lower() not in ("", product.lower()):
            return False
        return all(params.get(name) == value for name, value in self.match.items())
