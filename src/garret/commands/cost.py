"""`garret cost`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from garret.commands.door import Caller, cloud_options, name_option
from garret.console import fields, price_text, rows
from garret.errors import UsageError

if TYPE_CHECKING:
    from garret.ops.cost import Cost

EPILOG = """\b
Examples:
  garret cost
  garret cost my-pictures --json

Also of one that is stopped or deleted. On Alibaba Cloud the bill comes up to a day after the use.
"""


@click.command(epilog=EPILOG)
@click.argument("deployment", required=False, metavar="[NAME]")
@name_option
@cloud_options
def cost(caller: Caller, deployment: str | None, name: str | None) -> int:
    """What a deployment cost so far and costs now, and what stopping it saved."""
    from garret.ops.cost import cost as reckon

    settings = caller.settings()
    one = caller.deployment(settings, deployment or name)
    if not caller.has_cloud(settings) or not one.journal.history():
        cloud = caller.cloud_of(settings, one)  # says that there is no such deployment, where that is so
    else:
        cloud = caller.cloud(settings, caller.region_of(settings, one))
    found = reckon(cloud, one)
    if not found.lines and found.state == "absent" and not one.journal.history():
        raise UsageError(
            f"there is no deployment {one.name} in {cloud.region}, and nothing of it was billed",
            f"garret list; another region: garret cost {one.name} --region …",
        )
    caller.console.answer(found.to_dict(), _lines(found))
    return 0


def _lines(found: Cost) -> list[str]:
    from garret.ops.cost import as_price

    mark = " (made-up prices of the local cloud)" if found.made_up else ""
    shown = {
        "Name": f"{found.name}, {found.region}",
        "State": found.state,
        "Now": price_text(as_price(found.now_per_hour, found)),
        "Running": price_text(as_price(found.running_per_hour, found)) if found.running_per_hour is not None else "",
        "Stopped": price_text(as_price(found.stopped_per_hour, found)) if found.stopped_per_hour is not None else "",
        "So far": f"{found.so_far:.2f} {found.currency} in {found.hours:.1f} hours{mark}",
        "Saved": f"{found.saved:.2f} {found.currency}: stopped for {found.stopped_hours:.1f} hours"
        if found.saved is not None and found.stopped_hours
        else "",
        "Note": found.note,
    }
    table = [(line.kind, line.id, f"{line.amount:.4f} {found.currency}") for line in found.lines]
    return [*fields(shown), *(["", *map("  {}".format, rows(table))] if table else [])]
