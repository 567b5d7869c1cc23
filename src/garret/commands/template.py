"""`garret template render`, `validate`, `list` and `parameters`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from garret.commands.door import Caller, cloud_options, local_scheme, name_option, output_options
from garret.commands.spec_options import file_option, said_in, spec_options
from garret.console import rows
from garret.errors import TemplateError, UsageError

if TYPE_CHECKING:
    from garret.spec import DeploymentSpec
    from garret.templates.checks.finding import Finding

RENDER = """\b
Examples:
  garret template render --cloud aliyun --allow-cidr 203.0.113.7/32 -o garret.ros.yaml
  printf '%s' "$PASSWORD" | garret template render --file studio.yaml --password-stdin -o garret.ros.yaml

Good in the ROS console: its parameters are grouped, labelled in English and Chinese, and picked from lists. Without a
password the template lets nobody in. The runtime does not travel in it: a node waits for what `garret deploy` brings,
unless its image has it.
"""
VALIDATE = """\b
Examples:
  garret template validate garret.ros.yaml
      garret's own checks, without any cloud
  garret template validate garret.ros.yaml --cloud local
      and then the cloud's: ValidateTemplate

Works on any ROS template: names, properties, limits, ranges, and the vendor's security rules. One of garret's own, by
its TemplateTags, also keeps garret's: one TCP port, the deployment's tag, no address that costs while the node is
stopped. Exit code 2 when something is wrong with it.
"""
LIST = """\b
Example:
  garret template list
"""
PARAMETERS = """\b
Examples:
  garret template parameters
  garret template parameters service --json
"""
NOBODY = "nobody"


@click.command(epilog=RENDER)
@click.argument("deployment", required=False, metavar="[NAME]")
@name_option
@file_option
@spec_options()
@click.option("--password-stdin", is_flag=True, help="Read the service's password; only its salted hash goes in.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="File to write.")
@cloud_options
def render(
    caller: Caller,
    *,
    deployment: str | None,
    name: str | None,
    file: Path | None,
    password_stdin: bool,
    output: Path | None,
    **options: Any,
) -> int:
    """Print the ROS template behind a deployment."""
    from garret.ops.journal import write_atomic
    from garret.ops.plan import defaults_on
    from garret.spec import parse_spec

    settings = caller.settings()
    said = said_in(options, file, caller.console.note)
    named = deployment or name or said.get("name") or "garret"
    # An option wins over the file, and the file over a default that nobody said.
    region = said.get("region", settings.region) if settings.region_from != "--region" else settings.region
    spec = parse_spec(defaults_on(settings.cloud) | said | {"name": named, "region": region})
    scheme = local_scheme(settings.home) if settings.cloud == "local" else "https"
    text = _text(spec, settings.cloud, scheme, _hash_of_stdin() if password_stdin else NOBODY)
    if output is not None:
        write_atomic(output.absolute(), text.encode("utf-8"), 0o644)
        caller.console.answer({"template": str(output)}, [str(output)])
    else:
        caller.console.answer({"template": text}, [text.rstrip("\n")])
    return 0


@click.command(epilog=VALIDATE)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--public", is_flag=True, help="That the whole internet gets in is meant.")
@click.option("--acme", is_flag=True, help="That port 80 is open to everyone, for ACME's challenge, is meant.")
@cloud_options
def validate(caller: Caller, file: Path, public: bool, acme: bool) -> int:
    """Check a ROS template: by garret's own rules, and with --cloud by the cloud's."""
    from garret.templates.checks import check_template

    try:
        text = file.read_text("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not UTF-8 text", "give a YAML or JSON file") from None
    findings = check_template(text, public=public, acme=acme)
    asked = caller.cloud_flag is not None
    if asked and not findings:
        settings = caller.settings()
        caller.cloud(settings, settings.region).stacks.validate(text)
    if findings and not caller.console.as_json:
        raise TemplateError("\n".join(map(str, findings)), _remedies(findings))
    listed = [{"check": one.check, "where": one.where, "problem": one.problem, "hint": one.hint} for one in findings]
    facts = {"file": str(file), "good": not findings, "findings": listed, "cloud": caller.cloud_flag}
    by = f"garret's checks and {caller.cloud_flag}'s" if asked else "garret's checks"
    caller.console.answer(facts, [f"{file} passes {by}"])
    return 2 if findings else 0


@click.command("list", epilog=LIST)
@output_options
def list_(caller: Caller) -> int:
    """The templates that garret brings."""
    from garret.templates.catalog import TEMPLATES
    from garret.templates.parameters import describe

    found = [{"name": one.name, "summary": one.summary, "parameters": len(describe(one))} for one in TEMPLATES.values()]
    table = [["NAME", "PARAMETERS", "SUMMARY"]]
    table += [[str(one["name"]), str(one["parameters"]), str(one["summary"])] for one in found]
    caller.console.answer({"templates": found}, rows(table))
    return 0


@click.command(epilog=PARAMETERS)
@click.argument("template", required=False, default="service")
@output_options
def parameters(caller: Caller, template: str) -> int:
    """What a template asks for: each parameter with its label, default and limits."""
    from garret.templates.catalog import TEMPLATES
    from garret.templates.parameters import describe

    if template not in TEMPLATES:
        raise UsageError(f"there is no template {template!r}", f"there are: {', '.join(TEMPLATES)}")
    found = describe(TEMPLATES[template])
    table = [["PARAMETER", "LABEL", "TYPE", "DEFAULT", "LIMITS"]]
    table += [[one.name, one.label["en"], one.type, one.default, one.limits] for one in found]
    caller.console.answer({"template": template, "parameters": [one.to_dict() for one in found]}, rows(table))
    return 0


def _remedies(findings: list[Finding]) -> str:
    """What to type next, for each place; one finding needs no place beside it."""
    if len(findings) == 1:
        return findings[0].hint
    return "\n        ".join(dict.fromkeys(f"{one.where}: {one.hint}" for one in findings if one.hint))


def _text(spec: DeploymentSpec, kind: str, scheme: str, password_hash: str) -> str:
    from garret.image_bootstrap.bundle import build_bundle
    from garret.image_bootstrap.user_data import build_user_data
    from garret.ops.deployment import Login
    from garret.ops.plan import node_config
    from garret.templates.checks import require_good
    from garret.templates.render import render_template

    config = node_config(spec, kind, Login(spec.login, "", password_hash), build_bundle())
    text = render_template(spec, build_user_data(config), scheme=scheme)
    return require_good(text, public=spec.public, acme=spec.acme)


def _hash_of_stdin() -> str:
    from garret.service_runtime.passwords import hash_password
    from garret.spec import check_password

    return hash_password(check_password(sys.stdin.readline().rstrip("\r\n")))
