"""Who is told what becomes of jobs, as it happens: numbers, the log, traces."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from garret.service_runtime.live import Live

ENDS = ("success", "failed", "cancelled", "expired")


class JobWatcher:
    """Hears of each job at most once of each kind; none of it may take long, for it runs in the event loop."""

    def accepted(self, live: Live) -> None:
        """A job is in the queue; after a restart of the service once more."""

    def begun(self, live: Live) -> None:
        """A worker has begun it."""

    def ended(self, live: Live, end: str, why: str) -> None:
        """It is over, with one of `ENDS`; `why` is the reason where there is no picture."""
