"""What only this machine knows of a deployment: a journal that survives kill -9, a lock, and the secrets file."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from garret.errors import OperationError

ENDS = ("deleted", "abandoned")
"""Entries that close a deployment; what follows is a new one."""


@dataclass(frozen=True)
class Journal:
    """The folder of one deployment: deployments/<cloud>/<name>."""

    folder: Path

    @property
    def path(self) -> Path:
        """One JSON object a line, appended and fsynced before what it announces is done."""
        return self.folder / "journal.jsonl"

    def append(self, event: str, **values: Any) -> None:
        """Write one line and have it on the disk before going on."""
        self._make_folder()
        line = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **values}
        fresh = not self.path.exists()
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            data = (json.dumps(line, ensure_ascii=False) + "\n").encode("utf-8")
            if self._torn():
                data = b"\n" + data
            _write_all(descriptor, data)
            os.fsync(descriptor)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from None
        finally:
            os.close(descriptor)
        if fresh:
            _sync_folder(self.folder)

    def history(self) -> list[dict[str, Any]]:
        """All lines, oldest first, also of deployments of this name that ended; a torn line is left out."""
        if not self.path.exists():
            return []
        found: list[dict[str, Any]] = []
        for text in self.path.read_text("utf-8", "replace").splitlines():
            with suppress(ValueError):
                entry = json.loads(text)
                if isinstance(entry, dict) and "event" in entry:
                    found.append(entry)
        return found

    def entries(self) -> list[dict[str, Any]]:
        """The lines of the deployment that is open, oldest first; a torn last line is as if it had not been written."""
        found = self.history()
        ends = [number for number, entry in enumerate(found) if entry["event"] in ENDS]
        return found[ends[-1] + 1 :] if ends else found

    def last(self, event: str) -> dict[str, Any] | None:
        """The newest line of this kind of the deployment that is open."""
        return next((entry for entry in reversed(self.entries()) if entry["event"] == event), None)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the deployment for one writing command at a time.

        Raises:
            OperationError: another one holds it.
        """
        self._make_folder()
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
                raise OperationError(
                    f"another garret is at work on {self.folder.name} (process {holder})",
                    f"wait for it: garret ops executions shows what runs; or: garret status {self.folder.name}",
                ) from None
            with suppress(OSError):  # a full disk: the lock holds without its holder's number
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, str(os.getpid()).encode("ascii"), 0)
            yield
        finally:
            os.close(descriptor)

    def write_private(self, name: str, data: bytes) -> Path:
        """Write a file that only its owner reads; it appears whole or not at all."""
        self._make_folder()
        return write_atomic(self.folder / name, data, 0o600)

    def read_private(self, name: str) -> bytes | None:
        """Read such a file; None when there is none."""
        path = self.folder / name
        return path.read_bytes() if path.exists() else None

    def forget(self, *names: str) -> None:
        """Remove files; those that are not there are fine."""
        for name in names:
            (self.folder / name).unlink(missing_ok=True)

    def _make_folder(self) -> None:
        for folder in (*reversed(self.folder.parents), self.folder):
            if not folder.exists():  # one by one: mkdir(parents=True) gives its mode to the last one only
                folder.mkdir(exist_ok=True, mode=0o700)

    def _torn(self) -> bool:
        if not self.path.exists() or not self.path.stat().st_size:
            return False
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"


def journals(folder: Path) -> list[Journal]:
    """The journals below deployments/<cloud>, by name."""
    if not folder.is_dir():
        return []
    return [Journal(path) for path in sorted(folder.iterdir()) if (path / "journal.jsonl").exists()]


def write_atomic(path: Path, data: bytes, mode: int) -> Path:
    """Write a file so that a reader, also after a crash, sees the old one or the new one.

    What is no file, as /dev/null, is written into: root would else put a file in a device's place.
    """
    if path.exists() and not path.is_file():
        with path.open("wb") as into:
            into.write(data)
        return path
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        try:
            _write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from None
    _sync_folder(path.parent)
    return path


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
