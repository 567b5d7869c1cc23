"""One file over the network: in parts side by side, resumed where it broke off, put in place whole or not at all."""

from __future__ import annotations

import json
import time
from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path

from garret.service_runtime.crew import Crew, Start
from garret.service_runtime.download_errors import (
    NO_ROOM,
    DownloadCancelled,
    DownloadError,
    Interrupted,
    RangesRefused,
    StartOver,
    Unusable,
)
from garret.service_runtime.fetching import Line
from garret.service_runtime.files import flush_folder, write_atomically
from garret.service_runtime.forms import FORMS, WrongForm, early_header
from garret.service_runtime.models import sha256_of
from garret.service_runtime.part import Identity, Part, PartFiles, read_begun
from garret.service_runtime.replies import place_of
from garret.service_runtime.safetensors_header import Header
from garret.service_runtime.segments import Span
from garret.service_runtime.source import Source
from garret.service_runtime.wanted import RESERVE_BYTES, Fetched, Surroundings, Wanted, note_path

__all__ = [
    "RESERVE_BYTES",
    "DownloadCancelled",
    "DownloadError",
    "Fetched",
    "Surroundings",
    "Transfer",
    "Wanted",
    "bytes_begun",
    "note_path",
]

TRIES_WITHOUT_PROGRESS = 5
_LONGEST_PAUSE_S = 30.0
_TELL_AGAIN_S = 5.0
_MOST_STARTS = 4
_PLAIN_AFTER_STARTS = 2


def bytes_begun(target: Path) -> int:
    """Return how much of a half-done file is there from before."""
    begun = read_begun(PartFiles.of(target))
    return sum(end - begin for begin, end in begun.spans) if begun else 0


class Transfer:
    """The state of one download over all its tries: the part that is there, and what was learnt of the server."""

    def __init__(self, wanted: Wanted, target: Path, around: Surroundings) -> None:
        self._wanted, self._target, self._around = wanted, target, around
        self._form = FORMS[wanted.form]
        self._source = Source(wanted.url, wanted.token, wanted.sha256.lower(), around.policy)
        self._part: Part | None = None
        self._starts = 0
        self._told_all = -_TELL_AGAIN_S
        self._approved = wanted.form == "preview"

    def run(self) -> Fetched:
        """Try until the file is whole, resuming; give up after a few tries that brought nothing."""
        try:
            return self._try_on()
        except DownloadCancelled:
            self._discard()
            raise
        except DownloadError as error:
            if isinstance(error, Unusable):
                self._discard()
            error.bytes_fetched = self._source.fetched
            raise
        except OSError as error:
            self._discard()
            if error.errno in NO_ROOM:
                raise Unusable("the disk is full; nothing of the file was kept", "Make room first") from None
            raise DownloadError(f"{self._target.parent}: {error.strerror or error}") from error
        finally:
            if self._part is not None:
                self._part.keep()

    def _try_on(self) -> Fetched:
        tries = 0
        while True:
            before = self._there()
            try:
                return self._once()
            except StartOver as error:
                self._start_over(error)
            except Interrupted as error:
                if isinstance(error, RangesRefused):
                    self._source.refused_a_range()
                tries = 0 if self._there() > before else tries + 1
                if tries >= TRIES_WITHOUT_PROGRESS:
                    hint = "What came is kept: the same command goes on from there" if self._there() else ""
                    message = f"gave up after {tries} tries that brought nothing: {error}"
                    raise DownloadError(message, hint, passing=True) from None
                self._pause(min(2.0**tries / 2, _LONGEST_PAUSE_S) if error.pause_s is None else error.pause_s)

    def _there(self) -> int:
        return self._part.segments.count() if self._part else 0

    def _start_over(self, error: StartOver) -> None:
        self._discard()
        self._starts += 1
        if self._starts >= _MOST_STARTS:
            raise DownloadError(f"gave up after {self._starts} beginnings: {error}", "Try again later", passing=True)
        # Servers that do not agree on a file's version will give one of them in one piece.
        self._source.by_ranges = self._source.by_ranges and self._starts < _PLAIN_AFTER_STARTS

    def _pause(self, seconds: float) -> None:
        """Wait, hearing a cancellation meanwhile."""
        while seconds > 0:
            self._around.sleep(min(seconds, 1.0))
            seconds -= 1.0
            self._tell()

    def _tell(self) -> None:
        part, now = self._part, time.monotonic()
        if part is None:
            return
        # That all has come is news once; afterwards it is told for the sake of who wants to cancel the checking.
        if not part.complete or now - self._told_all >= _TELL_AGAIN_S:
            self._told_all = now if part.complete else self._told_all
            self._around.progress(self._there(), part.total)

    def _once(self) -> Fetched:
        part = self._resume()
        if part is None or not part.complete:
            with closing(self._source.line()) as line:
                part, start = self._continued(line, part) if part else self._begun(line)
                self._tell()
                crew = Crew(self._source, part, self._around.sleep, self._look, self._more_room)
                crew.run(start, self._around.pace.connections, partial(self._tick, part))
        return self._place(part)

    def _resume(self) -> Part | None:
        """Take up what an earlier process left, or this one; what this source cannot continue is let go."""
        if self._part is None and not self._starts:
            begun = read_begun(PartFiles.of(self._target), self._around.boot)
            if begun and begun.spans and self._source.may_continue(begun.identity):
                self._part = self._open(begun.identity, begun.spans)
        part = self._part
        if part is not None and (part.total is None or not self._source.may_continue(part.identity)):
            self._discard()
        return self._part

    def _open(self, identity: Identity, spans: list[Span]) -> Part:
        if spans == [] and self._form.maximum_bytes is not None and (identity.total or 0) > self._form.maximum_bytes:
            raise Unusable(f"the file has {identity.total} bytes, more than such a file may have", self._form.hint)
        self._check_room((identity.total or 0) - sum(end - begin for begin, end in spans))
        files, around = PartFiles.of(self._target), self._around
        return Part(files, identity, spans, around.pace, pwrite=around.pwrite, boot=around.boot)

    def _begun(self, line: Line) -> tuple[Part, Start]:
        """Begin the file."""
        reply = self._source.start(line, self._around.pace.first)
        self._part = part = self._open(self._source.identity(reply), [])
        self._approved = self._wanted.form == "preview"
        place = place_of(reply) if reply.status == 206 else None
        if place is None:
            return part, Start(line, reply, None)
        return part, Start(line, reply, part.take(self._around.pace.connections, place.end), place.end)

    def _continued(self, line: Line, part: Part) -> tuple[Part, Start]:
        """Go on with the file."""
        if not self._source.by_ranges:
            reply = self._source.whole(line)
            if not self._source.is_same_file(reply, part.identity):
                raise StartOver("the file changed on the server")
            return part, Start(line, reply, None)
        segment = part.take(self._around.pace.connections)
        if segment is None:
            raise Interrupted("nothing is missing")
        try:
            reply, end = self._source.part(line, part.identity, segment)
        except BaseException:
            part.segments.give_back(segment)
            raise
        return part, Start(line, reply, segment, end)

    def _tick(self, part: Part) -> None:
        """Look after everything that is not bytes, several times a second."""
        part.flush_now_and_then()
        self._approve(part)
        self._tell()

    def _approve(self, part: Part) -> None:
        # A pickle's table lies at the end of its file.
        if self._approved or self._wanted.form != "model":
            return
        try:
            header = early_header(part.read, part.segments.contiguous(), part.total)
        except WrongForm as error:
            raise self._wrong_form(error) from None
        if header is not None:
            self._ask_approval(header)

    def _ask_approval(self, header: Header) -> None:
        self._approved = True
        try:
            self._wanted.approve(header)
        except DownloadError as error:
            raise Unusable(error.message, error.hint) from None

    def _look(self, start: bytes) -> None:
        try:
            self._form.start(start)
        except WrongForm as error:
            raise Unusable(f"what the address gives {error}", self._form.hint) from None

    def _wrong_form(self, error: Exception) -> Unusable:
        return Unusable(f"what came {error}; it was deleted", self._form.hint)

    def _more_room(self, size: int) -> None:
        """Look for room as a file of unannounced size grows."""
        if self._form.maximum_bytes is not None and size > self._form.maximum_bytes:
            raise Unusable("the file is larger than such a file may be", self._form.hint)
        self._check_room(0)

    def _check_room(self, more: int) -> None:
        free, needed = self._around.free_bytes(self._target.parent), more + RESERVE_BYTES
        if free < needed:
            raise Unusable(
                f"the disk has {free >> 20} MiB free, and the file with the reserve needs {needed >> 20} MiB",
                "Delete models, or deploy with a larger disk",
            )

    def _place(self, part: Part) -> Fetched:
        """Check the whole file and give it its name."""
        digest, wanted = part.digest(partial(self._tick, part)), self._source.sha256
        if wanted and digest != wanted:
            elsewhere = part.resumed or self._source.mixed or part.identity.url != self._wanted.url
            if elsewhere and not self._starts:
                # Put together from several times or versions: this source alone, in one go, decides.
                raise StartOver("the parts do not fit together")
            reason = f"the file has the SHA-256 {digest} and {wanted} was wanted; it was deleted"
            raise Unusable(reason, "Check the address and --sha256")
        try:
            suffix = self._form.whole(part.files.data)
            if not self._approved:
                self._ask_approval(self._form.header(part.files.data))
        except WrongForm as error:
            raise self._wrong_form(error) from None
        named = self._target.name.lower().endswith(suffix)
        return self._name(part, self._target.with_name(self._target.name + ("" if named else suffix)), digest)

    def _name(self, part: Part, target: Path, digest: str) -> Fetched:
        if target.exists():
            # It came another way meanwhile, as by an upload: a finished file is never written over.
            if sha256_of(target) != digest:
                hint = "Give another --name, or remove that one first: garret ops remove-model"
                raise Unusable(f"another file is called {target.name} by now", hint)
            self._discard()
            return Fetched(target, digest, target.stat().st_size, self._source.fetched)
        part.seal()
        note = {**asdict(part.identity), "total": part.total, "sha256": digest}
        write_atomically(note_path(target), json.dumps(note).encode(), 0o600)
        part.files.data.chmod(0o644)
        part.files.data.replace(target)
        flush_folder(target.parent)
        self._tell()
        self._discard()
        return Fetched(target, digest, note["total"] or 0, self._source.fetched)

    def _discard(self) -> None:
        part, self._part = self._part, None
        if part is not None:
            part.discard()
        else:
            PartFiles.of(self._target).discard()
