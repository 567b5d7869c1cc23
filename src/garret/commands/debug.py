"""`garret debug crash-points` and `garret debug bundle`."""

from __future__ import annotations

from pathlib import Path

import click

from garret.commands.door import Caller, output_options
from garret.console import fields, rows

EPILOG = """\b
Examples:
  garret debug crash-points
  GARRET_CRASH_AT=deploy.waiting garret deploy --cloud local --yes
  GARRET_CRASH_AT=stop.sent garret ops stop
      kills the process that carries the operation out; the command says how to go on
"""

BUNDLE_EPILOG = """\b
Example:
  garret debug bundle -o garret.tar.xz
  garret deploy --bundle-url https://my-bucket.oss-cn-hangzhou.aliyuncs.com/garret.tar.xz

Put the file where the node can fetch it, a bucket with a presigned address for example. The node takes it only when it
is to the byte what this version of garret makes; else the runtime is sent as ever.
"""


@click.command("crash-points", epilog=EPILOG)
@output_options
def crash_points(caller: Caller) -> int:
    """Points at which GARRET_CRASH_AT kills garret as `kill -9` would."""
    from garret.ops.crash import POINTS

    caller.console.answer(POINTS, rows(list(POINTS.items())))
    return 0


@click.command(epilog=BUNDLE_EPILOG)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Where it goes.")
@click.option("--with-demo-model", is_flag=True, help="For a deployment with --model demo on Alibaba Cloud.")
@output_options
def bundle(caller: Caller, *, output: Path, with_demo_model: bool) -> int:
    """Write the runtime as nodes get it; the same files always give the same bytes."""
    from garret.image_bootstrap.bundle import build_bundle

    made = build_bundle(with_model=with_demo_model)
    output.write_bytes(made.data)
    facts = {"file": str(output), "size": made.size, "sha256": made.sha256}
    caller.console.answer(facts, fields({"File": str(output), "Bytes": made.size, "SHA-256": made.sha256}))
    return 0
