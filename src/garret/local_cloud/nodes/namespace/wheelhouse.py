"""The wheels of the CPU lock, downloaded once by this machine's pip: what the local cloud's mirror gives to nodes."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

from garret.errors import OperationError
from garret.image_bootstrap.bundle import LOCKS

INDEX = "index.json"
NODE_PYTHON = "3.11"
NODE_GLIBC = 36
"""The base image is Debian 12: CPython 3.11 and glibc 2.36."""
CPU_LOCKS = (LOCKS / "runtime.lock", LOCKS / "cpu.lock")
APART = (LOCKS / "acme.lock",)
"""Locks of environments of their own, which may have packages in common with the others."""
KEPT_DAYS = 30
DOWNLOAD_S = 1800.0


@dataclass(frozen=True)
class Wheelhouse:
    """A folder of wheels; `files` is name to SHA-256 (hexadecimal)."""

    folder: Path
    files: dict[str, str]

    @property
    def size(self) -> int:
        """Bytes of all wheels."""
        return sum((self.folder / name).stat().st_size for name in self.files)


def build_wheelhouse(
    cache: Path,
    *,
    locks: Sequence[Path] = CPU_LOCKS,
    apart: Sequence[Path] = APART,
    python: str = NODE_PYTHON,
    pip: Sequence[str] = (sys.executable, "-m", "pip"),
    told: Callable[[str], None] = lambda _text: None,
) -> Wheelhouse:
    """Return the wheels of the locks for a node's Python, from `cache` or downloaded into it (some 250 MB).

    The folder appears complete or not at all; what a broken attempt has brought is used by the next one.

    Raises:
        OperationError: they cannot be had on this machine, with pip's own reason.
    """
    folder = cache / f"wheels-{_key((*locks, *apart), python)}"
    found = open_wheelhouse(folder)
    if found:
        os.utime(folder)
        return found
    cache.mkdir(parents=True, exist_ok=True)
    with _alone(cache / "wheels.lock"):
        found = open_wheelhouse(folder)  # another one may have built it meanwhile
        if found:
            return found
        told("downloading the packages of the nodes' service, once")
        fresh = folder.with_name(folder.name + ".new")
        fresh.mkdir(exist_ok=True)
        for together in (locks, *([one] for one in apart)):
            _download(fresh, together, python, pip)
        files = {path.name: _sha256(path) for path in sorted(fresh.glob("*.whl"))}
        _check(files, (*locks, *apart))
        (fresh / INDEX).write_text(json.dumps(files, indent=1) + "\n")
        rmtree(folder, ignore_errors=True)
        fresh.rename(folder)
        _forget_old(cache)
    return Wheelhouse(folder, files)


def open_wheelhouse(folder: Path) -> Wheelhouse | None:
    """A folder that was built before, or None."""
    try:
        files = json.loads((folder / INDEX).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    whole = isinstance(files, dict) and all((folder / name).is_file() for name in files)
    return Wheelhouse(folder, files) if whole else None


def _key(locks: Sequence[Path], python: str) -> str:
    what = hashlib.sha256(f"{python} {NODE_GLIBC}\n".encode())
    for lock in locks:
        what.update(lock.read_bytes())
    return what.hexdigest()[:16]


def _download(folder: Path, locks: Sequence[Path], python: str, pip: Sequence[str]) -> None:
    platforms = [f"manylinux_2_{minor}_x86_64" for minor in range(NODE_GLIBC, 4, -1)]
    platforms += ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64"]
    command = [
        *(*pip, "download", "--disable-pip-version-check", "--no-input", "--quiet", "--progress-bar", "off"),
        # The locks name everything; and pip would read markers with this Python instead of the node's.
        *("--no-deps", "--require-hashes", "--only-binary", ":all:", "--python-version", python),
        *(word for platform in platforms for word in ("--platform", platform)),
        *(word for lock in locks for word in ("--requirement", str(lock))),
        *("--dest", str(folder)),
    ]
    try:
        done = subprocess.run(
            command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DOWNLOAD_S
        )
    except OSError as error:
        raise OperationError(f"the wheels for nodes: pip does not start: {error}", _HINT) from error
    except subprocess.TimeoutExpired:
        raise OperationError(f"the wheels for nodes: pip did not end within {DOWNLOAD_S:.0f} s", _HINT) from None
    if done.returncode != 0:
        raise OperationError(f"the wheels for nodes cannot be had here: {_reason(done.stderr, python)}", _HINT)


_HINT = "nodes that are folders need no wheels: GARRET_LOCAL_DRIVER=process"


def _reason(said: str, python: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    reason = (errors or lines or ["pip said nothing"])[-1][:300]
    missing = re.search(r"No matching distribution found for (torch==\S+\+cpu)", said)
    if missing:
        reason = (
            f"pip finds no {missing[1]} for Python {python}: an index has CUDA builds only, so give pip a folder with "
            "the CPU build (PIP_FIND_LINKS)"
        )
    return reason


def _check(files: dict[str, str], locks: Sequence[Path]) -> None:
    """Each requirement has come, and nothing but what the locks name."""
    text = "".join(lock.read_text("utf-8") for lock in locks)
    known = set(re.findall(r"--hash=sha256:([0-9a-f]{64})", text))
    wanted = len(set(re.findall(r"^[A-Za-z0-9]\S*", text, re.MULTILINE)))
    strange = sorted(name for name, digest in files.items() if digest not in known)
    if strange or len(files) != wanted:
        what = f"{strange[0]} is in no lock" if strange else f"{len(files)} wheels came for {wanted} requirements"
        raise OperationError(f"the wheels for nodes: {what}", "remove the cache's folder wheels-*.new and try again")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _forget_old(cache: Path) -> None:
    """Wheels of locks that nobody has used for a month."""
    for folder in cache.glob("wheels-*"):
        if folder.is_dir() and folder.stat().st_mtime < time.time() - KEPT_DAYS * 86_400:
            rmtree(folder, ignore_errors=True)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time; the system lets go of the lock when its holder dies."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
