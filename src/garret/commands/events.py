"""`garret events`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from garret.commands.door import Caller, cloud_options, name_option

if TYPE_CHECKING:
    from garret.ops.events import Line

EPILOG = """\b
Examples:
  garret events
  garret events my-pictures --follow
      goes on until nothing is in progress any more
  garret events --json
      with --follow, one JSON object a line

Also of a deployment that is deleted, as long as the cloud remembers its stack. Times are UTC.
"""


@click.command(epilog=EPILOG)
@click.argument("deployment", required=False, metavar="[NAME]")
@click.option("--follow", "-f", is_flag=True, help="Show what is new as it happens.")
@name_option
@cloud_options
def events(caller: Caller, deployment: str | None, follow: bool, name: str | None) -> int:
    """What happened to a deployment, oldest first: the cloud's events and what garret did."""
    from garret.ops.events import events as look
    from garret.ops.events import follow as look_on

    settings = caller.settings()
    one = caller.deployment(settings, deployment or name)
    cloud = caller.cloud(settings, caller.region_of(settings, one)) if caller.has_cloud(settings) else None
    if follow and cloud is not None:
        for line in look_on(cloud, one):
            caller.console.say(_text(line)) if not caller.console.as_json else click.echo(json.dumps(line.to_dict()))
        return 0
    found = look(cloud, one)
    empty = [f"nothing happened to {one.name} yet; to make it: garret deploy {one.name}"]
    caller.console.answer([line.to_dict() for line in found], [_text(line) for line in found] or empty)
    return 0


def _text(line: Line) -> str:
    mark = click.style("✗", fg="red") if line.failed else " "
    what = f"{line.what} {line.status}" if line.what else ""
    words = line.text.splitlines()[0] if line.text and not line.failed else line.text
    return " ".join(f"{line.at} {line.who:<6} {mark} {what:<40} {words}".rstrip().splitlines())
