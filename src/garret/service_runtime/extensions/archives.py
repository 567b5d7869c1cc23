"""Archives from strangers, unpacked into one folder: plain files only, none of them anywhere else, and not too much."""

from __future__ import annotations

import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from garret.service_runtime.names import BadName, check_name

MAXIMUM_BYTES = 512 << 20
MAXIMUM_FILES = 20_000
MAXIMUM_DEPTH = 32
_CHUNK = 1 << 20


class BadArchive(Exception):
    """The archive holds what no extension needs, or cannot be read."""


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip or tar.gz, told by its first bytes, into a folder that is made here.

    Raises:
        BadArchive: nothing of it may be used.
    """
    folder.mkdir()
    with archive.open("rb") as file:
        start = file.read(4)
    try:
        if start[:2] == b"\x1f\x8b":
            with tarfile.open(archive, "r:gz") as tar:
                _write(folder, _of_tar(tar))
        elif start[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
            with zipfile.ZipFile(archive) as zipped:
                _write(folder, _of_zip(zipped))
        else:
            raise BadArchive("is neither a zip nor a tar.gz file")
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise BadArchive(f"cannot be unpacked: {error}") from None


def project_folder(folder: Path) -> Path:
    """Return where the project is: the folder, or the only one in it, as code hosts pack it."""
    inside = list(folder.iterdir())
    alone = len(inside) == 1 and inside[0].is_dir() and not (folder / "pyproject.toml").exists()
    return inside[0] if alone else folder


def _of_tar(tar: tarfile.TarFile) -> Iterator[tuple[str, IO[bytes] | None]]:
    for member in tar:
        if member.isdir():
            yield member.name, None
        elif member.isreg():
            content = tar.extractfile(member)
            if content is not None:
                yield member.name, content
        else:
            kind = "a link" if member.issym() or member.islnk() else "a device"
            raise BadArchive(f"holds {kind}, {member.name[:100]!r}: only files and folders are unpacked")


def _of_zip(zipped: zipfile.ZipFile) -> Iterator[tuple[str, IO[bytes] | None]]:
    for member in zipped.infolist():
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise BadArchive(f"holds a link or device, {member.filename[:100]!r}: only files and folders are unpacked")
        if member.is_dir():
            yield member.filename, None
        else:
            with zipped.open(member) as content:
                yield member.filename, content


def _write(folder: Path, members: Iterable[tuple[str, IO[bytes] | None]]) -> None:
    room = MAXIMUM_BYTES
    for count, (name, content) in enumerate(members):
        if count >= MAXIMUM_FILES:
            raise BadArchive(f"holds more than {MAXIMUM_FILES} files")
        path = folder / _checked(name)
        try:
            if content is None:
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                while chunk := content.read(_CHUNK):
                    room -= len(chunk)
                    if room < 0:
                        raise BadArchive(f"is larger than {MAXIMUM_BYTES >> 20} MiB unpacked")
                    file.write(chunk)
        except (FileExistsError, NotADirectoryError):
            raise BadArchive(f"holds {name[:100]!r} twice, or as a file and as a folder") from None


def _checked(name: str) -> PurePosixPath:
    """Return a member's path, if it stays in its folder on every system."""
    parts = [part for part in name.removesuffix("/").split("/") if part != "."]
    if not parts or len(parts) > MAXIMUM_DEPTH or name.startswith("/"):
        raise BadArchive(f"holds {name[:100]!r}, which is no path of a file in it")
    for part in parts:
        try:
            # Only these begin with what a model's name may not begin with: .gitignore, __init__.py, -x.
            if part == ".." or check_name(part.lstrip(".-~ ") or part) is None:
                raise BadName("leaves its folder")
        except BadName as error:
            raise BadArchive(f"holds {name[:100]!r}: {part[:60]!r} {error}") from None
    return PurePosixPath(*parts)
