"""`garret local up|down|status`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from garret.commands.door import Caller, output_options
from garret.console import fields
from garret.settings import home_folder

if TYPE_CHECKING:
    from garret.local_cloud.daemon import CloudRecord

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
@click.option("--driver", help="What boots its nodes: namespace, or process; else the best that works here.")
@output_options
def up(caller: Caller, port: int | None, driver: str | None) -> int:
    """Start the Alibaba Cloud on this machine; one that is up is left alone."""
    from garret.local_cloud import daemon

    wanted = driver or caller.environment.get("GARRET_LOCAL_DRIVER") or ""
    record = daemon.up(home_folder(caller.environment), port, wanted, caller.console.note)
    shown = {"Endpoint": record.endpoint, "Key id": record.access_key_id, **_driver(record)}
    caller.console.answer(asdict(record), fields(shown))
    return 0


@click.command(epilog=DOWN_EPILOG)
@click.option("--erase", is_flag=True, help="Forget its stacks, instances and disks as well.")
@output_options
def down(caller: Caller, erase: bool) -> int:
    """Stop it and its nodes; what it holds stays on disk, unless --erase."""
    from garret.local_cloud import daemon

    home = home_folder(caller.environment)
    held = (home / "local-cloud").is_dir()
    changed = daemon.down(home, erase)
    text = "it is down" if changed else "it was not up"
    text += "; all that it held is forgotten" if erase and held else ""
    caller.console.answer({"running": False, "changed": changed}, [text])
    return 0


@click.command(epilog=STATUS_EPILOG)
@output_options
def status(caller: Caller) -> int:
    """Say whether it is up, where, and what is switched on; starts nothing."""
    from garret.local_cloud import daemon
    from garret.local_cloud.asking import ask

    home = home_folder(caller.environment)
    record = daemon.status(home)
    shown = {
        "Running": "yes" if record.running else "no",
        "Endpoint": record.endpoint if record.running else "",
        "Process": record.pid,
        "Instances": record.instances,
        **_driver(record),
    }
    known = asdict(record)
    if record.running:
        board, clock = ask(home, "GET", "faults"), ask(home, "GET", "clock")
        empty = [one["id"] for one in board["stock"] if one["word"].startswith(("WithoutStock", "ClosedWithout"))]
        known |= {"faults": board["faults"], "stock": board["stock"], "advanced_s": clock["advanced_s"]}
        shown |= {
            "Faults": ", ".join(_fault(one) for one in board["faults"]),
            "No stock": ", ".join(empty),
            "Clock": f"{clock['advanced_s']:g} s ahead: {clock['now']}" if clock["advanced_s"] else "",
        }
    caller.console.answer(known, fields(shown))
    return 0


def _driver(record: CloudRecord) -> dict[str, str]:
    return {"Driver": f"{record.driver}: {record.why}" if record.driver else "", "Nodes": record.proves}


def _fault(fault: Mapping[str, Any]) -> str:
    name = fault.get("fault") or f"{fault['effect']} {fault['action']}"
    number = {"latency": f" {fault.get('latency_ms')} ms", "clock_skew": f" {fault.get('clock_skew_s')} s"}
    return f"{name}{number.get(name, '')}"
