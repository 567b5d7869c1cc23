"""The runtime as it is shipped to a node: one reproducible archive, cut into pieces that Cloud Assistant can carry."""

from __future__ import annotations

import hashlib
import io
import lzma
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import garret

CHUNK_BYTES = 24_000
"""SendFile takes 32 KB after Base64, which is 24 KB of ours."""

_ROOMS = ("service_runtime", "image_bootstrap")
_MODEL = "demo_model"
LOCKS = Path(__file__).resolve().parent / "requirements"
"""The hashed locks of what the service runs on: runtime.lock, and beside it cuda.lock or cpu.lock."""
_LEFT_OUT = ("__pycache__",)


@dataclass(frozen=True)
class Bundle:
    """A tar.xz with its SHA-256 (hexadecimal) and its size in bytes."""

    data: bytes
    sha256: str
    size: int


def build_bundle(package: Path | None = None, with_model: bool = False) -> Bundle:
    """Pack the runtime of a `garret` package folder (default: this one); the same files always give the same bytes.

    `with_model` adds the demo model, some 9 MB, for nodes whose image does not bring it.
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
    return Bundle(data, hashlib.sha256(data).hexdigest(), len(data))


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
