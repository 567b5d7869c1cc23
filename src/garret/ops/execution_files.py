"""Executions on this machine's disk: a record, a lock while somebody is at it, a word to stop, and what was said."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from garret.errors import UsageError
from garret.ops.execution import FAILED, HERE, IDENTIFIER, Execution
from garret.ops.journal import write_atomic

FOLDER = "executions"
KEPT = 200
"""So many ended executions of a deployment are remembered."""
DIED = "died"


@dataclass(frozen=True)
class ExecutionFiles:
    """The folder deployments/<cloud>/<name>/executions: files named by the execution's id."""

    folder: Path

    def save(self, execution: Execution) -> Execution:
        """Write a record so that a reader sees the old one or the new one."""
        self._make_folder()
        text = json.dumps(execution.to_dict(), ensure_ascii=False, indent=1)
        write_atomic(self._path(execution.id, "json"), text.encode("utf-8", "backslashreplace"), 0o600)
        return execution

    def read(self, identifier: str) -> Execution:
        """The record as it was written last.

        Raises:
            UsageError: there is none.
        """
        try:
            return Execution.from_dict(json.loads(self._path(identifier, "json").read_text("utf-8")))
        except (OSError, ValueError, TypeError, AttributeError):
            raise unknown(identifier) from None

    def exists(self, identifier: str) -> bool:
        """Say whether there is a record."""
        return self._path(identifier, "json").exists()

    def get(self, identifier: str) -> Execution:
        """The record as it is: one whose process has gone in its middle says so, and can be taken up."""
        found = self.read(identifier)
        if found.ended or found.place != HERE or self.held(identifier):
            return found
        found = self.read(identifier)  # it may have ended between the first look and the second
        return found if found.ended else replace(found, status=FAILED, error=_died(found))

    def all(self) -> list[Execution]:
        """All records, the newest first."""
        names = [path.stem for path in self.folder.glob("*.json") if IDENTIFIER.fullmatch(path.stem)]
        found = []
        for name in names:
            with suppress(UsageError):
                found.append(self.get(name))
        return sorted(found, key=lambda one: one.created_at, reverse=True)

    def seal(self, identifier: str) -> int | None:
        """Take an execution's lock, which whoever inherits the descriptor holds on; None when another has it."""
        self._make_folder()
        descriptor = os.open(self._path(identifier, "lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return None
        return descriptor

    def held(self, identifier: str) -> bool:
        """Say whether a process is at it."""
        path = self._path(identifier, "lock")
        if not path.exists():
            return False
        with path.open("rb") as file:
            try:
                # A shared lock: two who only look do not take each other for the one who works.
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return True
        return False

    @contextmanager
    def gate(self) -> Iterator[None]:
        """Let one command at a time decide whether to begin."""
        self._make_folder()
        descriptor = os.open(self.folder / "gate", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def ask_to_cancel(self, identifier: str) -> None:
        """Leave word for the process that is at it."""
        self._path(identifier, "cancel").touch(mode=0o600)

    def asked_to_cancel(self, identifier: str) -> bool:
        """Say whether somebody left word to stop."""
        return self._path(identifier, "cancel").exists()

    def forget_cancel(self, identifier: str) -> None:
        """Take that word back: it was for a run that is over."""
        self._path(identifier, "cancel").unlink(missing_ok=True)

    def say(self, identifier: str, what: str, *values: Any) -> None:
        """Append what is told to people who look on."""
        line = json.dumps({"at": time.time(), "what": what, "values": values}, ensure_ascii=False)
        descriptor = os.open(self._path(identifier, "said"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, (line + "\n").encode("utf-8", "backslashreplace"))
        finally:
            os.close(descriptor)

    def said(self, identifier: str, offset: int) -> tuple[list[dict[str, Any]], int]:
        """What was told from a byte on, and where to read on from."""
        try:
            with self._path(identifier, "said").open("rb") as file:
                file.seek(offset)
                data = file.read()
        except OSError:
            return [], offset
        whole = data[: data.rfind(b"\n") + 1]
        lines = []
        for line in whole.splitlines():
            with suppress(ValueError):
                lines.append(json.loads(line))
        return lines, offset + len(whole)

    def log(self, identifier: str) -> Path:
        """Where the process that is at it writes what nobody expected."""
        return self._path(identifier, "log")

    def tidy(self) -> None:
        """Forget the oldest that have ended."""
        for old in [one for one in self.all() if one.ended][KEPT:]:
            for path in self.folder.glob(f"{old.id}.*"):
                path.unlink(missing_ok=True)

    def _make_folder(self) -> None:
        for folder in (*reversed(self.folder.parents), self.folder):
            if not folder.exists():  # one by one: mkdir(parents=True) gives its mode to the last one only
                folder.mkdir(exist_ok=True, mode=0o700)

    def _path(self, identifier: str, ending: str) -> Path:
        if not IDENTIFIER.fullmatch(identifier):
            raise unknown(identifier)
        return self.folder / f"{identifier}.{ending}"


def unknown(identifier: str) -> UsageError:
    """What is said of an id that nobody knows."""
    return UsageError(f"there is no execution {identifier[:64]!r}", "garret ops executions")


def find_files(home: Path, identifier: str) -> ExecutionFiles:
    """The folder in which an execution is, of whatever deployment on whatever cloud.

    Raises:
        UsageError: there is none of this id.
    """
    if IDENTIFIER.fullmatch(identifier):
        for path in home.glob(f"deployments/*/*/{FOLDER}/{identifier}.json"):
            return ExecutionFiles(path.parent)
    raise unknown(identifier)


def _died(execution: Execution) -> dict[str, Any]:
    if execution.once and not execution.needs:
        hint = f"garret ops executions wait {execution.id}   (goes on where it broke off)"
    else:
        hint = f"garret ops {execution.verb} …   (the same command again)"
    message = f"the process that carried out {execution.verb} has ended in its middle"
    return {"type": "OperationError", "message": message, "hint": hint, "died": True}
