"""`garret ops resize`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from garret.commands.door import Caller, cloud_options, name_option
from garret.commands.operate import begun, carry_out, no_wait_option
from garret.console import fields, price_text

EPILOG = """\b
Examples:
  garret ops resize ecs.gn7i-c16g1.4xlarge
      shows both prices and asks; the node finishes its jobs, stops, changes and starts again
  garret ops resize ecs.gn7i-c8g1.2xlarge my-pictures --yes
      a node that is stopped stays so, and starts as that type next time

Models, pictures, login and address stay. When the new type does not start, the node goes back to the old one.
"""


@click.command(epilog=EPILOG)
@click.argument("instance_type", metavar="TYPE")
@click.argument("deployment", required=False, metavar="[NAME]")
@click.option("--now", is_flag=True, help="Do not wait for running jobs; they go on after the start.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@no_wait_option
@name_option
@cloud_options
def resize(
    caller: Caller,
    *,
    instance_type: str,
    deployment: str | None,
    now: bool,
    yes: bool,
    no_wait: bool,
    name: str | None,
) -> int:
    """Give the node another instance type, with the stop and the start that it needs."""
    from garret.errors import UsageError

    one = caller.there(deployment or name)
    settings = caller.settings()
    proposal = _proposal(caller, one, caller.cloud_of(settings, one), instance_type)
    if proposal is not None:
        for line in _lines(proposal):
            caller.console.say(line)
        caller.console.say()
        if not (yes or caller.console.confirm("Change this?")):
            raise UsageError("not confirmed; nothing was changed")
    facts = carry_out(caller, "resize", one, {"instance_type": instance_type, "now": now}, wait=not no_wait)
    if no_wait:
        return begun(caller, facts)
    done = f"{one.name} {'runs' if facts['state'] == 'running' else 'is stopped; it starts'} as {instance_type}"
    shown = {"Before": facts["before"], "Cost now": price_text(facts["price_per_hour"])}
    caller.console.answer(facts, [done + ("" if facts["changed"] else " already"), *fields(shown)])
    _remind(caller, one.name, instance_type)
    return 0


def _proposal(caller: Caller, one: Any, cloud: Any, instance_type: str) -> dict[str, Any] | None:
    from garret.ops.resize import Resize

    return Resize(cloud, one, caller.console, instance_type).proposal()


def _lines(proposal: dict[str, Any]) -> list[str]:
    """What a person sees before they say yes."""
    prices = proposal["prices"]
    now = price_text(prices["running_per_hour"] if prices else None)
    before = proposal["price_before"]
    was = f" (before: {before['amount']:.2f})" if before else ""
    stop = "it finishes its jobs, stops and starts again" if proposal["running"] else "it is stopped, and stays so"
    return [
        f"Resize: {proposal['name']} in {proposal['zone']}, {proposal['before']} → {proposal['after']}",
        f"  node      {stop}; models, pictures, login and address stay",
        f"  price     {now}{was}, while it runs",
    ]


def _remind(caller: Caller, name: str, instance_type: str) -> None:
    """Say where a file would take the next deploy back."""
    from garret.errors import GarretError
    from garret.spec.fields import FILE_NAME

    if not Path(FILE_NAME).is_file():
        return
    from garret.spec.file import read_spec_file

    try:
        said = read_spec_file(Path(FILE_NAME))
    except GarretError:
        return
    if said.get("name", name) == name and said.get("instance_type") not in (None, instance_type):
        caller.console.note(
            f"./{FILE_NAME} says instance_type: {said['instance_type']}; write {instance_type} there, "
            "or the next deploy with it asks to change it back"
        )
