"""Which extensions are installed: one record each below the service's state, the code below the extensions' folder."""

from __future__ import annotations

import fcntl
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from garret.service_runtime.files import write_atomically
from garret.service_runtime.settings import ServiceSettings

ENABLED, DISABLED = "enabled", "disabled"
NEW, TRIED, PROVEN = "new", "tried", ""
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Extension:
    """One installed extension; `folder` and `paths` are relative to the extensions' folder and to `folder`.

    `trial` is "new" until the service first starts with it, "tried" until that start was ready, then empty.
    `failure` says which version was rolled back and why; `previous` is what a roll-back puts back.
    """

    name: str
    version: str
    source: str
    digest: str
    folder: str
    paths: tuple[str, ...]
    entry_points: dict[str, str]
    hooks: tuple[str, ...]
    installed_at: str
    state: str = ENABLED
    trial: str = NEW
    failure: dict[str, str] | None = None
    previous: dict[str, Any] | None = None
    requires: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON values."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in vars(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Extension:
        """Read what `to_dict` wrote."""
        known = {entry.name for entry in fields(cls)}
        kept: dict[str, Any] = {key: value for key, value in values.items() if key in known}
        for key in ("paths", "hooks", "requires"):
            kept[key] = tuple(kept.get(key) or ())
        return cls(**kept)

    @property
    def is_on(self) -> bool:
        """Say whether the service loads it."""
        return self.state == ENABLED

    def has_failed(self, digest: str) -> bool:
        """Say whether this very code was tried and rolled back."""
        return self.failure is not None and self.failure.get("digest") == digest

    def rolled_back(self, reason: str) -> Extension:
        """Return what is left when this one is taken back: the version before it, else itself, off."""
        failure = {"version": self.version, "digest": self.digest, "reason": reason[-2000:]}
        if self.previous is not None:
            return replace(Extension.from_dict(self.previous), failure=failure)
        return replace(self, state=DISABLED, trial=PROVEN, failure=failure)


class UnknownExtension(Exception):
    """There is no extension of this name."""


class Registry:
    """The records; whoever changes one holds the lock."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.code = settings.extensions_dir
        self.folder = settings.state_dir / "extensions"
        # How many starts in a row were never ready.
        self.starts = self.folder / ".starts"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep others from changing records."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        with (self.folder / ".lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def all(self) -> list[Extension]:
        """Return all records by name; one that cannot be read is left out."""
        if not self.folder.is_dir():
            return []
        found = [self._read(path) for path in sorted(self.folder.glob("*.json"))]
        return [one for one in found if one is not None]

    def get(self, name: str) -> Extension:
        """Return one record."""
        found = self._read(self.folder / f"{name}.json") if NAME.fullmatch(name) else None
        if found is None:
            raise UnknownExtension(f"there is no extension {name[:64]!r}")
        return found

    def find(self, name: str) -> Extension | None:
        """Return one record, or None."""
        try:
            return self.get(name)
        except UnknownExtension:
            return None

    def save(self, extension: Extension) -> Extension:
        """Write a record and return it."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        text = json.dumps(extension.to_dict(), ensure_ascii=False, indent=1)
        write_atomically(self.folder / f"{extension.name}.json", text.encode("utf-8", "backslashreplace"), 0o640)
        return extension

    def roll_back(self, name: str, digest: str, reason: str) -> None:
        """Take this code of an extension back, unless that was done already."""
        with self.locked():
            known = self.find(name)
            if known is not None and known.digest == digest and known.is_on:
                self.save(known.rolled_back(reason))

    def remove(self, name: str) -> None:
        """Forget an extension and delete its code."""
        with self.locked():
            self.get(name)
            (self.folder / f"{name}.json").unlink(missing_ok=True)
        shutil.rmtree(self.code / name, ignore_errors=True)

    def prune(self, extension: Extension) -> None:
        """Delete code of this extension that no record needs any more."""
        needed = {extension.folder, (extension.previous or {}).get("folder")}
        home = self.code / extension.name
        for folder in home.iterdir() if home.is_dir() else ():
            if str(folder.relative_to(self.code)) not in needed:
                shutil.rmtree(folder, ignore_errors=True)

    def strangers(self) -> list[str]:
        """Return folders that nobody installed by the operation: never loaded, only told of."""
        known = {extension.name for extension in self.all()}
        found = self.code.iterdir() if self.code.is_dir() else ()
        return sorted(path.name for path in found if path.name not in known and not path.name.startswith("."))

    def _read(self, path: Path) -> Extension | None:
        try:
            return Extension.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, AttributeError):
            return None
