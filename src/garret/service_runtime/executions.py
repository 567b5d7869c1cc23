"""Long work as records on the disk: who asked for what, how far it is, how it ended; they outlive whoever asked."""

from __future__ import annotations

import fcntl
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from garret.service_runtime.files import write_atomically

STARTED, QUEUED, RUNNING = "Started", "Queued", "Running"
SUCCESS, FAILED, CANCELLED = "Success", "Failed", "Cancelled"
ENDED = (SUCCESS, FAILED, CANCELLED)
IDENTIFIER = re.compile(r"[0-9a-f]{32}")
SILENT_S = 6 * 3600.0
"""An operation that has said nothing for so long hangs."""
# How long a record may say Started before the process that should run it must hold its lock.
_GRACE_S = 20.0


def now() -> str:
    """Return the time as ISO 8601 text in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class Execution:
    """One operation's run; progress counts bytes."""

    id: str
    verb: str
    requested_by: str = ""
    status: str = STARTED
    created_at: str = field(default_factory=now)
    started_at: str | None = None
    ended_at: str | None = None
    progress: dict[str, int | None] = field(default_factory=lambda: {"done": 0, "total": None})
    tasks: tuple[dict[str, Any], ...] = ()
    output: dict[str, Any] = field(default_factory=dict)
    error: dict[str, str] | None = None
    subject: dict[str, str] = field(default_factory=dict)
    """What it is about, as far as its verb says so: of a download type, name and source."""

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON values."""
        return {**vars(self), "tasks": list(self.tasks)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Execution:
        """Read what `to_dict` wrote."""
        return cls(**{**values, "tasks": tuple(values["tasks"])})


class UnknownExecution(Exception):
    """There is no execution of this id."""


class ExecutionStore:
    """The folder of records, one file each, written atomically."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def save(self, execution: Execution) -> Execution:
        """Write a record and return it."""
        text = json.dumps(execution.to_dict(), ensure_ascii=False, indent=1)
        write_atomically(self._path(execution.id), text.encode("utf-8", "backslashreplace"), 0o640)
        return execution

    def get(self, identifier: str) -> Execution:
        """Return a record; one whose process has gone is marked as failed first."""
        execution = self._read(identifier)
        if execution.status in ENDED or self._is_young(execution):
            return execution
        with self.held(identifier) as free:
            # Read again: the process may have ended well between the first look and the lock.
            execution = self._read(identifier)
            if not free or execution.status in ENDED:
                return execution
            error = {
                "message": "the process that ran it has ended",
                "hint": "Give the command again: a download goes on where it broke off",
            }
            ended = replace(execution, status=FAILED, ended_at=now(), error=error)
            # On a full disk, which may be what it died of, it has ended all the same.
            with suppress(OSError):
                self.save(ended)
            return ended

    def all(self) -> list[Execution]:
        """Return all records, newest first."""
        names = [path.stem for path in self.folder.glob("*.json") if IDENTIFIER.fullmatch(path.stem)]
        found = []
        for name in names:
            with suppress(UnknownExecution):  # one record that cannot be read hides no other
                found.append(self.get(name))
        return sorted(found, key=lambda execution: execution.created_at, reverse=True)

    def running(self) -> list[str]:
        """Return the verbs of those that run, but for what hangs: that must not keep a GPU."""
        return [one.verb for one in self.all() if one.status not in ENDED and self._silent_s(one.id) < SILENT_S]

    def exists(self, identifier: str) -> bool:
        """Say whether there is a record."""
        return self._path(identifier).exists()

    def ask_to_cancel(self, identifier: str) -> None:
        """Leave word for the running process."""
        self._cancel_path(identifier).touch()

    def asked_to_cancel(self, identifier: str) -> bool:
        """Say whether somebody left word to stop."""
        return self._cancel_path(identifier).exists()

    @contextmanager
    def held(self, identifier: str, patience_s: float = 0.0) -> Iterator[bool]:
        """Hold an execution's lock while it runs; False when another process has it, and goes on having it."""
        deadline = time.monotonic() + patience_s
        with self._lock_path(identifier).open("a") as file:
            while not _lock(file):
                if time.monotonic() >= deadline:
                    yield False
                    return
                time.sleep(0.02)
            yield True

    def log_path(self, identifier: str) -> Path:
        """Return where the process that runs an execution writes what it says."""
        return self.folder / f"{_checked(identifier)}.log"

    def _silent_s(self, identifier: str) -> float:
        """Return how many seconds ago a record was written last."""
        try:
            return max(0.0, time.time() - self._path(identifier).stat().st_mtime)
        except OSError:
            return 0.0

    def _read(self, identifier: str) -> Execution:
        try:
            return Execution.from_dict(json.loads(self._path(identifier).read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError):
            raise UnknownExecution(f"there is no execution {identifier[:64]!r}") from None

    def _is_young(self, execution: Execution) -> bool:
        return execution.status == STARTED and time.time() - self._path(execution.id).stat().st_mtime < _GRACE_S

    def _path(self, identifier: str) -> Path:
        return self.folder / f"{_checked(identifier)}.json"

    def _lock_path(self, identifier: str) -> Path:
        return self.folder / f"{_checked(identifier)}.lock"

    def _cancel_path(self, identifier: str) -> Path:
        return self.folder / f"{_checked(identifier)}.cancel"


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _checked(identifier: str) -> str:
    if not IDENTIFIER.fullmatch(identifier):
        raise UnknownExecution(f"{identifier[:64]!r} is not the id of an execution: 32 characters of 0-9 and a-f")
    return identifier
