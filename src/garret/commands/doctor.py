"""`garret doctor`."""

from __future__ import annotations

import json

import click

from garret.commands.door import Caller, cloud_options
from garret.console import rows

MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "failed": ("✗", "red"), "skipped": ("-", "white")}
EPILOG = """\b
Examples:
  garret doctor --cloud aliyun --region cn-hangzhou
  garret doctor --policy > policy.json
      the RAM policy that garret's commands need, action by action; attach it to the user whose keys you use

Changes nothing: rights are learned from reads, from the cloud's own rehearsals (DryRun), and from what it says of
things that cannot exist. Exit code 1 when a check failed.
"""


@click.command(epilog=EPILOG)
@click.option("--instance-type", help="The type that you mean to use; the default of `garret deploy` when left out.")
@click.option("--image-id", help="The image that you mean to use.")
@click.option("--policy", "only_policy", is_flag=True, help="Print the RAM policy and do nothing else.")
@cloud_options
def doctor(caller: Caller, instance_type: str | None, image_id: str | None, only_policy: bool) -> int:
    """Check credentials, rights, quotas, stock and this machine, and say what mends what is wrong."""
    from garret.ops import policy
    from garret.ops.doctor import Wanted, cloud_checks, credential_check, local_checks
    from garret.ops.plan import IMAGE_FAMILY
    from garret.spec import DeploymentSpec

    if only_policy:
        click.echo(json.dumps(policy.document(), indent=2))
        return 0
    settings = caller.settings()
    usual = str(DeploymentSpec.model_fields["instance_type"].default)
    wanted = Wanted(settings.region, instance_type or usual, IMAGE_FAMILY, image_id or "")
    checks = [*local_checks(settings.home), credential_check(caller.environment, settings.cloud)]
    if checks[-1].state != "failed":
        checks += cloud_checks(caller.cloud(settings, settings.region), wanted)
    lines = rows([(click.style(*MARKS[one.state][:1], fg=MARKS[one.state][1]), one.name, one.text) for one in checks])
    fixes = [f"{one.name}: {one.fix}" for one in checks if one.fix]
    caller.console.answer(
        [one.to_dict() for one in checks],
        [*lines, *(["", "What mends it:"] if fixes else []), *map("  {}".format, fixes)],
    )
    return int(any(one.state == "failed" for one in checks))
