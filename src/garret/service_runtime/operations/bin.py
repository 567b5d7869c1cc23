"""Where removed models lie until they are restored or too old: a hidden folder beside them, one folder for each.

A removed model is moved within its file system, which takes no time and no room; it frees its room when it is purged.
"""

from __future__ import annotations

import json
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from garret.service_runtime.files import flush_folder, write_atomically

FOLDER = ".bin"
KEPT_S = 14 * 86_400.0
"""How long a removed model is kept."""
_RECORD = "record.json"


@dataclass(frozen=True)
class Removed:
    """One removed model: `folder` is where it lay below the root, `files` the model first; `removed_at` in seconds."""

    id: str
    name: str
    type: str
    folder: str
    files: tuple[str, ...]
    size: int
    sha256: str
    family: str
    removed_at: float
    removed_by: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return what a person wants to know of it."""
        facts = asdict(self) | {"files": list(self.files)}
        return facts | {"removed_at": _text(self.removed_at), "kept_until": _text(self.removed_at + KEPT_S)}


class Bin:
    """The removed models below one root."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root / FOLDER

    def all(self) -> list[Removed]:
        """Return what is in it, the newest first; a removal that a power cut stopped at its record is none."""
        found = [one for one in self._records() if (self._folder / one.id / one.files[0]).exists()]
        return sorted(found, key=lambda one: one.removed_at, reverse=True)

    def put(self, files: list[Path], facts: dict[str, Any]) -> Removed:
        """Move a model and what belongs to it here; `facts` are the record's other fields."""
        identifier = secrets.token_hex(6)
        folder = files[0].parent.relative_to(self._root).as_posix()
        names = tuple(file.name for file in files)
        one = Removed(id=identifier, folder=folder, files=names, removed_at=time.time(), **facts)
        place = self._folder / identifier
        place.mkdir(parents=True, mode=0o750)
        write_atomically(place / _RECORD, json.dumps(asdict(one), ensure_ascii=False).encode(), 0o640)
        for file in files:
            # The model goes first: cut off here, it is in the bin, and its picture waits for it where it belongs.
            file.rename(place / file.name)
        flush_folder(place)
        flush_folder(files[0].parent)
        return one

    def restore(self, one: Removed) -> Path:
        """Move a model back to where it lay; FileExistsError when another file has its name by now."""
        place, target = self._folder / one.id, self._root / one.folder
        target.mkdir(parents=True, exist_ok=True)
        # The model comes last: cut off here, the same command goes on.
        for name in reversed(one.files):
            if not (place / name).exists():
                continue
            if (target / name).exists():
                if name == one.files[0]:
                    raise FileExistsError(target / name)
                continue
            (place / name).rename(target / name)
        flush_folder(target)
        self.forget(one)
        return target / one.files[0]

    def forget(self, one: Removed) -> None:
        """Delete a model for good."""
        shutil.rmtree(self._folder / one.id, ignore_errors=True)

    def purge(self, older_than_s: float = KEPT_S) -> list[Removed]:
        """Delete for good what has been here too long."""
        old = [one for one in self._records() if time.time() - one.removed_at > older_than_s]
        for one in old:
            self.forget(one)
        return old

    def file_of(self, sha256: str) -> Path | None:
        """Return the file of a removed model that has a hash."""
        for one in self.all():
            path = self._folder / one.id / one.files[0]
            if one.sha256 == sha256 and path.is_file():
                return path
        return None

    def _records(self) -> Iterator[Removed]:
        for path in self._folder.glob(f"*/{_RECORD}"):
            with suppress(OSError, ValueError, TypeError, KeyError):
                values = json.loads(path.read_text("utf-8"))
                yield Removed(**{**values, "files": tuple(values["files"])})


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
