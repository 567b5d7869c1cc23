"""A clock for verbs whose cloud is on loopback: every wait is short, and the time that was not waited has passed."""

from __future__ import annotations

import time

LONGEST_S = 0.01


class HastyClock:
    """Waits a hundredth of a second at most, and says that it waited as long as it was told to."""

    def __init__(self) -> None:
        self.skipped = 0.0

    def monotonic(self) -> float:
        """Seconds, those included that nobody waited."""
        return time.monotonic() + self.skipped

    def sleep(self, seconds: float) -> None:
        """Wait a little."""
        real = min(seconds, LONGEST_S)
        time.sleep(real)
        self.skipped += seconds - real
