"""`garret ops export`."""

from __future__ import annotations

from pathlib import Path

import click

from garret.commands.door import Caller, output_options
from garret.console import rows

EPILOG = """\b
Examples:
  garret ops export -o oos            writes all of them into the folder oos
  garret ops export download-model    prints one
  garret ops export --json

They are templates of OOS (FormatVersion OOS-2019-06-01), in English and Chinese: create one in the OOS console, or
publish it with a Compute Nest service. What is filled in reaches the node as data, never as a part of a command.
"""


@click.command(epilog=EPILOG)
@click.argument("verb", required=False, metavar="[VERB]")
@click.option(
    "-o", "--output", "folder", type=click.Path(path_type=Path, file_okay=False), help="Folder to write into."
)
@output_options
def export(caller: Caller, verb: str | None, folder: Path | None) -> int:
    """Each operation as an OOS template, to run it from the cloud's console."""
    from garret.ops.export import export as write
    from garret.ops.export import templates
    from garret.templates.oos.parts import as_yaml

    if folder is not None:
        written = write(verb, folder)
        caller.console.answer(written, [f"{one['file']}   {one['description']}" for one in written])
        return 0
    made = templates(verb)
    if verb:
        lines = ["---\n".join(as_yaml(template) for template in made.values()).rstrip()]
    else:
        lines = rows([("TEMPLATE", "WHAT IT DOES"), *((name, one["Description"]["en"]) for name, one in made.items())])
    caller.console.answer(made, lines)
    return 0
