"""`garret update`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from garret.commands.deploy import ConfirmUpdate
from garret.commands.door import Caller, cloud_options, name_option
from garret.commands.spec_options import file_option, read_file, said_by_options, spec_options
from garret.console import fields, price_text
from garret.errors import UsageError

FIELDS = (
    "instance_type",
    "bandwidth_mbps",
    "disk_size_gib",
    "allow_cidr",
    "public",
    "tags",
    "max_price_per_hour",
    "autostop_min",
)

EPILOG = """\b
Examples:
  garret update --bandwidth 50
      at once, nobody notices
  garret update --instance-type ecs.gn7i-c16g1.4xlarge --dry-run
      shows what would stop and start, and what it would cost
  garret update --allow-cidr 203.0.113.7/32 --allow-cidr 198.51.100.0/24
      these two ranges and no other

What is not said stays as it is. A disk can grow, not shrink.
"""


@click.command(epilog=EPILOG)
@click.argument("deployment", required=False, metavar="[NAME]")
@name_option
@file_option
@spec_options(FIELDS)
@click.option("--dry-run", is_flag=True, help="Show what would change and stop: nothing is written.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@cloud_options
def update(
    caller: Caller,
    *,
    deployment: str | None,
    name: str | None,
    file: Path | None,
    dry_run: bool,
    yes: bool,
    **options: Any,
) -> int:
    """Change a deployment where it stands: type, bandwidth, disk, who may reach it, tags."""
    from garret.ops.deploy import Deploy, Wish

    crash = caller.crash()
    settings = caller.settings()
    said = read_file(file, caller.console.note) if file else {}
    one = caller.deployment(settings, deployment or name or said.get("name"))
    before, plan = one.spec, one.plan
    if before is None or plan is None or one.journal.last("complete") is None:
        raise UsageError(f"{one.name} is not deployed", f"garret deploy {one.name}")
    wanted = {key: value for key, value in said.items() if key not in ("name", "region")} | said_by_options(options)
    if not wanted:
        raise UsageError("nothing to change was said", "garret update --help")
    cloud = caller.cloud(settings, str(plan["region"]))
    wish = Wish(before.region, wanted, dry_run=dry_run)
    agree = ConfirmUpdate(caller, yes or dry_run)
    work = Deploy(
        cloud, one, wish, caller.console, lambda *_: False, crash, confirm_update=agree,
        elsewhere=partial(caller.cloud, settings),
    )  # fmt: skip
    facts = work.run()
    if dry_run:
        caller.console.answer(facts, ["dry run: nothing was changed" if facts["changed"] else "nothing to change"])
        return 0
    shown = {"State": facts["state"], "Endpoint": facts["endpoint"], "Picture": facts.get("picture")}
    caller.console.answer(facts, ["", *fields(shown | {"Cost now": price_text(facts["price_per_hour"])})])
    return 0
