"""`garret ops stop`, `garret ops start` and `garret ops restart-service`."""

from __future__ import annotations

from pathlib import Path

import click

from garret.commands.door import Caller, cloud_options, name_option
from garret.commands.operate import begun, carry_out, no_wait_option
from garret.console import fields, month_text, price_text

STOP_EPILOG = """\b
Examples:
  garret ops stop
  garret ops stop my-pictures --keep-charging
      keeps the machine reserved, and its bill
  garret ops stop --now
      does not wait for running jobs; they go on at the next start

Jobs and downloads that run are waited for; new jobs are refused meanwhile. Ctrl-C ends only the looking on.
"""
START_EPILOG = """\b
Example:
  garret ops start
"""
RESTART_EPILOG = """\b
Example:
  garret ops restart-service

Jobs and downloads that run are waited for; jobs that were accepted and have not begun go on afterwards.
"""


@click.command(epilog=STOP_EPILOG)
@click.argument("deployment", required=False, metavar="[NAME]")
@click.option("--keep-charging", is_flag=True, help="Keep paying, so that the machine is surely there to start.")
@click.option("--now", is_flag=True, help="Do not wait for running jobs and downloads.")
@no_wait_option
@name_option
@cloud_options
def stop(
    caller: Caller, deployment: str | None, *, keep_charging: bool, now: bool, no_wait: bool, name: str | None
) -> int:
    """Stop the node and stop paying for it; its disk and its address stay, and are billed."""
    from garret.ops.deployment import flag

    one = caller.there(deployment or name)
    facts = carry_out(caller, "stop", one, {"economical": not keep_charging, "now": now}, wait=not no_wait)
    if no_wait:
        return begun(caller, facts)
    shown = {
        "Billed": "; ".join(facts["billed"]) or "nothing",
        "That is": month_text(facts["billed_per_month"]),
        "Next": f"garret ops start{flag(one.name)}",
    }
    lines = [f"{one.name} is stopped" + ("" if facts["changed"] else " already"), *fields(shown)]
    caller.console.answer(facts, lines)
    return 0


@click.command(epilog=START_EPILOG)
@click.argument("deployment", required=False, metavar="[NAME]")
@click.option("--picture", type=click.Path(path_type=Path, dir_okay=False), help="Where the picture goes.")
@no_wait_option
@name_option
@cloud_options
def start(caller: Caller, deployment: str | None, picture: Path | None, no_wait: bool, name: str | None) -> int:
    """Start a stopped node; ends when it has made a picture."""
    one = caller.there(deployment or name)
    where = {"picture": str(picture.absolute())} if picture else {}
    facts = carry_out(caller, "start", one, where, wait=not no_wait)
    if no_wait:
        return begun(caller, facts)
    shown = {"Endpoint": facts["endpoint"], "Login": facts["login"], "Picture": facts["picture"]}
    lines = [
        f"{one.name} runs" + ("" if facts["changed"] else " already"),
        *fields(shown | {"Cost now": price_text(facts["price_per_hour"])}),
    ]
    caller.console.answer(facts, lines)
    return 0


@click.command("restart-service", epilog=RESTART_EPILOG)
@click.argument("deployment", required=False, metavar="[NAME]")
@click.option("--now", is_flag=True, help="Do not wait for running jobs and downloads.")
@no_wait_option
@name_option
@cloud_options
def restart_service(caller: Caller, deployment: str | None, *, now: bool, no_wait: bool, name: str | None) -> int:
    """Begin the service on the node anew, as after a change by hand; ends when it has made a picture."""
    one = caller.there(deployment or name)
    facts = carry_out(caller, "restart-service", one, {"now": now}, wait=not no_wait)
    if no_wait:
        return begun(caller, facts)
    shown = {"Endpoint": facts["endpoint"], "Picture": facts["picture"]}
    caller.console.answer(facts, [f"the service of {one.name} runs again", *fields(shown)])
    return 0
