"""One file over the network: resumed where it broke off, hashed while written, put in place whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import http.client
import json
import os
import shutil
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from garret.service_runtime.fetching import Credential, Policy, Reply, get
from garret.service_runtime.files import PART, flush_folder, write_atomically
from garret.service_runtime.safetensors_header import NotSafetensors, read_header, refuse_other_formats

CHUNK_BYTES = 1 << 20
# Kept free on the disk, so that a download never leaves the service without room for its pictures.
RESERVE_BYTES = 256 << 20
TRIES_WITHOUT_PROGRESS = 5
_LONGEST_PAUSE_S = 30.0
_LONGEST_RETRY_AFTER_S = 300
_RETRIED = (408, 425, 429, 500, 502, 503, 504)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class DownloadError(Exception):
    """A download that will not come to its end; `hint` says what to do, `passing` that it may go better later."""

    def __init__(self, message: str, hint: str = "", *, passing: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.passing = passing


class DownloadCancelled(Exception):
    """Somebody asked for the end of this download; raised by the progress callback."""


class Interrupted(Exception):
    """The connection broke; what came is kept, and it is tried again after a pause."""

    def __init__(self, message: str, pause_s: float | None = None) -> None:
        super().__init__(message)
        self.pause_s = pause_s


@dataclass(frozen=True)
class Wanted:
    """One file to fetch into a folder; `sha256` in hex or empty, `name` empty to take the server's."""

    url: str
    folder: Path
    name: str = ""
    sha256: str = ""
    token: Credential = field(default="", repr=False)


@dataclass(frozen=True)
class Fetched:
    """A file that is whole; `bytes_fetched` is what went over the network for it this time."""

    path: Path
    sha256: str
    size: int
    bytes_fetched: int


@dataclass(frozen=True)
class Surroundings:
    """What a download touches beside its file: seams for tests."""

    policy: Policy = field(default_factory=Policy)
    free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free
    sleep: Callable[[float], None] = time.sleep
    progress: Callable[[int, int | None], None] = lambda _done, _total: None
    open_part: Callable[[Path], BinaryIO] = lambda path: path.open("r+b")


def note_path(target: Path) -> Path:
    """Return where it is kept from which address a file came."""
    return target.with_name(f".{target.name}.source.json")


class Transfer:
    """The state of one download: its part file, how much of it is there, and the hash so far."""

    def __init__(self, wanted: Wanted, target: Path, around: Surroundings) -> None:
        self._wanted = wanted
        self._target = target
        self._part = target.with_name(f".{target.name}{PART}")
        self._note = target.with_name(f".{target.name}{PART}.json")
        self._around = around
        self._fetched = 0
        self._known = self._read_note()
        self._hash = hashlib.sha256()
        self._hashed = 0

    def run(self) -> Fetched:
        """Try until the file is whole, resuming; give up after a few tries that brought nothing."""
        tries = 0
        while True:
            before = self._fetched
            try:
                return self._once()
            except Interrupted as error:
                tries = 0 if self._fetched > before else tries + 1
                if tries >= TRIES_WITHOUT_PROGRESS:
                    hint = "What came is kept: the same command goes on from there"
                    message = f"gave up after {tries} tries that brought nothing: {error}"
                    raise DownloadError(message, hint, passing=True) from None
                pause = min(2.0**tries / 2, _LONGEST_PAUSE_S) if error.pause_s is None else error.pause_s
                self._around.sleep(pause)
            except DownloadCancelled:
                self._discard()
                raise
            except OSError as error:
                self._discard()
                if error.errno in _NO_ROOM:
                    raise DownloadError("the disk is full; nothing of the file was kept", "Make room first") from None
                raise DownloadError(f"{self._target.parent}: {error.strerror or error}") from error

    def _once(self) -> Fetched:
        try:
            have = self._have()
            headers = self._span(have) if have else {}
            with get(self._wanted.url, headers, self._wanted.token, self._around.policy) as reply:
                self._receive(reply, have)
        except ssl.SSLCertVerificationError as error:
            raise DownloadError(f"the server's certificate is not valid: {error.verify_message}") from None
        except (TimeoutError, http.client.HTTPException, ConnectionError, ssl.SSLError) as error:
            raise Interrupted(f"the connection broke: {error or type(error).__name__}") from None
        except OSError as error:
            if error.errno in _NO_ROOM or error.filename is not None:
                raise
            raise Interrupted(f"no connection: {error}") from None
        return self._place()

    def _have(self) -> int:
        """Return how many bytes of this very file are there from before."""
        usable = self._is_same_address() or self._is_same_hash()
        return self._part.stat().st_size if usable and self._part.exists() else 0

    def _is_same_address(self) -> bool:
        return bool(self._known.get("validator")) and self._known.get("url") == self._wanted.url

    def _is_same_hash(self) -> bool:
        """Say whether another source began this file: bytes of one hash are the same from everywhere."""
        wanted = self._wanted.sha256.lower()
        return bool(wanted) and self._known.get("wanted") == wanted and isinstance(self._known.get("total"), int)

    def _span(self, have: int) -> dict[str, str]:
        """The headers that ask for the rest; another source knows nothing of the first one's version."""
        span = {"Range": f"bytes={have}-"}
        return span | ({"If-Range": self._known["validator"]} if self._is_same_address() else {})

    def _receive(self, reply: Reply, have: int) -> None:
        begin, total = self._plan(reply, have)
        self._check_room(begin, total)
        if begin == 0:
            self._part.write_bytes(b"")
            self._known = {"url": self._wanted.url, "validator": validator_of(reply.headers), "total": total}
            if self._wanted.sha256:
                self._known["wanted"] = self._wanted.sha256.lower()
            write_atomically(self._note, json.dumps(self._known).encode(), 0o600)
        with self._around.open_part(self._part) as file:
            self._hash_until(file, begin)
            try:
                if begin != total:
                    self._copy(reply, file, begin, total)
            finally:
                file.flush()
                os.fsync(file.fileno())

    def _plan(self, reply: Reply, have: int) -> tuple[int, int | None]:
        """Return at which byte of the file the reply's body begins, and the whole file's size."""
        if reply.status == 206 and have:
            span = reply.headers.get("content-range", "")
            if span.startswith(f"bytes {have}-") and span.endswith(f"/{self._known['total']}"):
                return have, self._known["total"]
            raise self._start_over("the server sent another part than the one asked for")
        if reply.status == 416 and have:
            if have == self._known["total"]:
                return have, have
            raise self._start_over("the server has no such part any more")
        if reply.status != 200:
            raise status_error(reply)
        if reply.headers.get("content-encoding", "identity") != "identity":
            raise DownloadError("the server compresses the file although it was asked not to")
        if "html" in reply.headers.get("content-type", ""):
            raise DownloadError(
                "what the address gives is a web page (HTML), not a model",
                "Give the address of the file itself; it may need a login",
            )
        length = reply.headers.get("content-length", "")
        return 0, int(length) if length.isdigit() else None

    def _copy(self, reply: Reply, file: BinaryIO, begin: int, total: int | None) -> None:
        done = begin
        while chunk := reply.body.read1(CHUNK_BYTES):
            if done == 0 and len(chunk) > 8:
                self._refuse_other(chunk)
            if total is not None and done + len(chunk) > total:
                raise self._start_over("more came than the server announced")
            if total is None:
                self._check_room(done, done + len(chunk))
            file.write(chunk)
            # Out of this process at once: what it holds is lost with it, and would be fetched again.
            file.flush()
            self._hash.update(chunk)
            done += len(chunk)
            self._hashed = done
            self._fetched += len(chunk)
            self._around.progress(done, total)
        if total is not None and done < total:
            raise Interrupted(f"the connection ended after {done} of {total} bytes")

    def _hash_until(self, file: BinaryIO, begin: int) -> None:
        """Bring the running hash and the freshly opened file to the byte where writing goes on."""
        if self._hashed != begin:
            self._hash, self._hashed = hashlib.sha256(), 0
            while self._hashed < begin:
                chunk = file.read(min(CHUNK_BYTES, begin - self._hashed))
                self._hash.update(chunk)
                self._hashed += len(chunk)
        file.seek(begin)
        file.truncate()

    def _refuse_other(self, start: bytes) -> None:
        try:
            refuse_other_formats(start[:64])
        except NotSafetensors as error:
            self._discard()
            raise DownloadError(f"what the address gives {error}", "Give the address of a .safetensors file") from None

    def _check_room(self, begin: int, total: int | None) -> None:
        free = self._around.free_bytes(self._target.parent)
        needed = (total or 0) - begin + RESERVE_BYTES
        if free < needed:
            self._discard()
            raise DownloadError(
                f"the disk has {free >> 20} MiB free, and the file with the reserve needs {needed >> 20} MiB",
                "Delete models, or deploy with a larger disk",
            )

    def _place(self) -> Fetched:
        """Check the whole file and give it its name."""
        digest, size = self._hash.hexdigest(), self._part.stat().st_size
        wanted = self._wanted.sha256.lower()
        try:
            if wanted and digest != wanted:
                if self._known.get("url") != self._wanted.url:
                    # Begun elsewhere, and one of the two was wrong: this source alone decides.
                    raise self._start_over("the beginning came from another source and does not fit")
                reason = f"the file has the SHA-256 {digest} and {wanted} was wanted; it was deleted"
                raise DownloadError(reason, "Check the address and --sha256")
            read_header(self._part)
        except NotSafetensors as error:
            self._discard()
            raise DownloadError(
                f"what came {error}; it was deleted", "Give the address of a .safetensors file"
            ) from None
        except DownloadError:
            self._discard()
            raise
        write_atomically(note_path(self._target), json.dumps({**self._known, "sha256": digest}).encode(), 0o600)
        self._part.chmod(0o644)
        self._part.replace(self._target)
        flush_folder(self._target.parent)
        self._note.unlink(missing_ok=True)
        return Fetched(self._target, digest, size, self._fetched)

    def _start_over(self, reason: str) -> Interrupted:
        self._discard()
        return Interrupted(reason, pause_s=0)

    def _read_note(self) -> dict[str, Any]:
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return note if isinstance(note, dict) else {}

    def _discard(self) -> None:
        self._part.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)
        self._known = {}
        self._hash, self._hashed = hashlib.sha256(), 0


def validator_of(headers: Mapping[str, str]) -> str:
    """Return what tells this version of a file from a later one: a strong ETag, else the time of its last change."""
    tag = headers.get("etag", "")
    return tag if tag and not tag.startswith("W/") else headers.get("last-modified", "")


def status_error(reply: Reply) -> Exception:
    """Return the error that a reply's status means."""
    status = reply.status
    if status in _RETRIED:
        after = reply.headers.get("retry-after", "")
        if after.isdigit() and int(after) > _LONGEST_RETRY_AFTER_S:
            return DownloadError(f"the server asks to come back in {int(after)} s (status {status})")
        return Interrupted(f"the server answers with status {status}", float(after) if after.isdigit() else None)
    if status in (401, 403):
        return DownloadError(f"the server refuses access (status {status})", "The file may need a login or a token")
    if status in (404, 410):
        return DownloadError(f"there is no such file on the server (status {status})", "Check the address")
    return DownloadError(f"the server answers with status {status}")
