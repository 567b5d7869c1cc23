"""The only writer to the terminal: lines, tables, JSON, progress, questions, and the text of every error."""

from __future__ import annotations

import errno
import json
import sys
import time
import traceback
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

import click

from garret.errors import GarretError, Interrupted, OperationError, UsageError

NAME_WIDTH = 24
BAR_WIDTH = 30
_MARKS = {"running": "…", "done": "✓", "skipped": "-", "failed": "✗"}
_COLOURS = {"done": "green", "failed": "red", "skipped": "yellow"}


class Console:
    """Speaks to a person on `out` and `err`; with `as_json`, `out` carries one JSON document and nothing else."""

    def __init__(
        self, *, as_json: bool = False, debug: bool = False, out: TextIO | None = None, err: TextIO | None = None
    ) -> None:
        self.as_json = as_json
        self.debug = debug
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        self._started = time.monotonic()
        self._bar_shown = False

    def say(self, text: str = "") -> None:
        """Write a line for people; where a program reads, it goes beside the JSON."""
        self._end_bar()
        click.echo(text, file=self._err if self.as_json else self._out)

    def note(self, text: str) -> None:
        """Write a line that is not part of the answer."""
        self._end_bar()
        click.echo(text, file=self._err)

    def json(self, value: object) -> None:
        """Write the answer for programs."""
        click.echo(json.dumps(value, indent=2, ensure_ascii=False), file=self._out)

    def answer(self, value: object, lines: Iterable[str]) -> None:
        """Write the answer in the form that was asked for."""
        if self.as_json:
            self.json(value)
            return
        for line in lines:
            self.say(line)

    def stage(self, name: str, state: str, detail: str = "", seconds: float | None = None) -> None:
        """Write that a stage runs, is done, was skipped or failed, with the time since the command began."""
        since = f"[{time.monotonic() - self._started:6.1f} s]"
        mark = click.style(_MARKS.get(state, "·"), fg=_COLOURS.get(state))
        took = f"  {seconds:.1f} s" if seconds is not None and seconds >= 0.05 else ""
        self.say(f"{since} {mark} {name:<{NAME_WIDTH}}{took}{'  ' + detail if detail else ''}".rstrip())

    def progress(self, label: str, done: int, total: int | None) -> None:
        """Draw how many bytes are done; on anything but a terminal, say nothing: the stage that ends it does."""
        if not self._err.isatty():
            return
        size = f"{_size(done)} of {_size(total)}" if total else _size(done)
        filled = int(BAR_WIDTH * min(1.0, done / total)) if total else 0
        bar = f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}] " if total else ""
        click.echo(f"\r{label} {bar}{size}\x1b[K", file=self._err, nl=False)
        self._bar_shown = True

    def share(self, label: str, share: float, detail: str = "") -> None:
        """Draw how much of something is done, 0 to 1, and where it is; off a terminal, nothing."""
        if not self._err.isatty():
            return
        filled = int(BAR_WIDTH * min(1.0, max(0.0, share)))
        bar = f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}]"
        click.echo(f"\r{label} {bar} {detail}\x1b[K", file=self._err, nl=False)
        self._bar_shown = True

    def waiting(self, label: str, seconds: float) -> None:
        """Draw for how long something has been going on of which nobody knows the end; off a terminal, nothing."""
        if not self._err.isatty():
            return
        filled = int(seconds) % (BAR_WIDTH - 2)
        bar = f"[{'.' * filled}###{'.' * (BAR_WIDTH - 3 - filled)}]"
        click.echo(f"\r{label} {bar} {seconds:.0f} s\x1b[K", file=self._err, nl=False)
        self._bar_shown = True

    def confirm(self, question: str) -> bool:
        """Ask for a yes; nobody at the terminal means no."""
        if not sys.stdin.isatty():
            raise UsageError("nobody is there to say yes", "say --yes when that is meant")
        return click.confirm(question, default=False, err=True)

    def ask_for(self, question: str) -> str:
        """Ask for a word; nobody at the terminal means it was not given."""
        if not sys.stdin.isatty():
            raise UsageError("nobody is there to answer", "say --yes when that is meant")
        return str(click.prompt(question, default="", show_default=False, err=True))

    def error(self, error: BaseException) -> int:
        """Write what went wrong, and return the exit code for it."""
        self._end_bar()
        known = as_garret_error(error)
        if self.as_json:
            self.json(known.to_dict())
        for line in error_lines(known):
            self.note(line)
        if self.debug:
            self.note("".join(traceback.format_exception(error)).rstrip())
        elif type(known) is OperationError and known is not error and not isinstance(error, OSError):
            self.note("        the traceback: the same command with --debug")
        return known.exit_code

    @property
    def draws(self) -> bool:
        """Say whether somebody sits before a terminal and sees what is drawn."""
        return self._err.isatty()

    def _end_bar(self) -> None:
        if self._bar_shown:
            click.echo(file=self._err)
            self._bar_shown = False


def error_lines(error: GarretError) -> list[str]:
    """The text of an error: what failed and why · what is billed now · what to type next."""
    first = "" if error.exit_code == 0 else click.style("error: ", fg="red")
    lines = [f"{first}{error.message}"]
    tail = getattr(error, "log_tail", "")
    lines += [f"        | {line}" for line in tail.splitlines()]
    if error.billed:
        lines.append(f"billed: {error.billed}")
    if error.hint:
        lines.append(f"next:   {error.hint}")
    return lines


def as_garret_error(error: BaseException) -> GarretError:
    """Any exception as one of ours."""
    if isinstance(error, GarretError):
        return error
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return Interrupted("interrupted", "see what there is with: garret status")
    if isinstance(error, click.ClickException):
        return UsageError(error.format_message(), _usage_hint(error))
    if isinstance(error, OSError):
        return _from_os(error)
    return OperationError(f"a fault in garret itself: {type(error).__name__}: {error}", "please report it")


def rows(table: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table whose columns are as wide as their widest cell."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))] if table else []
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]


def fields(values: Mapping[str, Any]) -> list[str]:
    """Lines of a name and its value; what has no value is left out."""
    return [f"{name:<10} {value}" for name, value in values.items() if value not in (None, "")]


def price_text(price: Mapping[str, Any] | None) -> str:
    """A price in words."""
    if not price:
        return "the cloud does not say"
    mark = " (made-up price of the local cloud)" if price["made_up"] else ""
    return f"{price['amount']:.2f} {price['currency']} per hour{mark}"


def month_text(price: Mapping[str, Any] | None) -> str:
    """A price per month in words; empty where nobody knows it."""
    if not price:
        return ""
    mark = " (made-up prices of the local cloud)" if price["made_up"] else ""
    return f"{price['amount']:.2f} {price['currency']} per month{mark}"


def _from_os(error: OSError) -> GarretError:
    where = f"{error.filename}: " if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OperationError(
            f"{where}no space is left on the disk", "free some space, or set GARRET_HOME to a folder on another disk"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OperationError(f"{where}{error.strerror}", "set GARRET_HOME to a folder that you may write to")
    return OperationError(f"{where}{error.strerror or error}", "type the same again with --debug to see where")


def _usage_hint(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return f"{context.command_path} --help" if context else "garret --help"


def _size(count: int | None) -> str:
    value = float(count or 0)
    for unit in ("B", "KB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}"
        value /= 1000
    return f"{value:.2f} GB"
