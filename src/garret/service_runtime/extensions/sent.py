"""An archive from the operator's own machine: in pieces beside the requests, named by its hash, as they are carried."""

from __future__ import annotations

import hashlib
import time
from contextlib import suppress
from pathlib import Path

from garret.service_runtime.settings import ServiceSettings

MAXIMUM_PIECES = 200


class SentFailed(Exception):
    """The pieces are not all there."""


def folder_of(settings: ServiceSettings) -> Path:
    """Return where the pieces arrive: the node's folder of requests, beside the service's state."""
    return settings.state_dir.parent / "requests"


def sweep(folder: Path, age_s: float = 3600.0) -> None:
    """Delete pieces that nobody is about to use any more."""
    for path in folder.glob(f"{'[0-9a-f]' * 64}.[0-9][0-9][0-9]"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > age_s:
                path.unlink()


def put_together(settings: ServiceSettings, sha256: str, pieces: object, target: Path) -> str:
    """Write the pieces of an archive into one file, and return the SHA-256 that it really has."""
    if not sha256:
        raise SentFailed("came without its SHA-256")
    if isinstance(pieces, bool) or not isinstance(pieces, int) or not 1 <= pieces <= MAXIMUM_PIECES:
        raise SentFailed(f"came in a number of pieces that is not 1 to {MAXIMUM_PIECES}")
    digest = hashlib.sha256()
    with target.open("wb") as file:
        for number in range(pieces):
            try:
                content = (folder_of(settings) / f"{sha256}.{number:03d}").read_bytes()
            except OSError as error:
                raise SentFailed(f"lacks piece {number} of {pieces}: {error.strerror}") from None
            digest.update(content)
            file.write(content)
    return digest.hexdigest()
