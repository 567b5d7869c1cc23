"""What a node remembers of its idleness across an end of the service, on the disk."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from garret.service_runtime.files import write_atomically
from garret.service_runtime.gaps import Gaps
from garret.service_runtime.idle import Idle

logger = logging.getLogger(__name__)

EVERY_S = 30.0
SAME_LIFE_S = 150.0
"""A service that comes back sooner than this on the same boot was restarted; the node was not."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass
class Signs:
    """The file of one node; `wall` is the time of day in seconds since 1970, which goes on while nobody runs."""

    path: Path
    idle: Idle
    wall: Callable[[], float] = time.time
    boot: str = ""
    since: float = 0.0
    """From when on a time of day that comes counts: the start, or what the service before this one had seen."""
    _written: float = -1e9

    def take_up(self) -> None:
        """Go on where a service that crashed has left off; after a start of the node, note how long it was away.

        A service that crashes again and again would otherwise begin to count anew each time, and run up a bill for
        ever; but a node that somebody started must not stop at once for a silence that its own stop made.
        """
        now, before = self.wall(), self._read()
        self.boot = self.boot or _boot_id()
        self.since = now
        self.idle.gaps = Gaps(_numbers(before.get("gaps")))
        seen, last = _number(before.get("seen")), _number(before.get("last"))
        if seen is None or last is None:
            return
        same_life = before.get("boot") == self.boot and 0 <= now - seen < SAME_LIFE_S
        if same_life:
            # A restart at that minute must not let the time of day go by.
            self.since = seen
        if same_life and not before.get("ended"):
            self.idle.goes_on_from(now - last, str(before.get("sign") or "before the service ended"))
        else:
            self.idle.gaps.add(now - last)

    def note(self, *, ended: bool = False) -> None:
        """Write down what is known, not more often than it matters; `ended` says that somebody ended the service."""
        now = self.wall()
        if not ended and 0 <= now - self._written < EVERY_S:
            return
        self._written = now
        record = {
            "boot": self.boot,
            "seen": round(now, 1),
            "last": round(now - self.idle.seconds, 1),
            "sign": self.idle.sign,
            "ended": ended,
            "gaps": self.idle.gaps.kept,
        }
        try:
            write_atomically(self.path, json.dumps(record).encode(), 0o640)
        except OSError as error:  # a full disk must not end the watch
            logger.warning("autostop: %s: %s", self.path.name, error)

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self.path.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def _boot_id() -> str:
    try:
        return BOOT_ID.read_text("ascii").strip()
    except OSError:
        return ""


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _numbers(value: object) -> list[float]:
    return [float(one) for one in value if isinstance(one, int | float)] if isinstance(value, list) else []
