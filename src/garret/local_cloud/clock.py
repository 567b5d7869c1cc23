"""Time as the local cloud sees it, so that a test can move it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta


class Clock:
    """The machine's own time, always UTC."""

    def now(self) -> datetime:
        """This moment, aware, UTC."""
        return datetime.now(UTC)

    def stamp(self) -> str:
        """This moment to the second as the vendor writes it: 2026-01-31T08:00:00Z."""
        return stamp(self.now())


class ManualClock(Clock):
    """A clock that moves only when told to."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime(2026, 1, 1, tzinfo=UTC)
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The moment it was last moved to."""
        with self._lock:
            return self._now

    def advance(self, seconds: float) -> None:
        """Move on by `seconds`."""
        with self._lock:
            self._now += timedelta(seconds=seconds)


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
