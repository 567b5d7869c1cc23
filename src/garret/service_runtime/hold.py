"""A person's word that the node is to stay on for a while: autostop does not act before it is over."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from garret.service_runtime.files import write_atomically

LONGEST_S = 86_400.0
"""A word that is forgotten must not pay for a node for ever."""


@dataclass(frozen=True)
class Held:
    """Until when the node stays on, in seconds since 1970, and who said so."""

    until: float
    by: str = ""

    def to_dict(self, now: float) -> dict[str, Any]:
        """Return the record as the API tells it."""
        return {"until": round(self.until, 1), "left_s": round(max(0.0, self.until - now), 1), "by": self.by}


class Hold:
    """The file of one node's hold; without one nothing is ever held."""

    def __init__(self, path: Path | None = None, wall: Callable[[], float] = time.time) -> None:
        self._path, self._wall = path, wall

    def read(self) -> Held | None:
        """Return the hold now, None when there is none; one that lasts longer than any may counts as none.

        Read anew each time: what cannot be read must not keep a node on, nor what a clock set wrong has made.
        """
        if self._path is None:
            return None
        try:
            found = json.loads(self._path.read_text("utf-8"))
            held = Held(float(found["until"]), str(found.get("by", ""))[:200])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return held if 0 < held.until - self._wall() <= LONGEST_S else None

    def begin(self, seconds: float, by: str) -> Held:
        """Keep the node on for so long from now on, in place of what was said before."""
        held = Held(self._wall() + min(seconds, LONGEST_S), by)
        if self._path is not None:
            write_atomically(self._path, json.dumps({"until": held.until, "by": held.by}).encode(), 0o640)
        return held

    def end(self) -> None:
        """Take it back; where there is none, nothing changes."""
        if self._path is not None:
            with suppress(FileNotFoundError):
                self._path.unlink()
