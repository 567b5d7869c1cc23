"""`garret ops stop` and `garret ops start`."""

from __future__ import annotations

from pathlib import Path

import click

from garret.commands.door import Caller, cloud_options, name_option
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
@name_option
@cloud_options
def stop(caller: Caller, deployment: str | None, keep_charging: bool, name: str | None) -> int:
    """Stop the node and stop paying for it; its disk and its address stay, and are billed."""
    from garret.ops.deployment import flag
    from garret.ops.stop import stop as act

    crash = caller.crash()
    settings = caller.settings()
    one = caller.deployment(settings, deployment or name)
    cloud = caller.cloud_of(settings, one)
    facts = act(cloud, one, caller.console, crash, economical=not keep_charging)
    lines = [
        f"{one.name} is stopped" + ("" if facts["changed"] else " already"),
        *fields({"Billed": "; ".join(facts["billed"]) or "nothing", "Next": f"garret ops start{flag(one.name)}"}),
    ]
    caller.console.answer(facts, lines)
    return 0


@click.command(epilog=START_EPILOG)
@click.argument("deployment", required=False, metavar="[NAME]")
@click.option("--picture", type=click.Path(path_type=Path, dir_okay=False), help="Where the picture goes.")
@name_option
@cloud_options
def start(caller: Caller, deployment: str | None, picture: Path | None, name: str | None) -> int:
    """Start a stopped node; ends when it has made a picture."""
    from garret.ops.start import start as act

    crash = caller.crash()
    settings = caller.settings()
    one = caller.deployment(settings, deployment or name)
    cloud = caller.cloud_of(settings, one)
    facts = act(cloud, one, caller.console, crash, picture.absolute() if picture else None)
    shown = {"Endpoint": facts["endpoint"], "Login": facts["login"], "Picture": facts["picture"]}
    lines = [
        f"{one.name} runs" + ("" if facts["changed"] else " already"),
        *fields(shown | {"Cost now": price_text(facts["price_per_hour"])}),
    ]
    caller.console.answer(facts, lines)
    return 0
