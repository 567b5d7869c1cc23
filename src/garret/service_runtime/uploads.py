"""Files that come up in chunks: what arrived is kept over broken connections and restarts, and checked at the end."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from garret.service_runtime.errors import BadRequest, Busy, InsufficientStorage, NotFound, OutOfStep, ServiceError
from garret.service_runtime.files import flush_folder, write_atomically
from garret.service_runtime.model_files import INCOMING
from garret.service_runtime.settings import CHUNK_BYTES

RESERVE_BYTES = 256 << 20
LARGEST_BYTES = 1 << 40
MAXIMUM_OPEN = 16
ABANDONED_S = 86_400.0
"""What nobody has gone on with for so long makes room when the next file is announced."""
_PIECE = 1 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")
_IDENTIFIER = re.compile(r"[0-9a-f]{32}")

Place = Callable[[Path, "Announced"], dict[str, Any]]
"""Checks a whole file and gives it its name; what it takes is moved away, what it refuses it raises."""


@dataclass(frozen=True)
class Announced:
    """What a caller wants to bring: `size` in bytes, `sha256` in lower-case hex, the rest as download-model has it."""

    type: str
    name: str
    size: int
    sha256: str
    kind: str = "model"
    directory: str = ""
    force: bool = False

    @property
    def id(self) -> str:
        """The same for the same wish: whoever was cut off finds what came by announcing it again."""
        wish = [self.type, self.name, self.size, self.sha256, self.kind, self.directory]
        return hashlib.sha256(json.dumps(wish).encode()).hexdigest()[:32]

    @classmethod
    def parse(cls, values: dict[str, Any]) -> Announced:
        """Read a request's fields.

        Raises:
            BadRequest: names the field.
        """
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise BadRequest(unknown[0], "is not a field of an upload", f"There are {', '.join(sorted(known))}")
        texts = {name: values.get(name, "") for name in ("type", "name", "sha256", "directory")}
        texts["kind"] = values.get("kind", "model")
        for name, value in texts.items():
            if not isinstance(value, str) or len(value) > 1024:
                raise BadRequest(name, "must be text of at most 1024 characters")
        size, force = values.get("size"), values.get("force", False)
        if not isinstance(size, int) or isinstance(size, bool) or not 0 < size <= LARGEST_BYTES:
            raise BadRequest("size", "must be the file's size in bytes, above 0")
        if not isinstance(force, bool):
            raise BadRequest("force", "must be true or false")
        texts["sha256"] = texts["sha256"].lower()
        if not _SHA256.fullmatch(texts["sha256"]):
            raise BadRequest("sha256", "must be the file's SHA-256, 64 characters of hex")
        return cls(size=size, force=force, **texts)


class Uploads:
    """The uploads that are not over; its methods block, and may be called from several threads."""

    def __init__(
        self,
        models_dir: Path,
        place: Place,
        free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        self._folder = models_dir / INCOMING
        self._place = place
        self._free_bytes = free_bytes
        self._lock = threading.Lock()
        self._busy: set[str] = set()
        self._hashes: dict[str, tuple[int, Any]] = {}

    def begin(self, announced: Announced) -> dict[str, Any]:
        """Open an upload, or find it again with what has arrived.

        Raises:
            Busy: too many are open.
            InsufficientStorage: it would not fit.
        """
        with self._lock:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._sweep()
            if not self._note(announced.id).exists():
                self._check_room(announced)
            write_atomically(self._note(announced.id), json.dumps(asdict(announced)).encode(), 0o600)
            self._part(announced.id).touch(0o600)
        return self.state(announced.id)

    def state(self, identifier: str) -> dict[str, Any]:
        """Say how much of an upload is there: `received` of `size` bytes, and how large a chunk may be."""
        announced = self._announced(identifier)
        received = self._received(identifier)
        return {"id": identifier, **asdict(announced), "received": received, "chunk_bytes": CHUNK_BYTES}

    @contextmanager
    def chunk(self, identifier: str, offset: int) -> Iterator[Callable[[bytes], None]]:
        """Hand out what appends pieces from a byte on; they are on the disk when the block ends, however it ends.

        Raises:
            OutOfStep: another byte is the next one, or somebody else is writing.
        """
        announced = self._announced(identifier)
        with self._alone(identifier), self._part(identifier).open("r+b") as file:
            received = file.seek(0, os.SEEK_END)
            if offset != received:
                raise OutOfStep(f"byte {offset} was sent, and byte {received} is the next", "GET the upload's state")
            room = min(CHUNK_BYTES, announced.size - received)

            def write(piece: bytes) -> None:
                nonlocal room
                if len(piece) > room:
                    raise BadRequest("body", "is longer than a chunk, or than what is left of the file")
                room -= len(piece)
                self._append(identifier, file, piece)

            try:
                yield write
            finally:
                file.flush()
                os.fsync(file.fileno())

    def finish(self, identifier: str) -> dict[str, Any]:
        """Check the whole file and put it into its place; what the file is, as download-model says it.

        Raises:
            OutOfStep: it is not whole yet.
            BadRequest: its hash is another one; what came is thrown away.
        """
        announced = self._announced(identifier)
        with self._alone(identifier):
            part, received = self._part(identifier), self._received(identifier)
            if received != announced.size:
                raise OutOfStep(f"{received} of {announced.size} bytes are there", "Send the rest first")
            digest = self._digest(identifier)
            if digest != announced.sha256:
                self._drop(identifier)
                raise BadRequest("sha256", f"what came has the SHA-256 {digest}; it was deleted", "Send it again")
            try:
                placed = self._place(part, announced)
            except ServiceError:
                self._drop(identifier)
                raise
            # What else goes wrong, as on a full disk, leaves the file, for another try.
            self._drop(identifier)
            return placed

    def drop(self, identifier: str) -> None:
        """Throw an upload away."""
        self._announced(identifier)
        with self._alone(identifier):
            self._drop(identifier)

    def _sweep(self) -> None:
        for note in self._folder.glob("*.json"):
            part = note.with_suffix(".part")
            newest = max((path.stat().st_mtime for path in (note, part) if path.exists()), default=0.0)
            if _IDENTIFIER.fullmatch(note.stem) and time.time() - newest > ABANDONED_S and note.stem not in self._busy:
                self._drop(note.stem)
        for part in self._folder.glob("*.part"):  # without a note: left by who was killed
            with suppress(FileNotFoundError):
                if time.time() - part.stat().st_mtime > ABANDONED_S and not part.with_suffix(".json").exists():
                    part.unlink()

    def _check_room(self, announced: Announced) -> None:
        open_ones = [path for path in self._folder.glob("*.json") if _IDENTIFIER.fullmatch(path.stem)]
        if len(open_ones) >= MAXIMUM_OPEN:
            raise Busy(f"{len(open_ones)} uploads are open already", "Finish or DELETE one of them", retry_after=60)
        # Room that others were promised is not free, though nothing has been written there.
        promised = sum(self._missing(path.stem) for path in open_ones)
        needed = announced.size + promised + RESERVE_BYTES
        free = self._free_bytes(self._folder)
        if free < needed:
            raise InsufficientStorage(
                f"the disk has {free >> 20} MiB free, and the file with the reserve needs {needed >> 20} MiB",
                "Remove models, or deploy with a larger disk",
            )

    def _missing(self, identifier: str) -> int:
        try:
            return max(0, self._announced(identifier).size - self._received(identifier))
        except NotFound:  # it ended a moment ago
            return 0

    def _received(self, identifier: str) -> int:
        try:
            return self._part(identifier).stat().st_size
        except FileNotFoundError:  # it was placed, and its note lives a moment longer, or until the next beginning
            return 0

    def _append(self, identifier: str, file: Any, piece: bytes) -> None:
        at, running = self._hashes.get(identifier, (0, hashlib.sha256()))
        if at == file.tell():
            running.update(piece)
            self._hashes[identifier] = (at + len(piece), running)
        file.write(piece)

    def _digest(self, identifier: str) -> str:
        """The hash of the whole part; what was not hashed as it came, before a restart, is read again."""
        at, running = self._hashes.get(identifier, (0, hashlib.sha256()))
        with self._part(identifier).open("rb") as file:
            file.seek(at)
            while piece := file.read(_PIECE):
                running.update(piece)
        return str(running.hexdigest())

    def _drop(self, identifier: str) -> None:
        self._hashes.pop(identifier, None)
        self._part(identifier).unlink(missing_ok=True)
        self._note(identifier).unlink(missing_ok=True)
        flush_folder(self._folder)

    @contextmanager
    def _alone(self, identifier: str) -> Iterator[None]:
        with self._lock:
            if identifier in self._busy:
                raise OutOfStep("somebody is sending this file at this moment", "Wait for it")
            self._busy.add(identifier)
        try:
            yield
        finally:
            with self._lock:
                self._busy.discard(identifier)

    def _announced(self, identifier: str) -> Announced:
        if _IDENTIFIER.fullmatch(identifier):
            try:
                return Announced(**json.loads(self._note(identifier).read_text("utf-8")))
            except (OSError, ValueError, TypeError):
                pass
        raise NotFound(f"there is no upload {identifier[:64]!r}", "Announce it with POST /v1/uploads")

    def _part(self, identifier: str) -> Path:
        return self._folder / f"{identifier}.part"

    def _note(self, identifier: str) -> Path:
        return self._folder / f"{identifier}.json"
