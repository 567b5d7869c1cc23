"""Files that are on this node already, told by their hashes: what is there is not fetched again, nor stored twice."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

from garret.service_runtime.files import PART, flush_folder
from garret.service_runtime.model_files import suffixes_of
from garret.service_runtime.models import HashCache, Models, sha256_of
from garret.service_runtime.names import BadName, model_file_name
from garret.service_runtime.operations.bin import Bin
from garret.service_runtime.settings import ServiceSettings
from garret.service_runtime.transfer import DownloadError, Fetched, Wanted, note_path


def registry(settings: ServiceSettings, hashes: HashCache) -> Models:
    """Return the models as the service sees them."""
    return Models(settings.models_dir, settings.config_dir, hashes, settings.default_checkpoint)


def already_there(settings: ServiceSettings, wanted: Wanted) -> Fetched | None:
    """Return a file that has the wanted hash: in the wanted folder, in any other, else one that was removed lately."""
    digest = wanted.sha256.lower()
    if not digest:
        return None
    with closing(HashCache(settings.state_dir / "models.sqlite")) as hashes:
        models = registry(settings, hashes)
        models.hash_all()
        same = [model for model in models.all() if model.sha256 == digest]
    same.sort(key=lambda model: model.path.parent != wanted.folder)
    if same:
        return Fetched(same[0].path, digest, same[0].size, 0)
    removed = Bin(settings.models_dir).file_of(digest)
    return Fetched(removed, digest, removed.stat().st_size, 0) if removed else None


def store_once(settings: ServiceSettings, fetched: Fetched) -> None:
    """Where another model turns out to be the same file, let both names mean one: it is kept once."""
    with closing(HashCache(settings.state_dir / "models.sqlite")) as hashes:
        same = [one.path for one in registry(settings, hashes).all() if one.sha256 == fetched.sha256]
    other = next((path for path in same if path != fetched.path and not path.samefile(fetched.path)), None)
    if other is None or other.stat().st_size != fetched.size:
        return
    # Only where the file system takes links: a second copy is no better than the one that is there.
    link = fetched.path.with_name(f".{fetched.path.name}.link{PART}")
    with suppress(OSError):
        link.unlink(missing_ok=True)
        link.hardlink_to(other)
        link.replace(fetched.path)
        flush_folder(fetched.path.parent)


def under_name(found: Fetched, wanted: Wanted) -> Fetched:
    """Give a file that is there elsewhere the wanted folder and name as well."""
    if found.path.parent == wanted.folder and not wanted.name:
        return found
    try:
        target = wanted.folder / model_file_name(wanted.name or found.path.name, suffixes_of(wanted.form))
    except BadName as error:
        raise DownloadError(f"the file name {wanted.name[:80]!r} {error}", "Give another with --name") from None
    if target == found.path or (target.exists() and sha256_of(target) == found.sha256):
        return replace(found, path=target)
    wanted.folder.mkdir(parents=True, exist_ok=True)
    give_name(found.path, target, keep=True)
    return replace(found, path=target)


def give_name(source: Path, target: Path, *, keep: bool, replacing: bool = False) -> None:
    """Have a file under its final name, whole or not at all, and over no other file unless that is meant.

    Raises:
        DownloadError: another file has the name.
    """
    try:
        if replacing:
            _beside(source, target, keep=keep).replace(target)
        else:
            target.hardlink_to(source)
    except FileExistsError:
        hint = "Give another --name, or remove that one first: garret ops remove-model"
        raise DownloadError(f"another file is called {target.name} already", hint) from None
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EMLINK, errno.EPERM):
            raise
        # Another disk, or a file system without links: a copy, which gets its name when it is whole.
        copy = _beside(source, target, keep=True)
        try:
            give_name(copy, target, keep=False)
        finally:
            copy.unlink(missing_ok=True)
    if not keep:
        source.unlink(missing_ok=True)
    flush_folder(target.parent)


def _beside(source: Path, target: Path, *, keep: bool) -> Path:
    """The file itself when it may go, else a copy beside its place."""
    if not keep and source.parent == target.parent:
        return source
    part = target.with_name(f".{target.name}.copy{PART}")
    shutil.copyfile(source, part)
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    return part


def remember_hash(settings: ServiceSettings, fetched: Fetched) -> None:
    """Spare the service a second look at gigabytes; where this fails, it hashes the file itself."""
    with suppress(sqlite3.Error, OSError), closing(HashCache(settings.state_dir / "models.sqlite")) as hashes:
        status = fetched.path.stat()
        hashes.put(fetched.path, status.st_size, status.st_mtime_ns, fetched.sha256)


def note_text(digest: str, size: int) -> bytes:
    """Return the note that is kept beside a file which came from no address."""
    return json.dumps({"sha256": digest, "total": size}).encode()


def noted_hash(path: Path) -> str:
    """Return the hash that a file had when it was put here, else ""."""
    try:
        note = json.loads(note_path(path).read_text("utf-8"))
    except (OSError, ValueError):
        return ""
    return str(note.get("sha256", "")) if isinstance(note, dict) else ""
