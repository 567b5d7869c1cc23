"""How a command reaches a node: through Cloud Assistant, or by SSH where an address was given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from garret.commands.door import Caller
from garret.errors import UsageError

if TYPE_CHECKING:
    from garret.ops.channels.ssh import SshAddress
    from garret.ops.deployment import Deployment
    from garret.ops.executions import Node

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Way:
    """How the node is to be reached: by SSH when an address was given."""

    ssh: str | None
    key_file: Path | None
    host_keys: tuple[str, ...]


def way_options(function: Function) -> Function:
    """Add the options of SSH, and hand the function a Way in their place."""

    @click.option("--ssh", metavar="USER@HOST:PORT", help="Ask the node by SSH instead of Cloud Assistant.")
    @click.option("--ssh-key", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Private key file.")
    @click.option("--host-key", multiple=True, help="Host key to expect; else the one the node reported.")
    @wraps(function)
    def wrapped(
        *arguments: Any, ssh: str | None, ssh_key: Path | None, host_key: tuple[str, ...], **options: Any
    ) -> Any:
        return function(*arguments, way=Way(ssh, ssh_key, host_key), **options)

    return wrapped  # type: ignore[return-value]


@contextmanager
def node_of(caller: Caller, name: str | None, way: Way) -> Iterator[Node]:
    """The node of a deployment, if it runs."""
    from garret.ops.executions import Node

    settings = caller.settings()
    deployment = caller.deployment(settings, name)
    cloud = caller.cloud_of(settings, deployment)
    address = address_of(way, deployment)
    if address is None:
        yield Node.of(cloud, deployment)
        return
    from garret.ops.channels.ssh import SshChannel

    with SshChannel(address) as channel:
        yield Node.of(cloud, deployment, channel)


def address_of(way: Way, deployment: Deployment) -> SshAddress | None:
    """Where SSH goes to, when it was asked for.

    Raises:
        UsageError: it is no address, or nobody said with which key, or what host key to expect.
    """
    if way.ssh is None:
        return None
    from garret.ops.channels.ssh import parse_address
    from garret.ops.deployment import node_facts

    if way.key_file is None:
        raise UsageError("--ssh-key was not said; a password is never used", "--ssh-key ~/.ssh/id_ed25519")
    reported = node_facts(deployment.outputs).get("ssh_host_keys") or ()
    return parse_address(way.ssh, way.key_file, way.host_keys or tuple(reported))
