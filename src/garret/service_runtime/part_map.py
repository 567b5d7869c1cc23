"""Which bytes of a half-done file are there, noted after each write without waiting for a disk.

What a process wrote outlives it in the kernel's memory, but not a power cut. So the map is good for one boot of the
machine, whose number it carries; for later ones the note beside it has what was flushed to the disk.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

from garret.service_runtime.segments import Span, merged

_HEADER = struct.Struct("<16s48s")
_RECORD = struct.Struct("<QQ")
_MAGIC = b"garret part 1"
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Return what is another after each boot of this machine; empty where the system does not tell."""
    try:
        return _BOOT.read_text("ascii").strip()[:48]
    except OSError:
        return ""


class PartMap:
    """A file of records, each the first byte and the one after the last that one connection wrote in a row."""

    def __init__(self, path: Path, boot: str, spans: list[Span]) -> None:
        fresh = path.with_name(f"{path.name}.new")
        records = b"".join(_RECORD.pack(begin, end) for begin, end in spans)
        fresh.write_bytes(_HEADER.pack(_MAGIC, boot.encode()) + records)
        fresh.replace(path)
        self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._slots = len(spans)

    def slot(self) -> int:
        """Return a record's number for a connection to write its progress to."""
        self._slots += 1
        return self._slots - 1

    def note(self, slot: int, begin: int, end: int) -> None:
        """Say which bytes are written; to be called after they are."""
        os.pwrite(self._file, _RECORD.pack(begin, end), _HEADER.size + slot * _RECORD.size)

    def close(self) -> None:
        """Let go of the file, which stays."""
        os.close(self._file)


def read_map(path: Path, boot: str) -> list[Span] | None:
    """Return the bytes that a map of this very boot says are there, or None without one."""
    try:
        data = path.read_bytes()
        magic, written = _HEADER.unpack_from(data)
    except (OSError, struct.error):
        return None
    if not boot or magic.rstrip(b"\0") != _MAGIC or written.rstrip(b"\0") != boot.encode():
        return None
    length = (len(data) - _HEADER.size) // _RECORD.size * _RECORD.size
    return merged(_RECORD.iter_unpack(data[_HEADER.size : _HEADER.size + length]))
