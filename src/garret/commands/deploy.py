"""`garret deploy`."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from garret.commands.door import Caller, cloud_options, name_option
from garret.console import fields, price_text
from garret.errors import UsageError

if TYPE_CHECKING:
    from garret.ops.deployment import Deployment
    from garret.ops.plan import Place, Plan
    from garret.spec import DeploymentSpec

FLAGS = ("zone", "instance_type", "image_id", "disk_size_gib", "bandwidth_mbps", "service_port", "allow_cidr", "public",
         "login", "wait_timeout_s", "vpc_cidr", "vswitch_cidr")  # fmt: skip

EPILOG = """\b
Examples:
  garret deploy --cloud local --yes
      on this machine; costs nothing
  garret deploy --cloud aliyun --region cn-hangzhou --allow-cidr 203.0.113.7/32
      on Alibaba Cloud; shows the price and asks first

Typed again, it finishes what was interrupted; when nothing is left to do, it says so and makes a picture.
The password comes from --password-stdin or GARRET_PASSWORD; else one is made and shown once.
"""


@click.command(epilog=EPILOG)
@click.argument("deployment", required=False, metavar="[NAME]")
@name_option
@click.option("--zone", help="Zone; else the best stocked one is taken.")
@click.option("--instance-type", help="A gn7i type, for example ecs.gn7i-c16g1.4xlarge.")
@click.option("--image-id", help="Image; else the newest Ubuntu with NVIDIA driver and CUDA.")
@click.option("--disk-size-gib", type=int, help="System disk, 100 GiB or more.")
@click.option("--bandwidth-mbps", type=int, help="Limit of the public address; traffic is paid by volume.")
@click.option("--port", "--service-port", "service_port", type=int, help="Port; 443, or 7860 on the local cloud.")
@click.option("--allow-cidr", multiple=True, help="Who may reach the service, for example 203.0.113.7/32.")
@click.option("--public/--no-public", default=None, help="The whole internet may reach the service.")
@click.option("--vpc-cidr", help="Private range of the new VPC.")
@click.option("--vswitch-cidr", help="A part of that range.")
@click.option("--login", help="Name to log in with; admin when left out.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--wait-timeout-s", type=int, help="How long the node may take to come up.")
@click.option("--picture", type=click.Path(path_type=Path, dir_okay=False), help="Where the first picture goes.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@cloud_options
def deploy(
    caller: Caller,
    *,
    deployment: str | None,
    name: str | None,
    password_stdin: bool,
    picture: Path | None,
    yes: bool,
    **said: Any,
) -> int:
    """Make a deployment, or finish one; ends when it has made a picture."""
    from garret.image_bootstrap.bundle import build_bundle
    from garret.ops.deploy import Deploy, Wish
    from garret.ops.plan import wanted_spec

    crash = caller.crash()
    settings = caller.settings()
    one = caller.deployment(settings, deployment or name)
    region = caller.region_of(settings, one)
    wish = Wish(region, _said(said), _password(caller, password_stdin), picture.absolute() if picture else None)
    # A wrong field is told before the local cloud is started for it.
    wanted_spec(settings.cloud, one.name, region, wish.said, one.spec)
    cloud = caller.cloud(settings, region)
    # The local cloud's image brings the demo model; on Alibaba Cloud it travels with the runtime.
    pack = partial(build_bundle, with_model=settings.cloud == "aliyun")
    work = Deploy(cloud, one, wish, caller.console, _Confirm(caller, settings.cloud, yes), crash, pack)
    facts = work.run()
    caller.console.answer(facts, _lines(facts, _password_text(facts, one)))
    return 0


class _Confirm:
    """Show the plan, and ask."""

    def __init__(self, caller: Caller, kind: str, yes: bool) -> None:
        self._caller, self._kind, self._yes = caller, kind, yes

    def __call__(self, spec: DeploymentSpec, place: Place, plan: Plan, generated: bool) -> bool:
        from garret.ops.plan import plan_lines

        console = self._caller.console
        price = price_text(plan.price.to_dict() if plan.price else None)
        password = "a password is made and shown at the end" if generated else "with the password given"
        for line in plan_lines(self._kind, spec, place, price, password):
            console.say(line)
        console.say()
        return self._yes or console.confirm(f"Create this, for {price}?")


def _said(options: dict[str, Any]) -> dict[str, Any]:
    """Only what was said."""
    return {name: options[name] for name in FLAGS if options.get(name) not in (None, ())}


def _password(caller: Caller, from_stdin: bool) -> str | None:
    if from_stdin:
        text = sys.stdin.readline().rstrip("\r\n")
        if not text:
            raise UsageError(
                "password: nothing came on standard input", "printf '%s' … | garret deploy --password-stdin"
            )
        return text
    return caller.environment.get("GARRET_PASSWORD") or None


def _password_text(facts: dict[str, Any], deployment: Deployment) -> str:
    """The password when this run made it, else where it is to be found."""
    from garret.ops.deployment import LOGIN_FILE

    if facts.get("password"):
        return str(facts["password"])
    login = deployment.login
    if login and login.password:
        return f"as shown at first; kept in {deployment.journal.folder / LOGIN_FILE}"
    return "as you gave it"


def _lines(facts: dict[str, Any], password: str) -> list[str]:
    from garret.ops.deployment import flag

    suffix = flag(facts["name"])
    return [
        "",
        *fields(
            {
                "Endpoint": facts["endpoint"],
                "Login": facts["login"],
                "Password": password,
                "Picture": facts["picture"],
                "Cost now": price_text(facts["price_per_hour"]),
            }
        ),
        "",
        f'More:        garret generate "a green star on a white background" -o star.png{suffix}',
        f"Stop paying: garret ops stop{suffix}   (disk and address stay, and are billed)",
        f"             garret delete {facts['name']}   (nothing stays)",
    ]
