"""`garret ops download-model` and `garret ops executions`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from garret.commands.door import Caller, cloud_options, name_option
from garret.console import fields, rows

if TYPE_CHECKING:
    from garret.ops.executions import Node

DOWNLOAD_EPILOG = """\b
Examples:
  garret ops download-model --type checkpoint --url https://example.com/mine.safetensors --name mine
  garret ops download-model --type lora --url https://example.com/ink.safetensors --sha256 9f86d0…

The node downloads it; Ctrl-C stops only the looking on. Types: checkpoint, lora, vae, other.
"""
LIST_EPILOG = """\b
Example:
  garret ops executions list
"""
SHOW_EPILOG = """\b
Example:
  garret ops executions show 0123456789abcdef0123456789abcdef
"""


@click.command("download-model", epilog=DOWNLOAD_EPILOG)
@click.option("--type", "kind", type=click.Choice(["checkpoint", "lora", "vae", "other"]), required=True,
              help="What it is; chooses its folder on the node.")  # fmt: skip
@click.option("--url", required=True, help="Where it is.")
@click.option("--name", "model", help="Its name on the node; else the address's.")
@click.option("--sha256", help="What it must hash to.")
@click.option("--deployment", help="Which deployment; needed only when there are several.")
@click.option("--no-wait", is_flag=True, help="Return when it has begun.")
@cloud_options
def download_model(
    caller: Caller, *, kind: str, url: str, model: str | None, sha256: str | None, deployment: str | None, no_wait: bool
) -> int:
    """Bring a model onto the node."""
    from garret.ops.download_model import VERB, parameters

    asked = parameters(kind, url, model, sha256)
    node = _node(caller, deployment)
    execution = node.begin(VERB, asked)
    caller.console.say(f"execution {execution['id']}")
    if not no_wait:
        execution = node.follow(execution, caller.console)
    caller.console.answer(execution, _lines(execution))
    return 0


@click.command("list", epilog=LIST_EPILOG)
@name_option
@cloud_options
def executions_list(caller: Caller, name: str | None) -> int:
    """All executions, the newest first."""
    found = _node(caller, name).all()
    table = [("ID", "VERB", "STATUS", "BEGAN"), *(_row(execution) for execution in found)]
    caller.console.answer(found, rows(table) if found else ["no executions"])
    return 0


@click.command("show", epilog=SHOW_EPILOG)
@click.argument("identifier", metavar="ID")
@name_option
@cloud_options
def executions_show(caller: Caller, identifier: str, name: str | None) -> int:
    """One execution."""
    execution = _node(caller, name).show(identifier)
    caller.console.answer(execution, _lines(execution))
    return 0


def _node(caller: Caller, name: str | None) -> Node:
    from garret.ops.executions import Node

    settings = caller.settings()
    deployment = caller.deployment(settings, name)
    return Node.of(caller.cloud_of(settings, deployment), deployment)


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
