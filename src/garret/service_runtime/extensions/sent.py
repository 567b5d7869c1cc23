"""An archive that came with the request itself, in pieces beside it, as Cloud Assistant carries files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from garret.service_runtime.settings import ServiceSettings

MAXIMUM_PIECES = 200


class SentFailed(Exception):
    """The pieces are not all there."""


def folder_of(settings: ServiceSettings) -> Path:
    """Return where the pieces arrive: the node's folder of requests, beside the service's state."""
    return settings.state_dir.parent / "requests"


def put_together(settings: ServiceSettings, identifier: str, pieces: object, target: Path) -> str:
    """Write the pieces into one file, and return its SHA-256."""
    if isinstance(pieces, bool) or not isinstance(pieces, int) or not 1 <= pieces <= MAXIMUM_PIECES:
        raise SentFailed(f"came in a number of pieces that is not 1 to {MAXIMUM_PIECES}")
    digest = hashlib.sha256()
    with target.open("wb") as file:
        for number in range(pieces):
            try:
                content = (folder_of(settings) / f"{identifier}.{number:03d}").read_bytes()
            except OSError as error:
                raise SentFailed(f"lacks piece {number} of {pieces}: {error.strerror}") from None
            digest.update(content)
            file.write(content)
    return digest.hexdigest()
