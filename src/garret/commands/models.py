"""`garret ops download-model` and `garret ops executions`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from garret.commands.door import Caller, cloud_options, name_option
from garret.console import fields, rows
from garret.errors import UsageError

if TYPE_CHECKING:
    from garret.ops.channels.ssh import SshAddress
    from garret.ops.deployment import Deployment
    from garret.ops.executions import Node

Function = TypeVar("Function", bound=Callable[..., Any])

DOWNLOAD_EPILOG = """\b
Examples:
  garret ops download-model --type checkpoint --url https://example.com/mine.safetensors --name mine
  garret ops download-model --type lora --url https://example.com/ink.safetensors --sha256 9f86d0…
  garret ops download-model --type checkpoint --url hf:owner/repo/x.safetensors --token-env HF_TOKEN --ssh root@HOST …

The node downloads it; Ctrl-C stops only the looking on. Types: checkpoint, lora, vae, other.
The node is asked through Cloud Assistant; through SSH where its port 22 was opened: --ssh root@HOST --ssh-key FILE.
"""
LIST_EPILOG = """\b
Example:
  garret ops executions list
"""
SHOW_EPILOG = """\b
Example:
  garret ops executions show 0123456789abcdef0123456789abcdef
"""


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


@click.command("download-model", epilog=DOWNLOAD_EPILOG)
@click.option("--type", "kind", type=click.Choice(["checkpoint", "lora", "vae", "other"]), required=True,
              help="What it is; chooses its folder on the node.")  # fmt: skip
@click.option("--url", required=True, help="Where it is: https://…, hf:owner/repo/file or modelscope:owner/name/file.")
@click.option("--name", "model", help="Its name on the node; else the address's.")
@click.option("--sha256", help="What it must hash to.")
@click.option("--deployment", help="Which deployment; needed only when there are several.")
@click.option("--no-wait", is_flag=True, help="Return when it has begun.")
@click.option("--token-env", metavar="NAME", help="Variable with a token that the source asks for; only with --ssh.")
@way_options
@cloud_options
def download_model(
    caller: Caller, *, way: Way, kind: str, url: str, model: str | None, sha256: str | None, deployment: str | None,
    no_wait: bool, token_env: str | None,
) -> int:  # fmt: skip
    """Bring a model onto the node."""
    from garret.ops.download_model import VERB, parameters

    asked = parameters(kind, url, model, sha256, _token(caller, token_env, way))
    with _node(caller, deployment, way) as node:
        execution = node.begin(VERB, asked)
        caller.console.say(f"execution {execution['id']}")
        if not no_wait:
            execution = node.follow(execution, caller.console)
    caller.console.answer(execution, _lines(execution))
    return 0


def _token(caller: Caller, name: str | None, way: Way) -> str | None:
    """What the source asks for, from the environment; it goes by a way that keeps nothing of it."""
    if name is None:
        return None
    if way.ssh is None:
        raise UsageError(
            "--token-env: Cloud Assistant keeps what it carries, so no token goes that way",
            "with --ssh root@HOST --ssh-key FILE, where port 22 was opened; or a file that needs no token",
        )
    token = caller.environment.get(name, "")
    if not token:
        raise UsageError(f"--token-env: {name} is not set", f"export {name}=…   (the token's text is never an option)")
    return token


@click.command("list", epilog=LIST_EPILOG)
@name_option
@way_options
@cloud_options
def executions_list(caller: Caller, *, way: Way, name: str | None) -> int:
    """All executions, the newest first."""
    with _node(caller, name, way) as node:
        found = node.all()
    table = [("ID", "VERB", "STATUS", "BEGAN"), *(_row(execution) for execution in found)]
    caller.console.answer(found, rows(table) if found else ["no executions"])
    return 0


@click.command("show", epilog=SHOW_EPILOG)
@click.argument("identifier", metavar="ID")
@name_option
@way_options
@cloud_options
def executions_show(caller: Caller, *, way: Way, identifier: str, name: str | None) -> int:
    """One execution."""
    with _node(caller, name, way) as node:
        execution = node.show(identifier)
    caller.console.answer(execution, _lines(execution))
    return 0


@contextmanager
def _node(caller: Caller, name: str | None, way: Way) -> Iterator[Node]:
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


def _row(execution: dict[str, Any]) -> tuple[str, str, str, str]:
    return execution["id"], execution["verb"], execution["status"], execution["created_at"]


def _lines(execution: dict[str, Any]) -> list[str]:
    error = execution.get("error") or {}
    progress = execution.get("progress") or {}
    output = execution.get("output") or {}
    return fields(
        {
            "Execution": execution["id"],
            "Verb": execution["verb"],
            "Status": execution["status"],
            "Bytes": progress.get("done"),
            "Model": output.get("name"),
            "Path": output.get("path"),
            "SHA-256": output.get("sha256"),
            "Error": error.get("message"),
            "Next": error.get("hint"),
        }
    )
