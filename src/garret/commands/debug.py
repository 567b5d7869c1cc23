"""`garret debug crash-points`."""

from __future__ import annotations

import click

from garret.commands.door import Caller, output_options
from garret.console import rows

EPILOG = """\b
Examples:
  garret debug crash-points
  GARRET_CRASH_AT=deploy.waiting garret deploy --cloud local --yes
"""


@click.command("crash-points", epilog=EPILOG)
@output_options
def crash_points(caller: Caller) -> int:
    """Points at which GARRET_CRASH_AT kills garret as `kill -9` would."""
    from garret.ops.crash import POINTS

    caller.console.answer(POINTS, rows(list(POINTS.items())))
    return 0
