"""One server's copy of a file: how its parts are asked for, and whether what it answers fits."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from garret.service_runtime.download_errors import Interrupted, RangesRefused, StartOver, network
from garret.service_runtime.fetching import Credential, Line, Policy, Reply
from garret.service_runtime.part import Identity
from garret.service_runtime.replies import length_of, place_of, refuse_pages, status_error, validator_of
from garret.service_runtime.segments import Segment

# With these, a server may mean the range and not the file.
_ANSWERS_TO_RANGES = (400, 403, 405, 406, 412, 416, 501)
_REFUSALS = 2


@dataclass
class Source:
    """What was learnt of the server: `by_ranges`, whether it gives parts; `mixed`, whether its copies differ."""

    url: str
    token: Credential
    sha256: str
    policy: Policy
    by_ranges: bool = True
    mixed: bool = False
    fetched: int = 0
    refusals: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def line(self) -> Line:
        """Return a way to it that is not opened yet."""
        return Line(self.url, self.token, self.policy)

    def came(self, count: int) -> None:
        """Count bytes that went over the network."""
        with self._lock:
            self.fetched += count

    def may_continue(self, identity: Identity) -> bool:
        """Say whether bytes from here can be put to those: of one version, or of one hash."""
        of_this_hash = bool(self.sha256) and identity.wanted == self.sha256
        return of_this_hash or (bool(identity.validator) and identity.url == self.url)

    def start(self, line: Line, first: int) -> Reply:
        """Ask for the first bytes, else for all; returns a 206 whose bytes can be continued, or a 200.

        Raises:
            DownloadError, Interrupted: the server gives neither.
        """
        if self.by_ranges:
            with network():
                reply = line.get({"Range": f"bytes=0-{first - 1}"})
            place = place_of(reply) if reply.status == 206 else None
            vouched = validator_of(reply.headers) or self.sha256
            if place and place.begin == 0 and vouched:
                refuse_pages(reply)
                return reply
            if reply.status != 206 and reply.status not in _ANSWERS_TO_RANGES:
                return self._whole(reply)
            if reply.status == 206:
                self.by_ranges = False  # Nothing would tell whether later parts belong to these.
            else:
                self.refused_a_range()
            line.close()
        return self.whole(line)

    def whole(self, line: Line) -> Reply:
        """Ask for the file from its beginning on, in one piece."""
        with network():
            return self._whole(line.get({}))

    def _whole(self, reply: Reply) -> Reply:
        if reply.status != 200:
            raise status_error(reply)
        refuse_pages(reply)
        return reply

    def identity(self, reply: Reply) -> Identity:
        """Return which file a first reply begins."""
        place = place_of(reply) if reply.status == 206 else None
        total = place.total if place else length_of(reply)
        return Identity(self.url, validator_of(reply.headers), total, self.sha256)

    def is_same(self, reply: Reply, identity: Identity) -> bool:
        """Say whether a reply's bytes are of the file that was begun."""
        validator = validator_of(reply.headers)
        if identity.url == self.url and validator != identity.validator:
            self.mixed = True
        # Copies of one hash may be called differently by each server behind an address.
        of_this_hash = bool(self.sha256) and identity.wanted == self.sha256
        return of_this_hash or not validator or validator == identity.validator

    def is_same_file(self, reply: Reply, identity: Identity) -> bool:
        """Say whether a whole file is the one that was begun."""
        vouched = self.is_same(reply, identity) and (validator_of(reply.headers) or self.sha256)
        return bool(vouched) and length_of(reply) in (None, identity.total)

    def part(self, line: Line, identity: Identity, segment: Segment) -> tuple[Reply, int]:
        """Ask for the rest of a segment; returns a reply that begins right there, and where it ends.

        Raises:
            StartOver: the file is another one by now.
            Interrupted, DownloadError: the server does not give these bytes.
        """
        headers = {"Range": f"bytes={segment.position}-{segment.end - 1}"}
        if identity.url == self.url and identity.validator and not self.mixed:
            headers["If-Range"] = identity.validator
        with network():
            reply = line.get(headers)
        if reply.status == 206:
            return reply, self._checked(reply, identity, segment)
        if reply.status == 200 and not self.is_same(reply, identity):
            raise StartOver("the file changed on the server")
        if reply.status == 200 or reply.status in _ANSWERS_TO_RANGES:
            raise RangesRefused(f"the server does not give the part that was asked for (status {reply.status})")
        raise status_error(reply)

    def _checked(self, reply: Reply, identity: Identity, segment: Segment) -> int:
        if not self.is_same(reply, identity):
            raise StartOver("the file changed on the server")
        if not self._is_vouched(reply, identity):
            raise RangesRefused("the server does not say of which version of the file its part is")
        refuse_pages(reply)
        place = place_of(reply)
        if place is None or place.begin != segment.position or place.total != identity.total:
            raise RangesRefused("the server sent another part than the one asked for")
        self.refusals = 0
        return place.end

    def _is_vouched(self, reply: Reply, identity: Identity) -> bool:
        """Say whether a part tells its version: with an ETag it must (RFC 9110, 15.3.7); else a known hash decides."""
        of_this_hash = bool(self.sha256) and identity.wanted == self.sha256
        return of_this_hash or bool(validator_of(reply.headers)) or not identity.validator.startswith('"')

    def refused_a_range(self) -> None:
        """Give ranges up when a server does not give any, several times in a row."""
        self.refusals += 1
        self.by_ranges = self.by_ranges and self.refusals < _REFUSALS


def broken_off(position: int, end: int) -> Interrupted:
    """Return the error of a reply that was shorter than announced."""
    return Interrupted(f"the connection ended after {position} of {end} bytes")
