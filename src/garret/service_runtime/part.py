"""A file that is being put together: bytes come in any order, are hashed in theirs, and outlive this process."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from garret.service_runtime.files import PART, write_atomically
from garret.service_runtime.part_map import PartMap, boot_id, read_map
from garret.service_runtime.segments import OPEN_END, Pace, Segment, Segments, Span, merged

_LUMP = 1 << 20
_FLUSH_EVERY_S = 5.0


@dataclass(frozen=True)
class Identity:
    """Which file it is; `total` in bytes or None, `wanted` the SHA-256 in hex or empty."""

    url: str
    validator: str
    total: int | None
    wanted: str = ""


@dataclass(frozen=True)
class PartFiles:
    """Where a half-done file and what is known of it lie, beside the place of the whole one."""

    data: Path
    note: Path
    map: Path

    @classmethod
    def of(cls, target: Path) -> PartFiles:
        """Name them after the whole file."""
        data, note, spans = (target.with_name(f".{target.name}{PART}{more}") for more in ("", ".json", ".map"))
        return cls(data, note, spans)

    def discard(self) -> None:
        """Leave nothing."""
        for path in (self.map, self.note, self.data, self.map.with_name(f"{self.map.name}.new")):
            path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Begun:
    """What an earlier process left: which file, and which of its bytes."""

    identity: Identity
    spans: list[Span]


def read_begun(files: PartFiles, boot: Callable[[], str] = boot_id) -> Begun | None:
    """Return what of a half-done file can be trusted, or None."""
    try:
        note = json.loads(files.note.read_text("utf-8"))
        size = files.data.stat().st_size
        identity = Identity(**{one.name: note[one.name] for one in fields(Identity)})
        spans = read_map(files.map, boot())
        spans = merged((int(begin), int(end)) for begin, end in note["flushed"]) if spans is None else spans
    except (OSError, ValueError, TypeError, KeyError):
        return None
    texts = all(isinstance(text, str) for text in (identity.url, identity.validator, identity.wanted))
    whole = isinstance(identity.total, int) and not isinstance(identity.total, bool)
    fits = whole and (not spans or (spans[0][0] >= 0 and spans[-1][1] <= min(size, identity.total or 0)))
    return Begun(identity, spans) if texts and fits else None


class Part:
    """One half-done file, written by several threads and hashed by one."""

    def __init__(
        self,
        files: PartFiles,
        identity: Identity,
        spans: list[Span],
        pace: Pace,
        *,
        pwrite: Callable[[int, memoryview, int], int] = os.pwrite,
        boot: Callable[[], str] = boot_id,
    ) -> None:
        self.files, self.identity, self.resumed = files, identity, bool(spans)
        self._pwrite = pwrite
        if not spans:
            files.discard()
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.open(files.data, flags, 0o600)
        self._write_note(spans)
        self._map = PartMap(files.map, boot(), spans)
        self.segments = Segments(identity.total, spans, pace)
        self._hash, self.hashed = hashlib.sha256(), 0
        self._failures: list[OSError] = []
        self._flusher: threading.Thread | None = None
        self._flushed_at = time.monotonic()
        self._hasher = threading.Thread(target=self._hash_along, name="hash", daemon=True)
        self._hasher.start()

    @property
    def total(self) -> int | None:
        """The whole file's size, as soon as it is known."""
        return None if self.segments.end == OPEN_END else self.segments.end

    @property
    def complete(self) -> bool:
        """Say whether every byte is there."""
        return self.segments.count() == self.segments.end

    def take(self, connections: int, size: int | None = None) -> Segment | None:
        """Give out a segment to fetch."""
        segment = self.segments.take(connections, size)
        if segment is not None:
            segment.slot = self._map.slot()
        return segment

    def write(self, segment: Segment, data: memoryview) -> None:
        """Put bytes into the file where the segment goes on; what is beyond its end is left out."""
        while data := data[: segment.end - segment.position]:
            count = self._pwrite(self._file, data, segment.position)
            self._map.note(segment.slot, segment.begin, segment.position + count)
            self.segments.advance(segment, count)
            data = data[count:]

    def read(self, count: int) -> bytes:
        """Return the file's first bytes."""
        return os.pread(self._file, count, 0)

    def _hash_along(self) -> None:
        """Follow the writers in the file's order; what came ahead of it is still in the kernel's memory."""
        view = memoryview(bytearray(_LUMP))
        try:
            while (edge := self.segments.wait_beyond(self.hashed, _LUMP)) > self.hashed:
                while self.hashed < edge:
                    count = os.preadv(self._file, [view[: edge - self.hashed]], self.hashed)
                    if not count:
                        raise OSError("the part file became shorter")
                    self._hash.update(view[:count])
                    self.hashed += count
        except OSError as error:
            self._failures.append(error)

    def flush_now_and_then(self) -> None:
        """Have what came so far survive a power cut too; in its own thread, since disks take their time."""
        self.check()
        if time.monotonic() - self._flushed_at < _FLUSH_EVERY_S or (self._flusher and self._flusher.is_alive()):
            return
        self._flushed_at = time.monotonic()
        self._flusher = threading.Thread(target=self._flush, name="flush", daemon=True)
        self._flusher.start()

    def _flush(self) -> None:
        try:
            spans = self.segments.spans()
            os.fdatasync(self._file)
            self._write_note(spans)
        except OSError as error:
            self._failures.append(error)

    def _write_note(self, spans: list[Span]) -> None:
        write_atomically(self.files.note, json.dumps({**asdict(self.identity), "flushed": spans}).encode(), 0o600)

    def check(self) -> None:
        """Raise what went wrong in a thread of this part's own."""
        if self._failures:
            raise self._failures[0]

    def digest(self, wait: Callable[[], None]) -> str:
        """Return the SHA-256 of the complete file in hex; `wait` is called now and then until it is known."""
        while self._hasher.is_alive():
            self._hasher.join(0.05)
            wait()
        self.check()
        return self._hash.hexdigest()

    def seal(self) -> None:
        """Flush the whole file to the disk."""
        if self._flusher:
            self._flusher.join()
        os.fsync(self._file)

    def keep(self) -> None:
        """Let go of the file and leave it for another time."""
        self._close()
        self._flush_and_close()

    def discard(self) -> None:
        """Let go of the file and leave nothing of it."""
        self._close()
        os.close(self._file)
        self.files.discard()

    def _close(self) -> None:
        self.segments.close()
        self._hasher.join()
        if self._flusher:
            self._flusher.join()
        self._map.close()

    def _flush_and_close(self) -> None:
        if self.segments.end != OPEN_END:
            self._flush()
        os.close(self._file)
