"""`garret ops schedule`: start and stop by the week."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from garret.commands.door import Caller, cloud_options, name_option
from garret.commands.operate import begun, carry_out, no_wait_option
from garret.console import fields
from garret.errors import UsageError

EPILOG = """\b
Examples:
  garret ops schedule --start "mon-fri 09:00" --stop "mon-fri 19:00" --time-zone Asia/Shanghai
  garret ops schedule --stop "daily 23:30"
  garret ops schedule show
  garret ops schedule off

Days: mon … sun, mon-fri, "sat,sun", daily, weekdays, weekends. What is given is the whole schedule; the cloud (OOS)
keeps to it while every machine of yours is off. A start without stock is tried again for half an hour.
"""


@click.command(epilog=EPILOG)
@click.argument("what", required=False, type=click.Choice(["show", "off"]), metavar="[show|off]")
@click.option("--start", metavar="WEEK", help='When it starts, for example "mon-fri 09:00".')
@click.option("--stop", metavar="WEEK", help="When it stops, economically.")
@click.option("--time-zone", help="Of these times, for example Asia/Shanghai; else this machine's.")
@click.option("--role", help="RAM role that OOS acts with; else with your own rights.")
@no_wait_option
@name_option
@cloud_options
def schedule(
    caller: Caller, *, what: str | None, start: str | None, stop: str | None, time_zone: str | None, role: str | None,
    no_wait: bool, name: str | None,
) -> int:  # fmt: skip
    """Start and stop the node by the week; the cloud does it by itself."""
    from garret.ops.schedule import check_zone, read_week

    if what and (start or stop):
        raise UsageError(f"{what} and times contradict each other", "garret ops schedule --help")
    one = caller.there(name)
    if (not what and not start and not stop) or what == "show":
        return _show(caller, one)
    zone = check_zone(time_zone or own_zone()) if not what else ""
    asked: dict[str, Any] = {"time_zone": zone, "role": role or ""}
    for option, text in (("start", start), ("stop", stop)):
        if text:
            read_week(f"--{option}", text)
            asked[option] = text
    facts = carry_out(caller, "schedule", one, asked, wait=not no_wait)
    if no_wait:
        return begun(caller, facts)
    caller.console.answer(facts, lines_of(facts))
    return 0


def _show(caller: Caller, one: Any) -> int:
    from garret.ops.schedule import show

    facts = show(caller.cloud_of(caller.settings(), one), one)
    caller.console.answer(facts, lines_of(facts))
    return 0


def lines_of(facts: dict[str, Any]) -> list[str]:
    """A schedule as a person reads it."""
    name = facts["name"]
    if not facts["start"] and not facts["stop"]:
        return [f"{name} is neither started nor stopped by the cloud itself"]
    shown = {kind.capitalize(): _line(facts[kind]) for kind in ("start", "stop") if facts[kind]}
    return [f"the cloud keeps to the schedule of {name}", *fields(shown)]


def _line(one: dict[str, Any]) -> str:
    last = ""
    if one["last_at"]:
        last = f"; last {one['last_at']}: {one['last_status']} {one['last_message']}".rstrip()
    return f"{week_text(str(one['cron']))} {one['time_zone']}, next {one['next_at']}{last}"


def week_text(cron: str) -> str:
    """A cron expression of ours as it was typed: "MON,TUE 09:00"."""
    parts = cron.split()
    return f"{parts[5].lower()} {int(parts[2]):02d}:{int(parts[1]):02d}" if len(parts) == 6 else cron


def own_zone() -> str:
    """This machine's time zone by its name: of TZ, else of what /etc/localtime leads to, else UTC."""
    said = os.environ.get("TZ", "").lstrip(":")
    if said:
        return said
    _, found, name = str(Path("/etc/localtime").resolve()).partition("/zoneinfo/")
    return name if found else "UTC"
