"""Place-model: a file that somebody put onto this node by SFTP, into the folder of its type."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from garret.service_runtime.model_files import INCOMING
from garret.service_runtime.operations.placing import place
from garret.service_runtime.operations.run import Run, WrongParameter
from garret.service_runtime.transfer import DownloadError

_SHA256 = re.compile(r"[0-9a-f]{64}")
_PIECE = 1 << 20


def place_model(run: Run, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Copy the file that is named for its hash, and give it its name.

    It is copied, since it is root's: what the service owns must not be the file that root writes to.
    """
    sha256 = parameters.get("sha256")
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise WrongParameter("sha256", "is not 64 characters of hex")
    source = run.settings.state_dir.parent / "uploads" / sha256
    folder = run.settings.models_dir / INCOMING
    folder.mkdir(parents=True, exist_ok=True)
    staged = folder / f"{run.execution.id}.part"
    try:
        with run.task("copy"):
            _copy(run, source, staged, sha256)
        with run.task("register"):
            wish = {key: value for key, value in parameters.items() if key != "sha256"}
            return place(run.settings, staged, sha256=sha256, **wish)
    finally:
        staged.unlink(missing_ok=True)


def _copy(run: Run, source: Path, target: Path, sha256: str) -> None:
    try:
        total = source.stat().st_size
    except FileNotFoundError:
        raise DownloadError(
            "there is no file of this hash to place", "Send it first: garret ops download-model"
        ) from None
    digest, done = hashlib.sha256(), 0
    with source.open("rb") as read, target.open("wb") as write:
        while piece := read.read(_PIECE):
            digest.update(piece)
            write.write(piece)
            done += len(piece)
            run.progress(done, total)
        write.flush()
        os.fsync(write.fileno())
    if digest.hexdigest() != sha256:
        raise DownloadError("the file changed on its way", "Give the command again")
