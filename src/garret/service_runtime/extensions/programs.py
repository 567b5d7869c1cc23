"""git and pip, run without a terminal, a home of their own and with an end; what they say becomes a person's reason."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

_LOOK_EVERY_S = 0.1


class ProgramFailed(Exception):
    """A program could not be started, took too long, or ended with an error; `said` is the end of its words."""

    def __init__(self, program: str, reason: str, said: str = "") -> None:
        super().__init__(f"{program} {reason}")
        self.said = said


def run_program(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    limit_s: float,
    *,
    look: Callable[[], None] = lambda: None,
    given: bytes = b"",
) -> str:
    """Run a program in a folder to its end and return its output; `look` is called meanwhile and may raise."""
    name = Path(command[0]).name
    home = folder / ".home"
    home.mkdir(exist_ok=True)
    whole = {**os.environ, **environment, "HOME": str(home), "XDG_CONFIG_HOME": str(home), "TMPDIR": str(home)}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as told:
        told.write(given)
        told.seek(0)
        try:
            process = subprocess.Popen(
                list(command), cwd=folder, env=whole, stdin=told, stdout=out, stderr=said, start_new_session=True
            )
        except FileNotFoundError:
            raise ProgramFailed(name, "is not on this node") from None
        try:
            deadline = time.monotonic() + limit_s
            while process.poll() is None:
                look()
                if time.monotonic() > deadline:
                    raise ProgramFailed(name, f"did not end within {limit_s:g} s", _end(said))
                time.sleep(_LOOK_EVERY_S)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if process.returncode != 0:
            raise ProgramFailed(name, f"ended with {process.returncode}", _end(said) or _end(out))
        out.seek(0)
        return out.read().decode("utf-8", "replace")


def _end(file: IO[bytes], size: int = 4000) -> str:
    file.seek(0, os.SEEK_END)
    file.seek(max(0, file.tell() - size))
    return file.read().decode("utf-8", "replace").strip()
