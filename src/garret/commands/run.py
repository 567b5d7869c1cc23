"""`garret ops run`."""

from __future__ import annotations

import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import click

from garret.commands.door import Caller, cloud_options, name_option
from garret.commands.operate import begun, carry_out, no_wait_option
from garret.console import Console

EPILOG = """\b
Examples:
  garret ops run -- nvidia-smi
  garret ops run -- sh -c 'df -h /home/models; free -m'
  garret ops run --timeout 3600 --name my-pictures -- du -sh /home/models

Output, errors and exit code are the command's own; 124 when it took too long. It runs as root, through Cloud
Assistant: no port is opened and no key is needed. Ctrl-C ends the looking only; to end it: garret ops executions
cancel. What you type is kept in the execution's record and by the cloud: put no secret there.
"""
EVERY_S = 0.1


class Beside(Console):
    """Tells how far it is to a terminal, beside the output, which is the command's own; to a program, nothing."""

    def say(self, text: str = "") -> None:
        """A line beside the output."""
        if sys.stderr.isatty():
            self.note(text)


@click.command(epilog=EPILOG, context_settings={"ignore_unknown_options": True})
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("--timeout", "timeout_s", type=click.IntRange(1, 86_400), default=600, show_default=True,
              help="Seconds after which it is ended.")  # fmt: skip
@no_wait_option
@name_option
@cloud_options
def run(caller: Caller, command: tuple[str, ...], timeout_s: int, no_wait: bool, name: str | None) -> int:
    """Run one command on the node; its output and exit code become this command's own."""
    from garret.ops.run_command import FOLDER

    one = caller.there(name)
    request = uuid.uuid4().hex
    wanted = {"argv": list(command), "timeout_s": timeout_s, "request": request}
    if no_wait:
        return begun(caller, carry_out(caller, "run", one, wanted, wait=False))
    if caller.console.as_json:
        facts = carry_out(caller, "run", one, wanted)
        caller.console.json(facts)
    else:
        folder = one.journal.folder / FOLDER
        with (
            _repeated(folder / f"{request}.out", sys.stdout.buffer),
            _repeated(folder / f"{request}.err", sys.stderr.buffer),
        ):
            facts = carry_out(replace(caller, console=Beside(debug=caller.console.debug)), "run", one, wanted)
        _remarks(caller, facts, timeout_s)
    return int(facts["exit_code"] if facts["exit_code"] is not None else 1)


def _remarks(caller: Caller, facts: dict[str, object], timeout_s: int) -> None:
    if facts["timed_out"]:
        caller.console.note(f"it was ended after {timeout_s} s; longer with --timeout")
    elif facts["note"]:
        caller.console.note(str(facts["note"]))
    if facts["dropped_bytes"]:
        caller.console.note(f"{facts['dropped_bytes']} bytes of output were dropped: too many for one command")


@contextmanager
def _repeated(path: Path, sink: BinaryIO) -> Iterator[None]:
    """Write to the sink what comes into a file, as it comes."""
    ended = threading.Event()
    thread = threading.Thread(target=_repeat, args=(path, sink, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _repeat(path: Path, sink: BinaryIO, ended: threading.Event) -> None:
    offset = 0
    while True:
        last = ended.wait(EVERY_S)
        if path.exists():
            with path.open("rb") as file:
                file.seek(offset)
                while piece := file.read(1 << 16):
                    offset += len(piece)
                    sink.write(piece)
            sink.flush()
        if last:
            return
