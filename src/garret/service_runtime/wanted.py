"""What is fetched, what came of it, and what a download touches beside its file."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from garret.service_runtime.fetching import Credential, Policy
from garret.service_runtime.part_map import boot_id
from garret.service_runtime.safetensors_header import Header
from garret.service_runtime.segments import Pace

# Kept free on the disk, so that a download never leaves the service without room for its pictures.
RESERVE_BYTES = 256 << 20


def _approve_all(header: Header) -> None:
    pass


@dataclass(frozen=True)
class Wanted:
    """One file to fetch into a folder; `sha256` in hex or empty, `name` empty to take the server's.

    `form` is "model" (safetensors), "upscaler" (that or a pickle of weights) or "preview" (a picture); the latter two
    get the suffix of what they are. `approve` sees a model's header as soon as it has come; a DownloadError from it
    ends the download, and nothing is kept.
    """

    url: str
    folder: Path
    name: str = ""
    sha256: str = ""
    token: Credential = field(default="", repr=False)
    form: str = "model"
    approve: Callable[[Header], None] = _approve_all


@dataclass(frozen=True)
class Fetched:
    """A file that is whole; `bytes_fetched` is what went over the network for it this time."""

    path: Path
    sha256: str
    size: int
    bytes_fetched: int


@dataclass(frozen=True)
class Surroundings:
    """What a download touches beside its file: seams for tests. `progress` is called in the caller's own thread."""

    policy: Policy = field(default_factory=Policy)
    free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free
    sleep: Callable[[float], None] = time.sleep
    progress: Callable[[int, int | None], None] = lambda _done, _total: None
    pwrite: Callable[[int, memoryview, int], int] = os.pwrite
    pace: Pace = field(default_factory=Pace)
    boot: Callable[[], str] = boot_id


def note_path(target: Path) -> Path:
    """Return where it is kept from which address a file came."""
    return target.with_name(f".{target.name}.source.json")
