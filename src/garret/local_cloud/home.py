"""Where a local cloud lives on disk, and the record that says how to reach it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path


@dataclass(frozen=True)
class Home:
    """The files of one local cloud below GARRET_HOME."""

    root: Path

    @property
    def folder(self) -> Path:
        """All of the local cloud's files."""
        return self.root / "local-cloud"

    @property
    def record(self) -> Path:
        """How to reach the server: 0600, for it holds the secret."""
        return self.folder / "cloud.json"

    @property
    def database(self) -> Path:
        """The store."""
        return self.folder / "cloud.sqlite"

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.folder / "cloud.log"

    @property
    def nodes(self) -> Path:
        """A folder per node."""
        return self.folder / "nodes"

    def make(self) -> None:
        """Make the folders, readable by their owner only."""
        for folder in (self.root, self.folder, self.nodes):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def private(path: Path) -> Path:
    """The same path, where there is now a file that only its owner reads (0600)."""
    handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        os.fchmod(handle, 0o600)  # also one of an earlier version
    finally:
        os.close(handle)
    return path


@dataclass(frozen=True)
class CloudFile:
    """What cloud.json holds; `pid` 0 when no server was started yet, `since` tells it from a later one's number."""

    endpoint: str
    port: int
    pid: int
    since: str
    access_key_id: str
    access_key_secret: str
    started: str


def new_cloud_file() -> CloudFile:
    """A record with keys of its own, of a form that nobody takes for the vendor's."""
    import secrets

    key, secret = f"LOCAL-CLOUD-{secrets.token_hex(6)}", f"local-cloud-only-{secrets.token_hex(16)}"
    return CloudFile("", 0, 0, "", key, secret, "")


def read_cloud_file(home: Home) -> CloudFile | None:
    """The record, or None when there is none or it cannot be read."""
    try:
        known = json.loads(home.record.read_text("utf-8"))
        return CloudFile(**{field.name: known[field.name] for field in fields(CloudFile)})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_cloud_file(home: Home, record: CloudFile) -> None:
    """Write the record as a whole or not at all, 0600; OSError, with the record's path, when there is no room."""
    import tempfile

    handle, name = tempfile.mkstemp(dir=home.folder, prefix=".cloud.", suffix=".json")  # mkstemp makes it 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(record), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(home.record)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(home.record)) from error
