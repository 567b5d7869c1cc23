"""`garret ops autostop`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from garret.commands.autostop_text import delete_text, idle_text, now_text
from garret.commands.door import Caller, cloud_options, name_option
from garret.commands.operate import carry_out
from garret.console import fields
from garret.errors import UsageError
from garret.spec.fields import SHORTEST_AUTOSTOP_MIN, minutes

EPILOG = """\b
Examples:
  garret ops autostop
      what is set, and when the node will stop itself
  garret ops autostop --idle 2h
  garret ops autostop --idle 30m --stop-by 02:00 --time-zone Asia/Shanghai
      after half an hour without use, and at two at night in any case
  garret ops autostop --idle auto
      after at most an hour; how much sooner, the node learns from how it is used
  garret ops autostop --delete-after 14d
      a node that stays stopped for two weeks is deleted, with its disk and models
  garret ops autostop --idle off --stop-by off

Changed on the node that runs, which decides for itself: this machine may be off. What counts as use, and what each
choice risks, is in docs/autostop.md. A time of day waits half an hour for a running job, and no longer.
"""
OFF = ("off", "never", "none")
AUTO_MIN = 60
LOCALTIME = Path("/etc/localtime")


@click.command(epilog=EPILOG)
@click.argument("deployment", required=False, metavar="[NAME]")
@click.option("--idle", metavar="SPAN", help="Stop after so long without use: 5m to 7d, auto, or off.")
@click.option("--stop-by", metavar="HH:MM", help="Stop at this time of day, idle or not; off takes it away.")
@click.option("--time-zone", metavar="ZONE", help="Whose time that is: Asia/Shanghai, +08:00. Else this machine's.")
@click.option("--delete-after", metavar="SPAN", help="Delete the machine so long after a stop: 1h to 3 years, or off.")
@name_option
@cloud_options
def autostop(
    caller: Caller,
    *,
    deployment: str | None,
    idle: str | None,
    stop_by: str | None,
    time_zone: str | None,
    delete_after: str | None,
    name: str | None,
) -> int:
    """When the node stops itself, and what becomes of it then; without options, what is set."""
    one = caller.there(deployment or name)
    wanted = wanted_settings(idle, stop_by, time_zone, delete_after, caller.environment)
    if wanted:
        facts = carry_out(caller, "autostop", one, wanted, once=False)
    else:
        from garret.ops.autostop import shown

        facts = shown(caller.cloud_of(caller.settings(), one), one)
    caller.console.answer(facts, fields(lines_of(facts)))
    return 0


def wanted_settings(
    idle: str | None, stop_by: str | None, zone: str | None, delete_after: str | None, environment: Mapping[str, str]
) -> dict[str, Any]:
    """What was said, as the node takes it.

    Raises:
        UsageError: names the option.
    """
    wanted: dict[str, Any] = {}
    if idle is not None:
        learn = idle.strip().lower() == "auto"
        wanted |= {"idle_s": 60.0 * (AUTO_MIN if learn else _idle(idle)), "learn": learn}
    if stop_by is not None:
        off = stop_by.strip().lower() in OFF
        wanted |= {
            "stop_by": "" if off else stop_by,
            "time_zone": zone or "+00:00" if off else zone or here(environment),
        }
    elif zone is not None:
        raise UsageError("time_zone: there is no time of day", "garret ops autostop --stop-by 02:00 --time-zone …")
    if delete_after is not None:
        wanted["delete_after_s"] = 60.0 * _minutes("delete_after", delete_after)
    from garret.service_runtime.autostop_settings import AutostopSettings, WrongAutostop

    try:  # in the words of the node, before anybody is asked
        AutostopSettings.from_dict(wanted)
    except WrongAutostop as error:
        raise UsageError(f"{error.field}: {error.reason}", error.hint or "garret ops autostop --help") from None
    return wanted


def lines_of(facts: Mapping[str, Any]) -> dict[str, str]:
    """What a person reads."""
    settings, now = facts["settings"], facts.get("autostop") or {}
    return {
        "Name": facts["name"],
        "State": facts["state"],
        "Idle": idle_text(settings, now),
        "Stop by": f"{settings['stop_by']} {settings['time_zone']}, every day" if settings["stop_by"] else "",
        "Delete": delete_text(settings, str(facts.get("release_at") or now.get("release_at") or "")),
        "Now": now_text(now) if now else "it is told when it is started" if facts["state"] != "running" else "",
    }


def here(environment: Mapping[str, str], link: Path = LOCALTIME) -> str:
    """This machine's own time zone: its name, else its distance from UTC."""
    name = environment.get("TZ", "").removeprefix(":")
    if not name and link.is_symlink():
        name = os.path.realpath(link).rpartition("/zoneinfo/")[2]
    if name and "/" in name and not name.startswith(("/", "Etc/")):
        return name
    offset = datetime.now().astimezone().strftime("%z")
    return f"{offset[:3]}:{offset[3:5]}"


def _idle(text: str) -> int:
    found = _minutes("idle", text)
    if 0 < found < SHORTEST_AUTOSTOP_MIN:
        raise UsageError(f"idle: {text} is too short: whoever thinks for a moment would lose the node", "--idle 5m")
    return found


def _minutes(option: str, text: str) -> int:
    try:
        return minutes(text)
    except ValueError as error:
        flag = option.replace("_", "-")
        raise UsageError(f"{option}: {error}", f"for example --{flag} 2h, or --{flag} off") from None
