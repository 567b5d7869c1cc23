"""The runtime as it is shipped to a node: one reproducible archive, cut into pieces that Cloud Assistant can carry."""

from __future__ import annotations

import hashlib
import io
import lzma
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import garret
from garret.errors import UsageError

CHUNK_BYTES = 24_000
"""SendFile takes 32 KB after Base64, which is 24 KB of ours."""

URL_LIMIT = 480
"""Longest address of a bundle: it travels in the user-data."""
_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/[A-Za-z0-9._~:/?#@!$&()*+,;=%-]*")

_ROOMS = ("service_runtime", "image_bootstrap")
_MODEL = "demo_model"
LOCKS = Path(__file__).resolve().parent / "requirements"
"""The hashed locks of what the service runs on: runtime.lock, beside it cuda.lock or cpu.lock, and python-3.13.lock."""
_LEFT_OUT = ("__pycache__",)


@dataclass(frozen=True)
class Bundle:
    """A tar.xz with its SHA-256 (hexadecimal) and its size in bytes; `url` is where a node can have it from."""

    data: bytes
    sha256: str
    size: int
    url: str = ""


def build_bundle(package: Path | None = None, with_model: bool = False, url: str = "") -> Bundle:
    """Pack the runtime of a `garret` package folder (default: this one); the same files always give the same bytes.

    `with_model` adds the demo model with its LoRA and refiner, some 12 MB, for nodes whose image does not bring them;
    `url` is only noted.
    """
    folder = package or Path(garret.__file__).resolve().parent
    rooms = (*_ROOMS, _MODEL) if with_model else _ROOMS
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, path in sorted(_members(folder, rooms)):
            content = path.read_bytes()
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = len(content), 0o644, 0
            tar.addfile(member, io.BytesIO(content))
    data = lzma.compress(plain.getvalue(), format=lzma.FORMAT_XZ, preset=9 | lzma.PRESET_EXTREME)
    return Bundle(data, hashlib.sha256(data).hexdigest(), len(data), url)


def checked_url(url: str) -> str:
    """Return an address that a node may be told to fetch the bundle from.

    Raises:
        UsageError: it is no http or https address, or longer than the user-data has room for.
    """
    if not _URL.fullmatch(url):
        raise UsageError("--bundle-url: not an http or https address", "--bundle-url https://example.com/garret.tar.xz")
    if len(url) > URL_LIMIT:
        raise UsageError(
            f"--bundle-url: {len(url)} characters, and {URL_LIMIT} fit into the user-data", "presign a shorter one"
        )
    return url


def chunks(bundle: Bundle, size: int = CHUNK_BYTES) -> Iterator[tuple[str, bytes]]:
    """Yield (file name below /var/lib/garret/incoming, bytes) for each piece, numbered from 000."""
    for number, start in enumerate(range(0, bundle.size, size)):
        yield f"{bundle.sha256}.{number:03d}", bundle.data[start : start + size]


def _members(folder: Path, rooms: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    yield "garret/__init__.py", folder / "__init__.py"
    for room in rooms:
        for path in (folder / room).rglob("*"):
            relative = path.relative_to(folder)
            if path.is_file() and not set(relative.parts) & set(_LEFT_OUT):
                yield f"garret/{relative.as_posix()}", path
