"""`garret ops list-models`, `remove-model`, `restore-model` and `verify-models`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from garret.commands.door import Caller, cloud_options
from garret.commands.way import Way, node_of, way_options
from garret.console import rows
from garret.errors import UsageError

Function = TypeVar("Function", bound=Callable[..., Any])

LIST_EPILOG = """\b
Examples:
  garret ops list-models
  garret ops list-models --type lora --json
"""
REMOVE_EPILOG = """\b
Examples:
  garret ops remove-model ink
  garret ops remove-model Lora/old/ink.safetensors --for-good

It goes to a bin on the node, with its preview, and keeps its room on the disk there for 14 days; --for-good frees it.
"""
RESTORE_EPILOG = """\b
Examples:
  garret ops restore-model ink
  garret ops restore-model --all

`garret ops list-models` shows what is in the bin.
"""
VERIFY_EPILOG = """\b
Examples:
  garret ops verify-models
  garret ops verify-models mine --accept

Every byte is read from the disk again and held against the SHA-256 that the file had when it came; --accept takes a
file that you changed yourself for what it is now.
"""


def _options(function: Function) -> Function:
    """Add --type, --deployment (also as --name), the way to the node and the cloud."""
    function = way_options(cloud_options(function))
    function = click.option("--deployment", "--name", "deployment",
                            help="Which deployment; needed only when there are several.")(function)  # fmt: skip
    choice = click.Choice(["checkpoint", "lora", "vae", "upscaler", "other"])
    return click.option("--type", "model_type", type=choice, help="Only models of this type.")(function)


@click.command("list-models", epilog=LIST_EPILOG)
@_options
def list_models(caller: Caller, *, way: Way, model_type: str | None, deployment: str | None) -> int:
    """What is on the node: types, families, sizes, and what lies in the bin."""
    output = _carried_out(caller, way, deployment, "list-models", {"type": model_type})["output"]
    models, removed = output["models"], output["removed"]
    lines = [f"no models in {output['folder']}"] if not models else []
    if models:
        table = [("TYPE", "NAME", "FAMILY", "SIZE", "SHA-256", "PREVIEW", "")]
        lines = rows([*table, *(_row(one) for one in models)])
    if removed:
        lines += ["", "in the bin (garret ops restore-model NAME):"]
        lines += rows([(f"  {one['name']}", one["type"], _size(one["size"]), f"kept until {one['kept_until']}")
                       for one in removed])  # fmt: skip
    caller.console.answer(output, lines)
    return 0


@click.command("remove-model", epilog=REMOVE_EPILOG)
@click.argument("model", metavar="NAME")
@click.option("--for-good", is_flag=True, help="Delete it at once instead of keeping it in the bin.")
@click.option("--force", is_flag=True, help="Also the only checkpoint that pictures can be made with.")
@_options
def remove_model(
    caller: Caller, *, way: Way, model: str, for_good: bool, force: bool, model_type: str | None,
    deployment: str | None,
) -> int:  # fmt: skip
    """Take a model away, into a bin from which it can be restored."""
    asked = {"name": model, "type": model_type, "for_good": for_good, "force": force}
    execution = _carried_out(caller, way, deployment, "remove-model", asked)
    output = execution["output"]
    if for_good:
        said = f"{output['name']} is deleted; {_size(output['size'])} are free again"
    else:
        said = f"{output['name']} is in the bin until {output['kept_until']}: garret ops restore-model {output['name']}"
    caller.console.answer(execution, [said])
    return 0


@click.command("restore-model", epilog=RESTORE_EPILOG)
@click.argument("model", metavar="NAME", required=False)
@click.option("--all", "everything", is_flag=True, help="All that is in the bin.")
@_options
def restore_model(
    caller: Caller, *, way: Way, model: str | None, everything: bool, model_type: str | None, deployment: str | None
) -> int:
    """Bring a removed model back to where it lay."""
    if bool(model) == everything:
        raise UsageError("say a model's name, or --all", "garret ops restore-model NAME")
    asked = {"name": model, "type": model_type, "all": everything}
    execution = _carried_out(caller, way, deployment, "restore-model", asked)
    lines = [f"{one['name']} is back: {one['path']}" for one in execution["output"]["models"]]
    caller.console.answer(execution, lines or ["the bin is empty"])
    return 0


@click.command("verify-models", epilog=VERIFY_EPILOG)
@click.argument("model", metavar="[NAME]", required=False)
@click.option("--accept", is_flag=True, help="What is there now is what it should be.")
@click.option("--no-wait", is_flag=True, help="Return when it has begun.")
@_options
def verify_models(
    caller: Caller, *, way: Way, model: str | None, accept: bool, no_wait: bool, model_type: str | None,
    deployment: str | None,
) -> int:  # fmt: skip
    """Hash the models again: is each still what it was when it came?"""
    asked = {"name": model, "type": model_type, "accept": accept}
    execution = _carried_out(caller, way, deployment, "verify-models", asked, wait=not no_wait)
    models = (execution.get("output") or {}).get("models") or []
    table = [(one["state"], one["path"], _size(one["size"]), one["sha256"]) for one in models]
    caller.console.answer(execution, rows(table) or [f"execution {execution['id']}"])
    return 0


def _carried_out(
    caller: Caller, way: Way, deployment: str | None, verb: str, asked: Mapping[str, Any], *, wait: bool = True
) -> dict[str, Any]:
    """The execution when it has ended well, or as it began."""
    said = {name: value for name, value in asked.items() if value not in (None, False)}
    with node_of(caller, deployment, way) as node:
        execution = node.begin(verb, said)
        return node.follow(execution, caller.console) if wait else execution


def _row(one: Mapping[str, Any]) -> tuple[str, ...]:
    preview = "yes" if one["preview"] else ""
    return one["type"], one["name"], one["family"], _size(one["size"]), one["sha256"][:12], preview, one["problem"]


def _size(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 100_000_000 else f"{size / 1e6:.1f} MB"
