"""Ways to reach into a node: run a constant command, put a file. One Protocol, one file per way."""

from __future__ import annotations

from typing import Protocol

from garret.ops.records import CommandResult


class Channel(Protocol):
    """A way to one node. Commands are constant texts; what a person typed travels as a file."""

    def run(self, command: str, *, timeout_s: int = 60) -> CommandResult:
        """Run a command to its end; `exit_code` is None when it did not come to one."""

    def put(self, path: str, content: bytes, *, mode: str = "0600") -> None:
        """Have a file with exactly this content at an absolute path, or raise NodeFailed."""
