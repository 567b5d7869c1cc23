"""`garret local up|down|status`."""

from __future__ import annotations

from dataclasses import asdict

import click

from garret.commands.door import Caller, output_options
from garret.console import fields
from garret.settings import home_folder

UP_EPILOG = """\b
Examples:
  garret local up
  garret local up --json
      endpoint, access_key_id and access_key_secret, for the official SDKs
"""
DOWN_EPILOG = """\b
Examples:
  garret local down
  garret local down --erase
      and forget all that it holds
"""
STATUS_EPILOG = """\b
Example:
  garret local status --json
"""


@click.command(epilog=UP_EPILOG)
@click.option("--port", type=click.IntRange(1, 65535), help="Port on 127.0.0.1; else a free one, kept from then on.")
@output_options
def up(caller: Caller, port: int | None) -> int:
    """Start the Alibaba Cloud on this machine; one that is up is left alone."""
    from garret.local_cloud import daemon

    record = daemon.up(home_folder(caller.environment), port)
    shown = {"Endpoint": record.endpoint, "Key id": record.access_key_id, "Nodes": record.proves}
    caller.console.answer(asdict(record), fields(shown))
    return 0


@click.command(epilog=DOWN_EPILOG)
@click.option("--erase", is_flag=True, help="Forget its stacks, instances and disks as well.")
@output_options
def down(caller: Caller, erase: bool) -> int:
    """Stop it and its nodes; what it holds stays on disk, unless --erase."""
    from garret.local_cloud import daemon

    changed = daemon.down(home_folder(caller.environment), erase)
    caller.console.answer({"running": False, "changed": changed}, ["it is down" if changed else "it was not up"])
    return 0


@click.command(epilog=STATUS_EPILOG)
@output_options
def status(caller: Caller) -> int:
    """Say whether it is up, and where; starts nothing."""
    from garret.local_cloud import daemon

    record = daemon.status(home_folder(caller.environment))
    shown = {
        "Running": "yes" if record.running else "no",
        "Endpoint": record.endpoint if record.running else "",
        "Process": record.pid,
        "Instances": record.instances,
        "Nodes": record.proves,
    }
    caller.console.answer(asdict(record), fields(shown))
    return 0
