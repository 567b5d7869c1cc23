"""How a command has a verb carried out: begun in a process of its own, looked at, and answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from garret.commands.door import Caller
from garret.console import fields

if TYPE_CHECKING:
    from garret.ops.deployment import Deployment
    from garret.ops.execution import Execution
    from garret.ops.execution_files import ExecutionFiles
    from garret.ops.roles import Clock

Function = TypeVar("Function", bound=Callable[..., Any])


def no_wait_option(function: Function) -> Function:
    """Add --no-wait."""
    return click.option("--no-wait", is_flag=True, help="Return when it has begun.")(function)


def carry_out(
    caller: Caller,
    verb: str,
    deployment: Deployment,
    parameters: Mapping[str, Any],
    secrets: Mapping[str, str] | None = None,
    *,
    wait: bool = True,
    once: bool = True,
) -> dict[str, Any]:
    """Have a verb carried out, look on, and return its output; without `wait`, the execution's record.

    It goes on whatever happens to this command. `once` says that what runs already is joined instead of begun again;
    a verb that is to happen as often as it is given says False.

    Raises:
        GarretError: the verb's own.
    """
    from garret.ops.cloud import SystemClock
    from garret.ops.execution import Execution
    from garret.ops.mirror import files_of
    from garret.ops.operate import Operator, output_of

    caller.crash()  # a point that does not exist is said before anything begins
    hidden = dict(secrets or {})
    files = files_of(deployment)
    wanted = Execution(
        verb, deployment.name, parameters=dict(parameters), cloud=deployment.journal.folder.parent.name,
        region=caller.region_flag or "", needs=tuple(sorted(hidden)), once=once,
    )  # fmt: skip
    execution, joined = Operator(files, caller.environment).begin(wanted, hidden)
    if joined:
        caller.console.note(f"{verb} is under way since {execution.created_at} (execution {execution.id})")
    if not wait:
        return execution.to_dict()
    return {"execution": execution.id, **output_of(look(caller, files, execution, SystemClock()))}


def begun(caller: Caller, execution: Mapping[str, Any]) -> int:
    """Answer a command that does not wait: with the execution's record."""
    caller.console.answer(
        execution, fields({"Execution": execution["id"], "Next": f"garret ops executions wait {execution['id']}"})
    )
    return 0


def look(caller: Caller, files: ExecutionFiles, execution: Execution, clock: Clock) -> Execution:
    """Look on until it has ended; with --debug, show what its process wrote that nobody expected."""
    from garret.ops.operate import look_on

    ended = look_on(files, execution, caller.console, clock)
    if caller.console.debug and ended.error and files.log(ended.id).exists():
        caller.console.note(files.log(ended.id).read_text("utf-8", "replace").rstrip())
    return ended
