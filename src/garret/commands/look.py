"""`garret status` and `garret list`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from garret.commands.door import Caller, cloud_options, name_option
from garret.console import fields, price_text, rows

if TYPE_CHECKING:
    from garret.ops.status import Status

STATUS_EPILOG = """\b
Examples:
  garret status
  garret status my-pictures --json

States: creating, updating, running, stopping, stopped, starting, failed, deleting, absent, unreachable.
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
            "Bootstrap": _bootstrap(found),
            "Endpoint": found.endpoint,
            "Login": found.login,
            "Password": f"kept in {found.password_file}" if found.password_file else "",
            "Instance": found.instance_id,
            "Where": f"{found.cloud}, {found.region}",
            "Picture": found.picture,
            "Price": _price(found),
            "Certificate": _certificate(found),
            "Autostop": _autostop(found),
            "By itself": "; ".join(one["why"] for one in found.by_itself),
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
    table = [
        ("NAME", "STATE", "REGION", "COST", "ENDPOINT"),
        *((one.name, one.state, one.region, _short_price(one), one.endpoint) for one in found),
    ]
    empty = [f"no deployments on {settings.cloud}; make one: garret deploy --cloud {settings.cloud}"]
    caller.console.answer([one.to_dict() for one in found], rows(table) if found else empty)
    return 0


def _certificate(found: Status) -> str:
    """The trusted certificate that was asked for, once it is there; what is missing says the state's reason."""
    facts = found.certificate or {}
    return f"for {facts['name']}, until {facts['not_after']}" if facts.get("state") == "issued" else ""


def _bootstrap(found: Status) -> str:
    """The step that runs, with how many are behind it."""
    facts = found.bootstrap
    return f"{facts['step']}, {facts['seconds']:.0f} s; {facts['steps_done']} steps done" if facts else ""


def _autostop(found: Status) -> str:
    """When the node will stop itself, and why it has not."""
    from garret.commands.autostop_text import now_text

    facts = found.autostop
    if not facts:
        return ""
    by_day = f"; at {facts['stop_by']} {facts['time_zone']} in any case" if facts.get("stop_by") else ""
    return now_text(facts) + by_day


def _price(found: Status) -> str:
    """What it costs now, and what it would when it runs."""
    if not found.price_per_hour or found.state in ("absent", "failed"):
        return ""
    running = price_text(found.price_per_hour)
    if found.state != "stopped":
        return running
    return (
        f"{price_text(found.stopped_per_hour)}; when it runs, {running}"
        if found.stopped_per_hour
        else f"{running}   when it runs"
    )


def _short_price(found: Status) -> str:
    price = found.stopped_per_hour if found.state == "stopped" and found.stopped_per_hour else found.price_per_hour
    return f"{price['amount']:.2f} {price['currency']}/h" if price and found.state not in ("absent", "failed") else "-"
