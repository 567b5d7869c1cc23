"""`garret ops executions`: what was asked for, how far it is, and how it ended, wherever it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from garret.commands.door import Caller, cloud_options, name_option
from garret.commands.way import Way, node_of, way_options
from garret.console import fields, rows
from garret.errors import GarretError, UsageError

if TYPE_CHECKING:
    from garret.ops.cloud import Cloud
    from garret.ops.execution import Execution
    from garret.ops.execution_files import ExecutionFiles

LIST_EPILOG = """\b
Example:
  garret ops executions list

`garret ops executions` is the same. WHERE says who carries it out: here (a process of this machine), the node, or
the cloud.
"""
SHOW_EPILOG = """\b
Example:
  garret ops executions show 0123456789abcdef0123456789abcdef
"""
WAIT_EPILOG = """\b
Example:
  garret ops executions wait 0123456789abcdef0123456789abcdef

Ctrl-C ends only the looking on. What broke off in its middle, as by a power cut, goes on where it was.
"""
CANCEL_EPILOG = """\b
Example:
  garret ops executions cancel 0123456789abcdef0123456789abcdef

It stops between two of its parts; what it has done until then stays done.
"""


@click.command("list", epilog=LIST_EPILOG)
@name_option
@way_options
@cloud_options
def list_(caller: Caller, *, way: Way, name: str | None) -> int:
    """All executions, the newest first."""
    from garret.ops.known_executions import all_of

    settings = caller.settings()
    deployment = caller.deployment(settings, name)
    cloud = caller.cloud_of(settings, deployment)
    if way.ssh is None:
        found = all_of(cloud, deployment)
    else:
        with node_of(caller, name, way) as node:
            found = all_of(cloud, deployment, node)
    for note in found.notes:
        caller.console.note(note)
    table = [("ID", "VERB", "WHERE", "STATUS", "BEGAN", "SECONDS"), *(_row(one) for one in found.executions)]
    lines = rows(table) if found.executions else ["no executions"]
    caller.console.answer([one.to_dict() for one in found.executions], lines)
    return 0


@click.command("show", epilog=SHOW_EPILOG)
@click.argument("identifier", metavar="ID")
@name_option
@way_options
@cloud_options
def show(caller: Caller, *, way: Way, identifier: str, name: str | None) -> int:
    """One execution: its parts with their times, what came of it, and who asked."""
    if _is_the_clouds(identifier):
        from garret.ops.known_executions import cloud_execution

        execution = cloud_execution(_cloud(caller, name), identifier).to_dict()
        caller.console.answer(execution, lines_of(execution))
        return 0
    files, known = _found(caller, identifier)
    if files is not None and known is not None and (known.place == "here" or known.ended):
        execution = known.to_dict()
    else:
        try:
            with node_of(caller, _name(known, name), way) as node:
                execution = node.show(identifier)
        except GarretError as error:
            if known is None:
                raise
            caller.console.note(f"as it was last seen: {error.message}")
            execution = known.to_dict()
    caller.console.answer(execution, lines_of(execution))
    return 0


@click.command("wait", epilog=WAIT_EPILOG)
@click.argument("identifier", metavar="ID")
@name_option
@way_options
@cloud_options
def wait(caller: Caller, *, way: Way, identifier: str, name: str | None) -> int:
    """Look on again until an execution has ended, with its progress; ends as the execution does."""
    from garret.commands.operate import look
    from garret.ops.cloud import SystemClock
    from garret.ops.operate import Operator, output_of

    if _is_the_clouds(identifier):
        from garret.ops.known_executions import wait_in_the_cloud

        execution = wait_in_the_cloud(_cloud(caller, name), identifier, caller.console).to_dict()
        caller.console.answer(execution, lines_of(execution))
        return 0
    files, known = _found(caller, identifier)
    if files is not None and known is not None and known.place == "here":
        ended = look(caller, files, Operator(files, caller.environment).take_up(known), SystemClock())
        output_of(ended)
        execution = ended.to_dict()
    else:
        with node_of(caller, _name(known, name), way) as node:
            begun = node.rejoin(known) if known is not None else node.show(identifier)
            execution = node.follow(begun, caller.console)
    caller.console.answer(execution, lines_of(execution))
    return 0


@click.command("cancel", epilog=CANCEL_EPILOG)
@click.argument("identifier", metavar="ID")
@name_option
@way_options
@cloud_options
def cancel(caller: Caller, *, way: Way, identifier: str, name: str | None) -> int:
    """Have an execution end where it can."""
    from garret.ops.known_executions import cancel_here, cloud_execution

    files, known = (None, None) if _is_the_clouds(identifier) else _found(caller, identifier)
    if _is_the_clouds(identifier):
        cloud = _cloud(caller, name)
        cloud.automation.cancel(identifier)
        execution = cloud_execution(cloud, identifier).to_dict()
    elif files is not None and known is not None and known.place == "here":
        execution = cancel_here(files, identifier).to_dict()
    else:
        with node_of(caller, _name(known, name), way) as node:
            execution = node.cancel(identifier)
    over = execution["status"] in ("Success", "Failed", "Cancelled")
    said = f"it has ended: {execution['status']}" if over else "it was asked to stop"
    caller.console.answer(execution, [said, f"garret ops executions wait {identifier}"] if not over else [said])
    return 0


def _is_the_clouds(identifier: str) -> bool:
    from garret.ops.automation import is_cloud_id

    return is_cloud_id(identifier)


def _cloud(caller: Caller, name: str | None) -> Cloud:
    """The cloud that one of its own executions is asked of: in the region of the deployment, where one is meant."""
    settings = caller.settings()
    try:
        one = caller.deployment(settings, name)
    except UsageError:  # there are several, and its id says enough
        return caller.cloud(settings, settings.region)
    return caller.cloud_of(settings, one)


def _found(caller: Caller, identifier: str) -> tuple[ExecutionFiles | None, Execution | None]:
    """What this machine knows of an execution, of whichever deployment."""
    from garret.ops.execution import IDENTIFIER
    from garret.ops.execution_files import find_files
    from garret.settings import home_folder

    if not IDENTIFIER.fullmatch(identifier):
        raise UsageError(f"{identifier!r} is not the id of an execution", "garret ops executions")
    try:
        files = find_files(home_folder(caller.environment), identifier)
    except UsageError:
        return None, None
    return files, files.get(identifier)


def _name(known: Execution | None, name: str | None) -> str | None:
    return known.deployment if known is not None and name is None else name


def _row(one: Execution) -> tuple[str, ...]:
    seconds = f"{sum(task['seconds'] for task in one.tasks):.1f}" if one.tasks else ""
    return one.id, one.verb, one.place, one.status, one.created_at, seconds


def lines_of(execution: Mapping[str, Any]) -> list[str]:
    """An execution as a person reads it."""
    error, progress = execution.get("error") or {}, execution.get("progress") or {}
    output = execution.get("output") or {}
    about = {
        "Execution": execution["id"],
        "Verb": execution["verb"],
        "Deployment": execution.get("deployment"),
        "Where": execution.get("place"),
        "Asked by": execution.get("requested_by"),
        "Status": execution["status"],
        "Began": execution.get("started_at"),
        "Ended": execution.get("ended_at"),
        "Bytes": progress.get("done") or None,
    }
    brought = [(f"  {str(name).replace('_', ' ')}", _short(value)) for name, value in output.items()]
    parts = [
        f"  {task['status']:<10} {task['seconds']:>8.1f} s  {task['name']}  {task.get('note') or ''}".rstrip()
        for task in execution.get("tasks") or ()
    ]
    why = fields({"Error": error.get("message"), "Next": error.get("hint")})
    return [*fields(about), *parts, *rows([pair for pair in brought if pair[1]]), *why]


def _short(value: object) -> str:
    if isinstance(value, Mapping) and {"amount", "currency"} <= set(value):
        return f"{value['amount']:.2f} {value['currency']}" + (" (made up)" if value.get("made_up") else "")
    if isinstance(value, list | tuple):
        return "; ".join(map(str, value))
    return "" if value is None else str(value)
