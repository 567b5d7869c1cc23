"""`garret status` and `garret list`."""

from __future__ import annotations

import click

from garret.commands.door import Caller, cloud_options, name_option
from garret.console import fields, price_text, rows

STATUS_EPILOG = """\b
Examples:
  garret status
  garret status my-pictures --json

States: creating, running, stopping, stopped, starting, failed, deleting, absent, unreachable.
"""
LIST_EPILOG = """\b
Example:
  garret list --json
"""


@click.command(epilog=STATUS_EPILOG)
@click.argument("deployment", required=False, metavar="[NAME]")
@name_option
@cloud_options
def status(caller: Caller, deployment: str | None, name: str | None) -> int:
    """What there is, where it answers, what it costs, and what to type next."""
    from garret.ops.status import status as look

    settings = caller.settings()
    one = caller.deployment(settings, deployment or name)
    region = caller.region_of(settings, one)
    found = look(caller.cloud(settings, region) if caller.has_cloud(settings) else None, one, region)
    facts = found.to_dict()
    lines = fields(
        {
            "Name": found.name,
            "State": found.state,
            "Why": found.why,
            "Endpoint": found.endpoint,
            "Login": found.login,
            "Instance": found.instance_id,
            "Where": f"{found.cloud}, {found.region}",
            "Picture": found.picture,
            "Price": _price(found.state, facts["price_per_hour"]),
            "Next": found.next,
        }
    )
    caller.console.answer(facts, lines)
    return 0


@click.command("list", epilog=LIST_EPILOG)
@cloud_options
def list_(caller: Caller) -> int:
    """All deployments, of this machine's memory and of the region."""
    from garret.ops.list import list_deployments

    settings = caller.settings()
    found = []
    if caller.has_cloud(settings):
        found = list_deployments(settings.deployments, [settings.region], lambda region: caller.cloud(settings, region))
    table = [("NAME", "STATE", "REGION", "ENDPOINT"), *((f.name, f.state, f.region, f.endpoint) for f in found)]
    empty = [f"no deployments on {settings.cloud}; make one: garret deploy --cloud {settings.cloud}"]
    caller.console.answer([one.to_dict() for one in found], rows(table) if found else empty)
    return 0


def _price(state: str, price: dict[str, object] | None) -> str:
    if not price or state in ("absent", "failed"):
        return ""
    return price_text(price) + ("" if state != "stopped" else "   when it runs")
