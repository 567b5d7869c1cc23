"""`garret ops stop` and `garret ops start`."""

from __future__ import annotations

from pathlib import Path

import click

from garret.commands.door import Caller, cloud_options, name_option
from garret.commands.operate import begun, carry_out, no_wait_option
from garret.console import fields, price_text

STOP_EPILOG = """\b
Examples:
  garret ops stop
  garret ops stop my-pictures --keep-charging
      keeps the machine reserved, and its bill
"""
START_EPILOG = """\b
Example:
  garret ops start
"""


@click.command(epilog=STOP_EPILOG)
@click.argument("deployment", required=False, metavar="[NAME]")
@click.option("--keep-charging", is_flag=True, help="Keep paying, so that the machine is surely there to start.")
@no_wait_option
@name_option
@cloud_options
def stop(caller: Caller, deployment: str | None, keep_charging: bool, no_wait: bool, name: str | None) -> int:
    """Stop the node and stop paying for it; its disk and its address stay, and are billed."""
    from garret.ops.deployment import flag

    one = caller.there(deployment or name)
    facts = carry_out(caller, "stop", one, {"economical": not keep_charging}, wait=not no_wait)
    if no_wait:
        return begun(caller, facts)
    lines = [
        f"{one.name} is stopped" + ("" if facts["changed"] else " already"),
        *fields({"Billed": "; ".join(facts["billed"]) or "nothing", "Next": f"garret ops start{flag(one.name)}"}),
    ]
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
