"""A node that is a folder of this machine: commands run in a real shell, with as little output as the cloud carries."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from garret.ops.records import CommandResult

OUTPUT_LIMIT = 24 * 1024
MAXIMUM_COMMAND = 18 * 1024
"""Of a command's text after Base64, by the vendor's page of RunCommand."""


@dataclass
class ShellNode:
    """Cloud Assistant on such a node, and a channel to it."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    broken: int = 0  # so many commands from now on get no answer

    def reachable(self, instance_id: str) -> bool:
        """Always."""
        return bool(instance_id)

    def send_file(self, instance_id: str, path: str, content: bytes, *, mode: str = "0600") -> None:
        """Put a file below the node's root."""
        assert instance_id
        self.put(path, content, mode=mode)

    def put(self, path: str, content: bytes, *, mode: str = "0600") -> None:
        """Put a file below the node's root."""
        self.files[path] = content
        target = self.folder / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        target.chmod(int(mode, 8))

    def run(self, first: str, command: str = "", *, timeout_s: int = 60) -> CommandResult:
        """Run it, with the instance's id before it or without."""
        text = command or first
        assert len(text) * 4 / 3 < MAXIMUM_COMMAND
        self.commands.append(text)
        if self.broken:
            self.broken -= 1
            return CommandResult("Timeout", None, "", "no result")
        known = {"GARRET_PREFIX": str(self.folder), "GARRET_PYTHON": sys.executable, "PATH": os.environ["PATH"]}
        done = subprocess.run(
            ["/bin/sh", "-c", text],
            env=known | self.environment, capture_output=True, timeout=timeout_s, check=False,
        )  # fmt: skip
        said = (done.stdout + done.stderr)[:OUTPUT_LIMIT].decode("utf-8", "replace")
        return CommandResult("Success" if done.returncode == 0 else "Failed", done.returncode, said)
