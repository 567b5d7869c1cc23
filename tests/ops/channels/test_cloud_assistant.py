"""The Cloud Assistant channel: one node of many, and no more bytes than the cloud takes."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from garret.errors import NodeFailed
from garret.ops.channels import Channel
from garret.ops.channels.cloud_assistant import LARGEST_FILE, CloudAssistantChannel
from garret.ops.records import CommandResult


@dataclass
class RecordingAssistant:
    """Keeps what it was asked."""

    asked: list[tuple[object, ...]] = field(default_factory=list)

    def reachable(self, instance_id: str) -> bool:
        """Answer always."""
        return bool(instance_id)

    def send_file(self, instance_id: str, path: str, content: bytes, *, mode: str = "0600") -> None:
        """Keep the file."""
        self.asked.append((instance_id, path, content, mode))

    def run(self, instance_id: str, command: str, *, timeout_s: int = 60) -> CommandResult:
        """Keep the command."""
        self.asked.append((instance_id, command, timeout_s))
        return CommandResult("Success", 0, "done")


def test_commands_and_files_go_to_the_one_node() -> None:
    """The channel adds the instance and changes nothing else."""
    assistant = RecordingAssistant()
    channel: Channel = CloudAssistantChannel(assistant, "i-1")
    assert channel.run("uptime", timeout_s=5).output == "done"
    channel.put("/var/lib/garret/requests/1.json", b"{}", mode="0640")
    assert assistant.asked == [("i-1", "uptime", 5), ("i-1", "/var/lib/garret/requests/1.json", b"{}", "0640")]


def test_a_file_that_is_too_large_is_not_sent() -> None:
    """More than SendFile takes is refused here, with the size."""
    assistant = RecordingAssistant()
    channel = CloudAssistantChannel(assistant, "i-1")
    channel.put("/file", b"x" * LARGEST_FILE)
    with pytest.raises(NodeFailed, match=str(LARGEST_FILE + 1)):
        channel.put("/file", b"x" * (LARGEST_FILE + 1))
    assert len(assistant.asked) == 1
