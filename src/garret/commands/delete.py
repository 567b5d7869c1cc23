"""`garret delete`."""

from __future__ import annotations

import click

from garret.commands.door import Caller, cloud_options, name_option
from garret.errors import NothingToDo

EPILOG = """\b
Examples:
  garret delete
      shows what goes, and asks for its name
  garret delete my-pictures --yes

Ends with a look at the cloud, in the deployment's own region or the one said: exit code 1, and a list, while anything
of the deployment is still billed.
"""


@click.command(epilog=EPILOG)
@click.argument("deployment", required=False, metavar="[NAME]")
@name_option
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@cloud_options
def delete(caller: Caller, deployment: str | None, name: str | None, yes: bool) -> int:
    """Delete a deployment and make sure that nothing of it is billed."""
    from garret.ops.delete import Delete

    crash = caller.crash()
    settings = caller.settings()
    one = caller.deployment(settings, deployment or name)
    name, region = one.name, caller.region_of(settings, one)
    console = caller.console
    if not caller.has_cloud(settings) and not one.journal.entries():
        facts = {"name": name, "state": "absent", "changed": False, "region": region}
    else:
        cloud = caller.cloud(settings, region)

        def confirm(parts: list[str]) -> bool:
            console.say(f"Delete {name} on {settings.cloud}, {cloud.region}:")
            for part in parts:
                console.say(f"  {part}")
            return yes or console.ask_for(f"Models and pictures on its disk go, too. Type {name} to delete it") == name

        facts = Delete(cloud, one, console, confirm, crash).run()
    if not facts["changed"] and not console.as_json:
        raise NothingToDo(
            f"there is no deployment {name} in {region}, and nothing with its tag is billed there",
            f"another region: garret delete {name} --region …",
        )
    console.answer(facts, [f"{name} is deleted; nothing of it is billed in {region}"])
    return 0
