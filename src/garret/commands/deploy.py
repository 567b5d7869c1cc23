"""`garret deploy`."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from garret.commands.door import Caller, cloud_options, name_option
from garret.commands.spec_options import file_option, read_file, said_by_options, spec_options
from garret.commands.way import Way, address_of, way_options
from garret.console import fields, price_text
from garret.errors import UsageError

if TYPE_CHECKING:
    from garret.ops.channels.ssh import SshAddress
    from garret.ops.deployment import Deployment
    from garret.ops.plan import Plan
    from garret.ops.update import Proposal
    from garret.settings import Settings

EPILOG = """\b
Examples:
  garret deploy --cloud local --yes
      on this machine; costs nothing
  garret deploy --cloud aliyun --region cn-hangzhou --allow-cidr 203.0.113.7/32
      on Alibaba Cloud; shows the price and asks first
  garret deploy --file studio.yaml --max-price 12 --dry-run
      the plan and its price, and nothing more

Typed again, it finishes what was interrupted, and changes what was said otherwise; when nothing is left to do, it says
so and makes a picture. The password comes from --password-stdin or GARRET_PASSWORD; else one is made and shown once.
examples/deploy.full.yaml explains each field.
"""


@click.command(epilog=EPILOG)
@click.argument("deployment", required=False, metavar="[NAME]")
@name_option
@file_option
@spec_options()
@click.option("--password-stdin", is_flag=True, help="Read the service's password from standard input.")
@click.option("--picture", type=click.Path(path_type=Path, dir_okay=False), help="Where the first picture goes.")
@click.option(
    "--bundle-url",
    metavar="URL",
    help="Where a new node can fetch the runtime that `garret debug bundle` wrote; else it is sent there.",
)
@way_options
@click.option("--dry-run", is_flag=True, help="Show the plan with its price and stop: nothing is made or written.")
@click.option(
    "--replace",
    is_flag=True,
    help="Where a change needs a new node: delete this one and make it anew. Models and pictures on it are lost.",
)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@cloud_options
def deploy(
    caller: Caller,
    *,
    deployment: str | None,
    name: str | None,
    file: Path | None,
    password_stdin: bool,
    picture: Path | None,
    bundle_url: str | None,
    way: Way,
    dry_run: bool,
    replace: bool,
    yes: bool,
    **options: Any,
) -> int:
    """Make a deployment, finish one, or change one; ends when it has made a picture."""
    caller.crash()  # a wrong name of a crash point is told first
    said = read_file(file, caller.console.note)
    if "region" in said and caller.region_flag is None:
        caller = dataclasses.replace(caller, region_flag=str(said["region"]))
    settings = caller.settings()
    one = caller.deployment(settings, deployment or name or said.get("name"))
    wanted = {key: value for key, value in said.items() if key not in ("name", "region")} | said_by_options(options)
    target = picture.absolute() if picture else None
    facts = None
    if not dry_run and not password_stdin and not caller.environment.get("GARRET_PASSWORD"):
        facts = _standing(caller, settings, one, wanted, target)
    if facts is None:
        how = _How(password_stdin, target, dry_run, yes, replace, bundle_url or "", address_of(way, one))
        facts = _work(caller, settings, one, wanted, how)
    caller.console.answer(facts, _lines(facts, one))
    return 0


@dataclass(frozen=True)
class _How:
    """What was said beside the fields."""

    password_stdin: bool
    picture: Path | None
    dry_run: bool
    yes: bool
    replace: bool
    bundle_url: str = ""
    ssh: SshAddress | None = None


def _standing(
    caller: Caller, settings: Settings, one: Deployment, said: dict[str, Any], picture: Path | None
) -> dict[str, Any] | None:
    """The quick way: a deployment that is as it is said; None for everything else."""
    from garret.ops.standing import Standing, is_as_said

    plan = one.plan
    if plan is None:
        return None
    region = settings.region if settings.region_from == "--region" else str(plan["spec"]["region"])
    if not is_as_said(one, said, region):
        return None
    return Standing(caller.cloud(settings, str(plan["region"])), one, caller.console, picture).look()


def _work(caller: Caller, settings: Settings, one: Deployment, wanted: dict[str, Any], how: _How) -> dict[str, Any]:
    """Make, finish or change it."""
    from garret.image_bootstrap.bundle import build_bundle, checked_url
    from garret.ops.deploy import Deploy, Wish
    from garret.ops.plan import needs_model, wanted_spec

    if how.bundle_url:
        checked_url(how.bundle_url)
    before = one.spec or one.wish_left
    region = before.region if before is not None and settings.region_from != "--region" else settings.region
    said = _with_access(caller, settings.cloud, wanted, before is None)
    # A wrong field is told before the local cloud is started for it.
    spec = wanted_spec(settings.cloud, one.name, region, said, before)
    wish = Wish(
        region,
        said,
        _password(caller, how.password_stdin),
        _instance_password(caller, spec.instance_password and before is None),
        how.picture,
        how.dry_run,
        how.replace,
        how.ssh,
    )
    plan, agreed = one.plan, how.yes or how.dry_run
    cloud = caller.cloud(settings, str(plan["region"]) if plan else region)
    work = Deploy(
        cloud, one, wish, caller.console, _Confirm(caller, settings.cloud, agreed), caller.crash(),
        partial(build_bundle, with_model=needs_model(settings.cloud, spec.model), url=how.bundle_url),
        ConfirmUpdate(caller, agreed), partial(caller.cloud, settings),
    )  # fmt: skip
    return work.run()


class _Confirm:
    """Show the plan, and ask."""

    def __init__(self, caller: Caller, kind: str, yes: bool) -> None:
        self._caller, self._kind, self._yes = caller, kind, yes

    def __call__(self, plan: Plan, generated: bool) -> bool:
        from garret.ops.plan_text import plan_lines

        console = self._caller.console
        password = "a password is made and shown at the end" if generated else "with the password given"
        for line in plan_lines(self._kind, plan, password):
            console.say(line)
        console.say()
        price = price_text(plan.prices.running.to_dict() if plan.prices else None)
        return self._yes or console.confirm(f"Create this, for {price}?")


class ConfirmUpdate:
    """Show what changes, and ask."""

    def __init__(self, caller: Caller, yes: bool) -> None:
        self._caller, self._yes = caller, yes

    def __call__(self, proposal: Proposal) -> bool:
        from garret.ops.update_text import proposal_lines

        console = self._caller.console
        for line in proposal_lines(proposal):
            console.say(line)
        console.say()
        return self._yes or console.confirm("Change this?")


def _with_access(caller: Caller, kind: str, said: dict[str, Any], fresh: bool) -> dict[str, Any]:
    """Ask who may reach the service where that was not said: no third party is asked for the caller's address."""
    if kind == "local" or not fresh or said.get("allow_cidr") or said.get("public") or not sys.stdin.isatty():
        return said
    answer = caller.console.ask_for(
        "Who may reach the service? Your own public address, for example 203.0.113.7/32 (nothing else gets in)"
    )
    return said | ({"allow_cidr": (answer.strip(),)} if answer.strip() else {})


def _password(caller: Caller, from_stdin: bool) -> str | None:
    if from_stdin:
        text = sys.stdin.readline().rstrip("\r\n")
        if not text:
            raise UsageError(
                "password: nothing came on standard input", "printf '%s' … | garret deploy --password-stdin"
            )
        return text
    return caller.environment.get("GARRET_PASSWORD") or None


def _instance_password(caller: Caller, wanted: bool) -> str:
    """The node's own password, where one was asked for: from the environment, or typed."""
    if not wanted:
        return ""
    known = caller.environment.get("GARRET_INSTANCE_PASSWORD", "")
    if known:
        return known
    if not sys.stdin.isatty():
        raise UsageError(
            "instance_password: nobody is there to type it", "set GARRET_INSTANCE_PASSWORD, or leave it out"
        )
    return str(click.prompt("Password of the node", hide_input=True, confirmation_prompt=True, err=True))


def _password_text(facts: dict[str, Any], deployment: Deployment) -> str:
    """The password when this run made it, else where it is to be found."""
    from garret.ops.deployment import LOGIN_FILE

    if facts.get("password"):
        return str(facts["password"])
    login = deployment.login
    if login and login.password:
        return f"as shown at first; kept in {deployment.journal.folder / LOGIN_FILE}"
    return "as you gave it"


def _lines(facts: dict[str, Any], deployment: Deployment) -> list[str]:
    from garret.ops.deployment import flag

    if facts.get("dry_run"):
        return ["dry run: nothing was made or changed" if facts["changed"] else "nothing to change"]
    suffix = flag(facts["name"])
    return [
        "",
        *fields(
            {
                "Endpoint": facts["endpoint"],
                "By name": facts.get("domain_endpoint"),
                "Trusted": facts.get("certificate"),
                "Login": facts["login"],
                "Password": _password_text(facts, deployment),
                "Picture": facts.get("picture"),
                "Cost now": price_text(facts["price_per_hour"]),
            }
        ),
        "",
        f'More:        garret generate "a green star on a white background" -o star.png{suffix}',
        f"Stop paying: garret ops stop{suffix}   (disk and address stay, and are billed)",
        f"             garret delete {facts['name']}   (nothing stays)",
    ]
