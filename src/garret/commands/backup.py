"""`garret ops backup` and `garret ops restore`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from garret.commands.door import Caller, cloud_options, name_option
from garret.commands.operate import begun, carry_out, no_wait_option
from garret.console import fields, month_text, rows

BACKUP_EPILOG = """\b
Examples:
  garret ops backup
      a snapshot of the node's disk, with its models and pictures; the node runs on
  garret ops backup --keep 3
      and deletes the oldest, so that three stay
  garret ops backup --list

Backups outlive the deployment, and are billed until they are deleted: garret delete NAME --snapshots deletes them.
"""
RESTORE_EPILOG = """\b
Examples:
  garret ops restore
      the newest backup
  garret ops restore s-bp1… my-pictures --yes

What is on the disk now is backed up before, so that it can be brought back; --no-safety leaves that out. The login and
autostop stay as they are now.
"""


@click.command(epilog=BACKUP_EPILOG)
@click.argument("deployment", required=False, metavar="[NAME]")
@click.option("--keep", type=click.IntRange(1, 100), help="Keep this many; the oldest beyond them are deleted.")
@click.option("--list", "only_list", is_flag=True, help="Only show those that there are.")
@no_wait_option
@name_option
@cloud_options
def backup(
    caller: Caller, *, deployment: str | None, keep: int | None, only_list: bool, no_wait: bool, name: str | None
) -> int:
    """Keep the node's disk as it is now: models, pictures and all."""
    one = caller.there(deployment or name)
    if only_list:
        return _list(caller, one)
    facts = carry_out(caller, "backup", one, {"keep": keep} if keep else {}, wait=not no_wait)
    if no_wait:
        return begun(caller, facts)
    made, there = facts["backup"], facts["backups"]
    shown = {
        "Backup": f"{made['id']}, of a disk of {made['size_gib']} GiB",
        "There are": f"{len(there)}" + (f"; {len(facts['dropped'])} deleted" if facts["dropped"] else ""),
        "Billed": _billed(facts),
        "Next": f"garret ops restore {made['id']}{_flag(one.name)}   (brings it back)",
    }
    caller.console.answer(facts, [f"{one.name} is backed up", *fields(shown)])
    return 0


@click.command(epilog=RESTORE_EPILOG)
@click.argument("backup_id", required=False, metavar="[BACKUP]")
@click.argument("deployment", required=False, metavar="[NAME]")
@click.option("--no-safety", is_flag=True, help="Do not back up before what is there now: it is lost.")
@click.option("--now", is_flag=True, help="Do not wait for running jobs.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@no_wait_option
@name_option
@cloud_options
def restore(
    caller: Caller,
    *,
    backup_id: str | None,
    deployment: str | None,
    no_safety: bool,
    now: bool,
    yes: bool,
    no_wait: bool,
    name: str | None,
) -> int:
    """Bring the node's disk back to what it was at a backup."""
    from garret.errors import UsageError
    from garret.ops.restore import Restore

    one = caller.there(deployment or name)
    settings = caller.settings()
    cloud = caller.cloud_of(settings, one)
    chosen = Restore(cloud, one, caller.console, backup_id or "").choice()
    for line in _lines(one.name, chosen.id, chosen.created_at, safe=not no_safety):
        caller.console.say(line)
    caller.console.say()
    if not (yes or caller.console.confirm("Bring it back?")):
        raise UsageError("not confirmed; nothing was changed")
    parameters = {"backup": chosen.id, "safety": not no_safety, "now": now}
    facts = carry_out(caller, "restore", one, parameters, wait=not no_wait)
    if no_wait:
        return begun(caller, facts)
    safety = facts["safety"]
    shown = {"Before that": f"{safety['id']}: garret ops restore {safety['id']}{_flag(one.name)}" if safety else ""}
    lines = [f"{one.name} is as it was at {chosen.created_at[:16]}, and {facts['state']}", *fields(shown)]
    caller.console.answer(facts, lines)
    return 0


def _lines(name: str, id: str, created_at: str, *, safe: bool) -> list[str]:
    """What a person sees before they say yes."""
    lost = "is backed up before, and billed as that" if safe else "is lost"
    return [
        f"Restore: {name} to {id} of {created_at[:16]}",
        "  node      it finishes its jobs, stops, and starts again if it runs now",
        f"  since     what came onto the disk since then, models and pictures, {lost}",
    ]


def _list(caller: Caller, one: Any) -> int:
    from garret.ops.backup import backups, fact_of, per_month

    cloud = caller.cloud_of(caller.settings(), one)
    found = backups(cloud, one)
    facts = {
        "name": one.name,
        "backups": [fact_of(each) for each in found],
        "billed_per_month": per_month(cloud, found) if found else None,
    }
    table = [
        ("BACKUP", "MADE", "DISK", "OF", "KIND"),
        *(
            (each["id"], each["created_at"][:16], f"{each['size_gib']} GiB", each["disk_id"], each["kind"])
            for each in facts["backups"]
        ),
    ]
    empty = [f"{one.name} has no backup; make one: garret ops backup{_flag(one.name)}"]
    caller.console.answer(facts, [*rows(table), *fields({"Billed": _billed(facts)})] if found else empty)
    return 0


def _billed(facts: Mapping[str, Any]) -> str:
    """What the backups cost, as far as anybody knows."""
    size = sum(one["size_gib"] for one in facts["backups"])
    known = month_text(facts["billed_per_month"])
    if known:
        return f"{known} for all of them, while they exist"
    return f"what is used of {size} GiB, by the month; `garret cost` shows it once the cloud has billed it"


def _flag(name: str) -> str:
    from garret.ops.deployment import flag

    return flag(name)
