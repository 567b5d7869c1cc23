"""`garret delete`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from garret.commands.door import Caller, cloud_options, name_option
from garret.errors import NothingToDo, UsageError

if TYPE_CHECKING:
    from garret.ops.deployment import Deployment

EPILOG = """\b
Examples:
  garret delete
      shows what goes, and asks for its name
  garret delete my-pictures --yes
  garret delete my-pictures --keep-disk
      makes a snapshot of its disk first, and waits until that is whole
  garret delete my-pictures --snapshots
      also deletes the snapshots that were kept of it

Ends with a look at the cloud, in the deployment's own region or the one said: exit code 1, and a list, while anything
of the deployment is still there to be billed. A snapshot that was kept is no such thing; it is billed by its size.
"""


@click.command(epilog=EPILOG)
@click.argument("deployment", required=False, metavar="[NAME]")
@name_option
@click.option("--keep-disk", is_flag=True, help="Make a snapshot of its disk first; it stays, and is billed.")
@click.option("--snapshots", "drop_kept", is_flag=True, help="Also delete the snapshots that were kept of it.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@cloud_options
def delete(
    caller: Caller, *, deployment: str | None, name: str | None, keep_disk: bool, drop_kept: bool, yes: bool
) -> int:
    """Delete a deployment and make sure that nothing of it is billed."""
    from garret.ops.delete import Delete

    crash = caller.crash()
    settings = caller.settings()
    one = caller.deployment(settings, deployment or name)
    _refuse_to_guess(one, deployment or name)
    name, region = one.name, caller.region_of(settings, one)
    console = caller.console
    if not caller.has_cloud(settings) and not one.journal.entries():
        facts: dict[str, Any] = {"name": name, "state": "absent", "changed": False, "region": region, "snapshots": []}
    else:
        cloud = caller.cloud(settings, region)

        def confirm(parts: list[str]) -> bool:
            console.say(f"Delete {name} on {settings.cloud}, {cloud.region}:")
            for part in parts:
                console.say(f"  {part}")
            return yes or console.ask_for(f"Models and pictures on its disk go, too. Type {name} to delete it") == name

        facts = Delete(cloud, one, console, confirm, crash, keep_disk=keep_disk, drop_kept=drop_kept).run()
    if not facts["changed"] and not console.as_json:
        raise NothingToDo(
            f"there is no deployment {name} in {region}, and nothing with its tag is billed there"
            + (f"; {_kept_text(facts['snapshots'])}" if facts["snapshots"] else ""),
            _drop_hint(name) if facts["snapshots"] else f"another region: garret delete {name} --region …",
        )
    lines = [f"{name} is deleted; nothing of it is billed in {region}"]
    if facts["snapshots"]:
        lines = [f"{name} is deleted", f"Kept: {_kept_text(facts['snapshots'])}", f"Next: {_drop_hint(name)}"]
    console.answer(facts, lines)
    return 0


def _refuse_to_guess(one: Deployment, said: str | None) -> None:
    """What goes for ever is named when there are several.

    Raises:
        UsageError: names them.
    """
    from garret.ops.journal import journals

    known = [journal.folder.name for journal in journals(one.journal.folder.parent) if journal.entries()]
    if said is None and len(known) > 1:
        raise UsageError(f"there are several deployments: {', '.join(known)}", f"say which: garret delete {known[0]}")


def _kept_text(snapshots: list[dict[str, Any]]) -> str:
    """What was kept; the cloud bills a snapshot by the GiB that it holds, which is no more than its disk's size."""
    return "; ".join(f"snapshot {one['id']} of {one['size_gib']} GiB, billed by its size" for one in snapshots)


def _drop_hint(name: str) -> str:
    return f"garret delete {name} --snapshots   (deletes what was kept)"
