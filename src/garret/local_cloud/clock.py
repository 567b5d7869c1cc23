"""Time as the local cloud sees it, so that a test can move it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta


class Clock:
    """The machine's own time, always UTC, and how far the cloud's was moved on from it."""

    def __init__(self) -> None:
        self._ahead = timedelta()
        self._lock = threading.Lock()
        self._bell = threading.Condition()

    @property
    def advanced_s(self) -> float:
        """By how many seconds the cloud's time was moved on."""
        with self._lock:
            return self._ahead.total_seconds()

    def now(self) -> datetime:
        """This moment in the cloud, aware, UTC."""
        with self._lock:
            return self.real() + self._ahead

    def real(self) -> datetime:
        """This moment outside: requests are signed by it."""
        return datetime.now(UTC)

    def advance(self, seconds: float) -> None:
        """Move the cloud's time on by `seconds`; it never goes back."""
        with self._lock:
            self._ahead += timedelta(seconds=seconds)
        self.ring()

    def wait(self, seconds: float) -> None:
        """Sleep that many seconds of the world outside, or until the clock is moved on or somebody rings."""
        with self._bell:
            self._bell.wait(seconds)

    def ring(self) -> None:
        """Wake whoever waits: they look for themselves what there is to do."""
        with self._bell:
            self._bell.notify_all()

    def stamp(self) -> str:
        """This moment to the second as the vendor writes it: 2026-01-31T08:00:00Z."""
        return stamp(self.now())


class ManualClock(Clock):
    """A clock that moves only when told to."""

    def __init__(self, start: datetime | None = None) -> None:
        super().__init__()
        self._start = start or datetime(2026, 1, 1, tzinfo=UTC)

    def real(self) -> datetime:
        """The moment it started at."""
        return self._start


def stamp(moment: datetime) -> str:
    """`moment` to the second: 2026-01-31T08:00:00Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def minute_stamp(moment: datetime) -> str:
    """`moment` to the minute, as ECS writes creation times: 2026-01-31T08:00Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")


def parse_stamp(text: str) -> datetime:
    """The moment of an ISO text with a Z; ValueError when it is none."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    return moment.astimezone(UTC)
