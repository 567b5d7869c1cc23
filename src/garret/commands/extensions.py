"""`garret ops install-extension` and `garret ops extensions`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from garret.commands.door import Caller, cloud_options
from garret.commands.operate import no_wait_option
from garret.commands.way import Way, node_of, way_options
from garret.console import fields, rows

Function = TypeVar("Function", bound=Callable[..., Any])

INSTALL_EPILOG = """\b
Examples:
  garret ops install-extension ./examples/extension
  garret ops install-extension garret-mood==1.2 --mirror https://packages.example.com/simple/
  garret ops install-extension git+https://github.com/owner/mood@v1.2
  garret ops install-extension https://example.com/mood.zip --sha256 9f86d0…

SOURCE is a package of the node's index, a git repository, a .zip or .tar.gz, or a project's folder on this machine.
Extensions are code that runs on the node: install what you trust. docs/extensions.md tells how one is written.

The service begins anew with it when its running jobs are done. When it is not ready then, the extension is turned off
by itself, or the version before put back, and the service begins anew without it.
"""
LIST_EPILOG = """\b
Example:
  garret ops extensions list
"""
ENABLE_EPILOG = """\b
Example:
  garret ops extensions enable mood

Taken back like a new one when the service is not ready with it.
"""
DISABLE_EPILOG = """\b
Example:
  garret ops extensions disable mood

It stays on the node; the service begins anew without it.
"""
REMOVE_EPILOG = """\b
Example:
  garret ops extensions remove mood

Its code is deleted from the node.
"""


_DONE = {"enable": "is on", "disable": "is off", "remove": "is removed"}


def _options(function: Function) -> Function:
    """Add --deployment (also as --name), the way to the node and the cloud."""
    function = way_options(cloud_options(function))
    return click.option("--deployment", "--name", "deployment",
                        help="Which deployment; needed only when there are several.")(function)  # fmt: skip


@click.command("install-extension", epilog=INSTALL_EPILOG)
@click.argument("source", metavar="SOURCE")
@click.option("--mirror", metavar="URL", help="Index for a package; what goes before the address of anything else.")
@click.option("--sha256", help="What the archive, or the package's wheel, must hash to.")
@click.option("--patience", metavar="TIME", help="How long the service's start may take with it; 5m unless said.")
@no_wait_option
@_options
def install_extension(
    caller: Caller, *, way: Way, source: str, mirror: str | None, sha256: str | None, patience: str | None,
    no_wait: bool, deployment: str | None,
) -> int:  # fmt: skip
    """Install an extension into the node's service; it is taken back when the service does not start with it."""
    from garret.ops.extensions import INSTALL, asked, send

    wish = asked(source, mirror, sha256, patience)
    with node_of(caller, deployment, way) as node:

        def told(done: int, total: int) -> None:
            caller.console.progress("sending the archive", done, total)

        execution = node.begin(INSTALL, send(node.channel, wish, told))
        caller.console.say(f"execution {execution['id']}")
        if not no_wait:
            execution = node.follow(execution, caller.console)
    caller.console.answer(execution, _told(execution))
    return 0


@click.command("list", epilog=LIST_EPILOG)
@_options
def list_(caller: Caller, *, way: Way, deployment: str | None) -> int:
    """The extensions on the node: which are on, what they do, and why one was turned off."""
    output = _carried_out(caller, way, deployment, "list-extensions", {})["output"]
    table = [("NAME", "VERSION", "STATE", "HOOKS", "SOURCE"), *(_row(one) for one in output["extensions"])]
    lines = rows(table) if output["extensions"] else ["no extensions"]
    for one in output["extensions"]:
        if one["failure"]:
            reason = one["failure"]["reason"].strip().splitlines()[-1]
            lines.append(f"{one['name']} {one['failure']['version']} was rolled back: {reason}")
    if output["strangers"]:
        names = ", ".join(output["strangers"])
        lines.append(f"in /home/extensions, and never loaded because no operation installed it: {names}")
    caller.console.answer(output, lines)
    return 0


@click.command("enable", epilog=ENABLE_EPILOG)
@click.argument("extension", metavar="NAME")
@_options
def enable(caller: Caller, *, way: Way, extension: str, deployment: str | None) -> int:
    """Turn an extension on."""
    return _change(caller, way, deployment, "enable", extension)


@click.command("disable", epilog=DISABLE_EPILOG)
@click.argument("extension", metavar="NAME")
@_options
def disable(caller: Caller, *, way: Way, extension: str, deployment: str | None) -> int:
    """Turn an extension off."""
    return _change(caller, way, deployment, "disable", extension)


@click.command("remove", epilog=REMOVE_EPILOG)
@click.argument("extension", metavar="NAME")
@_options
def remove(caller: Caller, *, way: Way, extension: str, deployment: str | None) -> int:
    """Turn an extension off and delete it from the node."""
    return _change(caller, way, deployment, "remove", extension)


def _change(caller: Caller, way: Way, deployment: str | None, verb: str, extension: str) -> int:
    execution = _carried_out(caller, way, deployment, f"{verb}-extension", {"name": extension})
    output = execution["output"]
    before = "" if output["changed"] else " already"
    later = "" if output.get("service_runs", True) else "; the service is not running, and reads it when it starts"
    caller.console.answer(execution, [f"{output['name']} {output['version']} {_DONE[verb]}{before}{later}"])
    return 0


def _carried_out(
    caller: Caller, way: Way, deployment: str | None, verb: str, parameters: Mapping[str, Any]
) -> dict[str, Any]:
    with node_of(caller, deployment, way) as node:
        return node.follow(node.begin(verb, parameters), caller.console)


def _row(one: Mapping[str, Any]) -> tuple[str, ...]:
    state = f"{one['state']}, on trial" if one["trial"] else one["state"]
    return one["name"], one["version"], state, " ".join(one["hooks"]), one["source"]


def _told(execution: Mapping[str, Any]) -> list[str]:
    output = execution.get("output") or {}
    if not output:
        return fields({"Execution": execution["id"], "Next": f"garret ops executions wait {execution['id']}"})
    waits = "the service is not running; it is tried at its next start"
    return fields(
        {
            "Extension": f"{output['name']} {output['version']}".strip(),
            "State": output["state"] if output["service_runs"] else waits,
            "Hooks": " ".join(output["hooks"]),
            "Source": output["source"],
            "SHA-256" if len(output["digest"]) == 64 else "Commit": output["digest"],
            "Off again": f"garret ops extensions disable {output['name']}",
        }
    )
