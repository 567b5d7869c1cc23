"""`garret ops stop`, `garret ops start` and `garret ops restart-service`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from garret.commands.door import Caller, cloud_options, name_option
from garret.commands.operate import begun, carry_out, no_wait_option
from garret.console import fields, month_text, price_text

if TYPE_CHECKING:
    from garret.ops.deployment import Deployment

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
Examples:
  garret ops start
  garret ops start --fallback-type ecs.gn7i-c16g1.4xlarge
      that type in the same zone, when there is none of the usual: the same disk and address, told with its price
  garret ops start --move-zone
      to whichever zone has one: a copy of the disk, then a new machine with the same address; the old disk goes only
      when the new machine has made a picture
  garret ops start --fallback-type ecs.gn7i-c16g1.4xlarge --move-zone cn-hangzhou-j
      first the usual type, then the other in the same zone, then both in that zone
  garret ops start --keep-trying 30m
      when there is none, the cloud goes on trying for so long, also when this machine is off
"""
RESTART_EPILOG = """\b
Example:
  garret ops restart-service

Jobs and downloads that run are waited for; jobs that were accepted and have not begun go on afterwards.
"""
ANY_ZONE = "any"


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
        "Deleted": f"at {facts['release_at']}, unless it is started" if facts.get("release_at") else "",
        "Next": f"garret ops start{flag(one.name)}",
    }
    lines = [f"{one.name} is stopped" + ("" if facts["changed"] else " already"), *fields(shown)]
    caller.console.answer(facts, lines)
    return 0


@click.command(epilog=START_EPILOG)
@click.argument("deployment", required=False, metavar="[NAME]")
@click.option("--picture", type=click.Path(path_type=Path, dir_okay=False), help="Where the picture goes.")
@click.option(
    "--fallback-type",
    "types",
    multiple=True,
    metavar="TYPE",
    help="A type to take when there is none; may be repeated.",
)
@click.option(
    "--move-zone",
    "zones",
    multiple=True,
    is_flag=False,
    flag_value=ANY_ZONE,
    metavar="[ZONE]",
    help="Go to this zone when there is none, or to any; may be repeated.",
)
@click.option("--keep-trying", metavar="TIME", help="Have the cloud go on trying for so long, such as 30m or 2h.")
@no_wait_option
@name_option
@cloud_options
def start(
    caller: Caller,
    *,
    deployment: str | None,
    picture: Path | None,
    types: tuple[str, ...],
    zones: tuple[str, ...],
    keep_trying: str | None,
    no_wait: bool,
    name: str | None,
) -> int:
    """Start a stopped node; ends when it has made a picture."""
    for_min = _minutes(keep_trying) if keep_trying else 0
    one = caller.there(deployment or name)
    where: dict[str, Any] = {"picture": str(picture.absolute())} if picture else {}
    where |= {"keep_trying_min": for_min} if for_min else {}
    facts = carry_out(caller, "start", one, where | _allowed(one, types, zones), wait=not no_wait)
    if no_wait:
        return begun(caller, facts)
    if facts["state"] == "trying":
        return _trying(caller, facts)
    shown = {"Endpoint": facts["endpoint"], "Login": facts["login"], "Picture": facts["picture"]}
    machine = {"Machine": f"{facts['instance_type']} in {facts['zone']}"} if facts["tried"] else {}
    lines = [
        f"{one.name} runs" + ("" if facts["changed"] else " already"),
        *fields(shown | machine | {"Cost now": price_text(facts["price_per_hour"])}),
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


def _minutes(text: str) -> int:
    from garret.errors import SpecError
    from garret.spec.fields import minutes

    try:
        found = minutes(text)
    except ValueError as error:
        raise SpecError("keep_trying", str(error), "--keep-trying 30m") from None
    if not found:
        raise SpecError("keep_trying", f"{text!r} is no time", "--keep-trying 30m")
    return found


def _trying(caller: Caller, facts: Mapping[str, Any]) -> int:
    """Say that there is no machine now, and who goes on trying for how long."""
    shown = {
        "Why": facts["why"],
        "Now": f"the cloud tries to start it for {facts['minutes']} minutes, also when this machine is off",
        "Billed": f"disk and address meanwhile, {price_text(facts['price_per_hour'])}; all of it once it runs",
        "Next": f"garret status {facts['name']}; garret ops stop {facts['name']}   (ends the trying)",
    }
    caller.console.answer(facts, [f"{facts['name']} does not run yet", *fields(shown)])
    return 0


def _allowed(one: Deployment, types: tuple[str, ...], zones: tuple[str, ...]) -> dict[str, Any]:
    """What may be tried when the machine's place is sold out, as the verb takes it.

    Raises:
        SpecError: a type or zone is none.
    """
    from garret.errors import SpecError

    region = str((one.plan or {}).get("region") or "")
    named = [zone for zone in zones if zone != ANY_ZONE]
    for zone in named:
        if region and not zone.startswith(region):
            raise SpecError("move_zone", f"{zone!r} is not a zone of region {region}", "--move-zone alone takes any")
    for kind in types:
        if not kind.startswith("ecs.gn7i-"):
            raise SpecError("fallback_type", f"{kind!r} is not a gn7i type", "--fallback-type ecs.gn7i-c16g1.4xlarge")
    said = {"fallback_types": list(types), "move_zones": named, "move_zone": ANY_ZONE in zones}
    return {key: value for key, value in said.items() if value}
