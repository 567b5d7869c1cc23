"""The command reference in docs/cli.md: below its mark, the page is the program's own help.

`python -m tests.docs.cli_page` writes it anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from garret.cli import CONTEXT, LazyGroup, garret

PAGE = Path(__file__).resolve().parents[2] / "docs/cli.md"
MARK = "<!-- below: the program's own help; python -m tests.docs.cli_page -->\n"


def reference() -> str:
    """Every command's help, in the order of the lists."""
    return "".join(f"\n## {title}\n\n```text\n{text}\n```\n" for title, text in _pages(garret, "garret", None))


def page(text: str) -> str:
    """The page with its lower part made anew."""
    return text.partition(MARK)[0] + MARK + reference()


def _pages(command: click.Command, name: str, parent: click.Context | None) -> Iterator[tuple[str, str]]:
    context = click.Context(
        command, info_name=name, parent=parent, terminal_width=100, **(CONTEXT if not parent else {})
    )
    yield context.command_path, command.get_help(context)
    if isinstance(command, LazyGroup):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            if found is not None:
                yield from _pages(found, below, context)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
