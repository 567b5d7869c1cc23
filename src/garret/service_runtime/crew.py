"""The connections that fetch one file side by side, and what becomes of the others when one of them fails."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from garret.service_runtime.download_errors import DownloadError, Interrupted, Unusable, network
from garret.service_runtime.fetching import Line, Reply
from garret.service_runtime.part import Part
from garret.service_runtime.segments import OPEN_END, Segment
from garret.service_runtime.source import Source, broken_off

_NICE = 10
_TICK_S = 0.1
_IDLE_S = 0.2
_TRIES = 6
_SHORT_PAUSE_S = 0.5
_BUFFER_BYTES = 1 << 20
_LEAST_BUFFER_BYTES = 16 << 10


@dataclass(frozen=True)
class Start:
    """A first reply, for a segment of its own, or for the whole file from the beginning on."""

    line: Line
    reply: Reply
    segment: Segment | None
    end: int = OPEN_END


class Crew:
    """Up to so many connections, each in a thread; `look` sees the first bytes, `room` is asked when more come."""

    def __init__(
        self,
        source: Source,
        part: Part,
        sleep: Callable[[float], None],
        look: Callable[[bytes], None],
        room: Callable[[int], None],
    ) -> None:
        self._source, self._part, self._sleep, self._look, self._room = source, part, sleep, look, room
        self._lock = threading.Lock()
        self._lines: list[Line] = []
        self._ended = threading.Event()
        self._stopped = False
        self._failure: BaseException | None = None
        self._last: Interrupted | DownloadError | None = None
        self._working = 1

    def run(self, start: Start, connections: int, tick: Callable[[], None]) -> None:
        """Fetch until nothing is missing, calling `tick` meanwhile; raises what ended it before."""
        alone = start.segment is None
        threads = [threading.Thread(target=self._member, args=(start.line, start, connections), daemon=True)]
        for _ in range(0 if alone else connections - 1):
            threads.append(threading.Thread(target=self._member, args=(None, None, connections), daemon=True))
        try:
            for thread in threads:
                thread.start()
            while not self._ended.wait(_TICK_S):
                tick()
        finally:
            for thread in threads:
                while thread.is_alive():
                    self._stop()
                    thread.join(_TICK_S)
            self._part.segments.give_all_back()
        if self._failure is not None:
            raise self._failure
        if not self._part.complete:
            # Which of them says it all is for the next first request to find out.
            raise Interrupted(str(self._last or "the connections ended"), getattr(self._last, "pause_s", None))

    def _stop(self) -> None:
        self._stopped = True
        # Those who wait for something to do are woken too: what ended it may have been said by `tick`, by none of them.
        self._ended.set()
        with self._lock:
            for line in self._lines:
                line.hang_up()

    def _member(self, line: Line | None, start: Start | None, connections: int) -> None:
        """One connection's life: whoever fails waits and comes back, as long as others go on meanwhile."""
        _give_way()
        try:
            line = line or self._source.line()
            with self._lock:
                self._lines.append(line)
            if start is not None and start.segment is None:
                self._tried(partial(self._stream, start.reply))
                self._change(-1)
            else:
                self._segments(line, start, connections)
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            self._failure = self._failure or error
            self._stop()
        finally:
            if line is not None:
                line.close()
            self._change(0)

    def _segments(self, line: Line, start: Start | None, connections: int) -> None:
        segment, tries = (start.segment if start else self._take(connections, idle=True)), 0
        while segment is not None and not self._stopped:
            before = segment.position
            error = self._tried(partial(self._fetch, line, segment, start))
            start = None
            self._part.segments.give_back(segment)
            if error is not None:
                line.close()
                tries = 0 if segment.position > before else tries + 1
                if not self._come_back(tries, error):
                    return
            segment = self._take(connections)

    def _tried(self, work: Callable[[], None]) -> Interrupted | DownloadError | None:
        """Return what may be another connection's luck; the rest ends it for all."""
        try:
            work()
        except Unusable:
            raise
        except (Interrupted, DownloadError) as error:
            self._last = error
            return error
        return None

    def _come_back(self, tries: int, error: Exception) -> bool:
        """Wait a little, longer each time: the server may have enough of connections. False when all have failed."""
        if not tries and isinstance(error, Interrupted):
            self._sleep(_SHORT_PAUSE_S)
            return True
        self._change(-1)
        pause_s = max(2.0 ** (tries - 1), getattr(error, "pause_s", None) or 0.0)
        if tries >= _TRIES or self._ended.wait(pause_s):
            return False
        self._change(+1)
        return not self._ended.is_set()

    def _take(self, connections: int, idle: bool = False) -> Segment | None:
        """Wait for something to do: what another connection gives up, or is too slow for."""
        while True:
            with self._lock:
                segment = self._part.take(connections)
                self._working += int(idle) - int(segment is None)
                self._settle()
            if segment is not None:
                return segment
            idle = True
            if self._ended.wait(_IDLE_S):
                return None

    def _change(self, working: int) -> None:
        """Count those who have something in hand."""
        with self._lock:
            self._working += working
            self._settle()

    def _settle(self) -> None:
        """When nobody has anything in hand, and at the end, there is nothing to wait for."""
        if self._working <= 0 or self._failure is not None or self._part.complete:
            self._ended.set()

    def _fetch(self, line: Line, segment: Segment, given: Start | None) -> None:
        reply: Reply | None = None
        while segment.position < segment.end and not self._stopped:
            if given is not None:
                reply, end, given = given.reply, given.end, None
            else:
                reply, end = self._source.part(line, self._part.identity, segment)
            self._copy(reply, segment, end)
        if reply is not None and not reply.body.isclosed():
            line.close()  # What comes beyond the segment is another connection's.

    def _stream(self, reply: Reply) -> None:
        """Take from a reply with the whole file what is missing."""
        at = 0
        while not self._stopped and (segment := self._part.take(1)):
            try:
                self._skip(reply, segment.begin - at)
                self._copy(reply, segment, segment.end)
                at = segment.position
            finally:
                self._part.segments.give_back(segment)

    def _skip(self, reply: Reply, count: int) -> None:
        view = memoryview(bytearray(min(_BUFFER_BYTES, count)))
        while count:
            with network():
                came = reply.body.readinto1(view[:count])
            if not came:
                raise Interrupted("the connection ended before what is missing")
            self._source.came(came)
            count -= came

    def _copy(self, reply: Reply, segment: Segment, end: int) -> None:
        size = max((self._part.total or _BUFFER_BYTES) // 256, _LEAST_BUFFER_BYTES)
        view = memoryview(bytearray(min(size, _BUFFER_BYTES, self._part.segments.pace.least)))
        error: Exception | None = None
        while segment.position < min(segment.end, end) and not self._stopped:
            count, error = self._fill(reply, view[: min(segment.end, end) - segment.position])
            if segment.position == 0 and count > 8:
                self._look(bytes(view[: min(count, 64)]))
            if segment.end == OPEN_END:
                self._room(segment.position + count)
            self._part.write(segment, view[:count])
            if error is not None:
                raise error
            if not count and segment.end == OPEN_END:
                self._part.segments.finish(segment.position)
            elif not count:
                raise broken_off(segment.position, min(segment.end, end))

    def _fill(self, reply: Reply, view: memoryview) -> tuple[int, Exception | None]:
        """Read what there is, at most a good lump; an error comes with what was read before it."""
        filled = 0
        while filled < len(view):
            try:
                with network():
                    count = reply.body.readinto1(view[filled:])
            except (Interrupted, DownloadError) as error:
                return filled, error
            self._source.came(count)
            filled += count
            # Nothing waits in here for what comes later: a kill would lose it, and naps cost a paced link a tenth.
            if not count or not reply.more():
                break
        return filled, None


def _give_way() -> None:
    """Let this thread stand back behind the one that hashes, and behind whoever draws pictures (Linux: per thread)."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
