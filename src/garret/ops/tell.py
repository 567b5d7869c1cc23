"""How a verb speaks while it works; `garret.console` listens at a terminal, tests listen with a list."""

from __future__ import annotations

from typing import Protocol


class Teller(Protocol):
    """Someone who is told how far a verb has come."""

    def say(self, text: str = "") -> None:
        """A line for people."""

    def stage(self, name: str, state: str, detail: str = "", seconds: float | None = None) -> None:
        """A stage is running, done, skipped or failed."""

    def progress(self, label: str, done: int, total: int | None) -> None:
        """So many bytes of so many."""
