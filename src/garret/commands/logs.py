"""`garret logs`."""

from __future__ import annotations

import json

import click

from garret.commands.door import Caller, cloud_options, name_option

EPILOG = """\b
Examples:
  garret logs --bootstrap
      what the node did to set itself up; also while it does, and of one that failed
  garret logs --bootstrap --follow
  garret logs my-pictures --service -n 20
  garret logs --gpu
  garret logs --console
      what the machine wrote before anything else of it answered

The log is read through Cloud Assistant, with no port open and no key; the console by the cloud itself. The same as
garret ops logs.
"""
KINDS = ("bootstrap", "service", "nginx", "gpu", "console")


@click.command(epilog=EPILOG)
@click.argument("deployment", required=False, metavar="[NAME]")
@click.option("--bootstrap", "kind", flag_value="bootstrap", help="How the node set itself up.")
@click.option("--service", "kind", flag_value="service", help="What makes the pictures; shown unless another is said.")
@click.option("--nginx", "kind", flag_value="nginx", help="Who asked for what, and what went wrong at the door.")
@click.option("--gpu", "kind", flag_value="gpu", help="How the GPU is now, and what its driver reported.")
@click.option("--console", "kind", flag_value="console", help="The machine's console.")
@click.option("--follow", "-f", is_flag=True, help="Show what is new as it is written.")
@click.option("--lines", "-n", type=click.IntRange(1, 100_000), default=200, show_default=True, help="The last lines.")
@name_option
@cloud_options
def logs(
    caller: Caller, deployment: str | None, kind: str | None, *, follow: bool, lines: int, name: str | None
) -> int:
    """What a deployment's node has written."""
    from garret.errors import UsageError
    from garret.ops import logs as looking

    settings = caller.settings()
    one = caller.deployment(settings, deployment or name)
    cloud = caller.cloud_of(settings, one)
    kind = kind or "service"
    if kind == "console":
        if follow:
            raise UsageError("the console cannot be followed", "garret logs --bootstrap --follow")
        found = looking.console_of(cloud, one, lines)
        caller.console.answer({"log": kind, "lines": found}, found or ["the console is empty"])
        return 0
    log = looking.log_of(cloud, one, kind)
    found = log.last(lines)
    if not follow:
        answer: dict[str, object] = {"log": kind, "instance_id": log.instance_id, "lines": found}
        if kind == "bootstrap":
            answer["journal"] = looking.journal_of(cloud.assistant, log.instance_id) if caller.console.as_json else []
        caller.console.answer(answer, found)
        return 0
    for line in found:
        _show(caller, line)
    for line in looking.follow(log):
        _show(caller, line)
    return 0


def _show(caller: Caller, line: str) -> None:
    """One line as it comes; for programs, one JSON object a line."""
    if caller.console.as_json:
        click.echo(json.dumps({"line": line}, ensure_ascii=False))
    else:
        caller.console.say(line)
