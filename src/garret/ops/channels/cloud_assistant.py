"""Reach a node by Cloud Assistant: no port, no key, only the cloud's own agent on the node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from garret.errors import NodeFailed
from garret.ops.records import CommandResult

if TYPE_CHECKING:
    from garret.ops.roles import Assistant

LARGEST_FILE = 24_000
"""SendFile takes 32 KB after Base64."""


@dataclass(frozen=True)
class CloudAssistantChannel:
    """One node behind the cloud's agent."""

    assistant: Assistant
    instance_id: str

    def run(self, command: str, *, timeout_s: int = 60) -> CommandResult:
        """Run a command as root to its end."""
        return self.assistant.run(self.instance_id, command, timeout_s=timeout_s)

    def put(self, path: str, content: bytes, *, mode: str = "0600") -> None:
        """Put a small file; what is larger than SendFile takes goes in pieces, or over SSH."""
        if len(content) > LARGEST_FILE:
            raise NodeFailed(
                f"{path}: Cloud Assistant carries {LARGEST_FILE} bytes at once, and this is {len(content)}",
                "send it in pieces, or over SSH",
            )
        self.assistant.send_file(self.instance_id, path, content, mode=mode)
