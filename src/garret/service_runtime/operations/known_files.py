"""Files that are on this node already, told by their hashes."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from dataclasses import replace

from garret.service_runtime.models import HashCache, Models, sha256_of
from garret.service_runtime.names import BadName, model_file_name
from garret.service_runtime.settings import ServiceSettings
from garret.service_runtime.transfer import DownloadError, Fetched, Wanted


def already_there(settings: ServiceSettings, kind: str, wanted: Wanted) -> Fetched | None:
    """Return the file of this type that has the wanted hash, under whatever name."""
    if not wanted.sha256:
        return None
    hashes = HashCache(settings.state_dir / "models.sqlite")
    try:
        for model in Models(settings.models_dir, settings.config_dir, hashes).all(kind):
            if model.sha256 == wanted.sha256.lower() and model.path.parent == wanted.folder:
                return Fetched(model.path, model.sha256, model.size, 0)
    finally:
        hashes.close()
    return None


def under_name(found: Fetched, wanted: Wanted) -> Fetched:
    """Give a file that is there under another name the wanted one as well: nothing is fetched, nothing stored twice."""
    if not wanted.name:
        return found
    try:
        target = wanted.folder / model_file_name(wanted.name)
    except BadName as error:
        raise DownloadError(f"the file name {wanted.name[:80]!r} {error}", "Give another with --name") from None
    if target == found.path or (target.exists() and sha256_of(target) == found.sha256):
        return replace(found, path=target)
    try:
        target.hardlink_to(found.path)
    except FileExistsError:
        hint = "Give another --name, or delete that file first"
        raise DownloadError(f"another file is called {target.name} already", hint) from None
    return replace(found, path=target)


def remember_hash(settings: ServiceSettings, fetched: Fetched) -> None:
    # The cache spares the service a second look at gigabytes; without it, the service hashes the file itself.
    with suppress(sqlite3.Error, OSError):
        hashes = HashCache(settings.state_dir / "models.sqlite")
        status = fetched.path.stat()
        hashes.put(fetched.path, status.st_size, status.st_mtime_ns, fetched.sha256)
        hashes.close()
