"""The seam between the cloud and what boots its nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class NodeRequest:
    """What a driver is told about a node before its first boot.

    `user_data` is plain text (already out of its Base64); `public_ip` is None until an address is attached;
    `environment` says where the node finds the cloud's doors, for drivers that give it no network of its own.
    """

    instance_id: str
    user_data: str
    private_ip: str
    hostname: str
    public_ip: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RunResult:
    """How a command on a node ended; `output` is stdout and stderr together, `dropped` the bytes cut off its head."""

    exit_code: int
    output: bytes
    dropped: int = 0
    timed_out: bool = False


class DriverError(Exception):
    """A node that could not be made, booted, stopped or written to; the text says why."""


class FileThere(DriverError):
    """`put` without overwrite met a file that is there already."""


class Driver(Protocol):
    """Boots nodes; every method may be called from any thread, and raises DriverError when it cannot."""

    name: str
    proves: str  # one sentence: what a node on this driver proves, and what not

    def create(self, node: NodeRequest) -> None:
        """Make the node's disk."""

    def boot(self, instance_id: str) -> None:
        """Boot: the first time runs the user-data, later ones start the enabled units only."""

    def stop(self, instance_id: str, force: bool) -> None:
        """End everything that runs on the node and keep its disk."""

    def destroy(self, instance_id: str) -> None:
        """End the node and remove its disk; a node that is gone already is fine."""

    def alive(self, instance_id: str) -> bool:
        """Whether the node runs."""

    def run(self, instance_id: str, command: bytes, timeout_s: int, user: str, directory: str) -> RunResult:
        """Run a script on the node and wait for it, at most `timeout_s` seconds."""

    def put(self, instance_id: str, path: str, content: bytes, mode: int, overwrite: bool) -> None:
        """Write a file on the node; FileThere when it exists and `overwrite` is False."""

    def attach_address(self, instance_id: str, public_ip: str | None) -> None:
        """Tell the node its public address; None takes it away."""
