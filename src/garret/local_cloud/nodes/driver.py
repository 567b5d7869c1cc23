"""The seam between the cloud and what boots its nodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class NodeRequest:
    """What a driver is told about a node before its first boot.

    `user_data` is plain text (already out of its Base64); `public_ip` is None until an address is attached;
    `environment` says where the node finds the cloud's doors, for drivers that give it no network of its own;
    `image_id` is an image that was frozen here, or one of the public ones, which are all the same base.
    """

    instance_id: str
    user_data: str
    private_ip: str
    hostname: str
    public_ip: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    region: str = ""
    image_id: str = ""
    vpc_id: str = ""
    vpc_cidr: str = ""
    vswitch_cidr: str = ""
    mac: str = ""


@dataclass(frozen=True)
class RunResult:
    """How a command on a node ended; `output` is stdout and stderr together, `dropped` the bytes cut off its head."""

    exit_code: int
    output: bytes
    dropped: int = 0
    timed_out: bool = False


@dataclass(frozen=True)
class Rule:
    """One ingress rule in force: who may reach which ports, by tcp, udp, icmp or all; `policy` is accept or drop.

    A smaller `priority` comes first; at the same one, drop does. What no rule accepts is dropped.
    """

    protocol: str
    port_from: int
    port_to: int
    cidr: str
    policy: str = "accept"
    priority: int = 1


Metadata = Callable[[str, str, str, str, Mapping[str, str]], tuple[int, str | bytes]]
"""(VPC, private address, method, path, headers in lower case) -> (HTTP status, content) of 100.100.100.200."""


@dataclass(frozen=True)
class Doors:
    """What a cloud offers to nodes that have a network of their own; `endpoint` is the server's own address."""

    endpoint: str
    metadata: Metadata


class DriverError(Exception):
    """A node that could not be made, booted, stopped or written to; the text says why."""


class FileThere(DriverError):
    """`put` without overwrite met a file that is there already."""


class NotUp(DriverError):
    """The node runs, and does not take commands yet."""


class NoUser(DriverError):
    """The node has no user of that name."""


class NoGroup(DriverError):
    """The node has no group of that name."""


class NoFolder(DriverError):
    """The folder that a command was to run in is not there."""


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

    def run(
        self, instance_id: str, command: bytes, timeout_s: int, user: str, directory: str, *, name: str = ""
    ) -> RunResult:
        """Run a script on the node and wait for it, at most `timeout_s` seconds; `end` knows it by its name.

        A script that begins with #! says itself what runs it, any other is for sh; `directory` "" is the user's home.
        NotUp says that it could not begin yet, NoUser and NoFolder what is missing on the node.
        """

    def end(self, instance_id: str, name: str) -> None:
        """End what `run` was given this name, with all that it started; nothing happens when there is no such."""

    def put(
        self,
        instance_id: str,
        path: str,
        content: bytes,
        mode: int,
        overwrite: bool,
        *,
        owner: str = "root",
        group: str = "root",
    ) -> None:
        """Write a file on the node and make the folders that it lacks; FileThere when it exists, without `overwrite`.

        NoUser and NoGroup say who is missing on the node.
        """

    def console(self, instance_id: str) -> bytes:
        """What the node wrote to its console since it was made; empty when it wrote nothing or is not there."""

    def attach_address(self, instance_id: str, public_ip: str | None) -> None:
        """Tell the node its public address; None takes it away."""

    def guard(self, instance_id: str, rules: tuple[Rule, ...]) -> None:
        """Put these ingress rules in force for the node, in place of those before."""

    def connect(self, doors: Doors) -> None:
        """Learn how the cloud is reached; called once, before the first node is made or adopted."""

    def door_url(self, default: str) -> str:
        """The base of the addresses at which nodes reach the cloud; `default` is the server's own."""

    def freeze(self, instance_id: str, image_id: str) -> int:
        """Keep the disk of a node as an image, as it is now; its size in bytes."""

    def thaw(self, instance_id: str, image_id: str) -> None:
        """Make the disk of a stopped node again what it was when this was kept of it."""

    def has_image(self, image_id: str) -> bool:
        """Whether an image of this id was frozen here."""

    def drop_image(self, image_id: str) -> None:
        """Forget a frozen image; one that is gone already is fine, one that nodes still need stays until they go."""

    def clear(self) -> None:
        """Leave nothing of the nodes on the machine but their disks, whatever a crash has left; none runs any more."""
