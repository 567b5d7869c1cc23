"""The last lines of this process's log, kept for whoever is logged in: bounded, without secrets and others' words."""

from __future__ import annotations

import logging
import re
import threading
import time
import traceback
from collections import deque
from datetime import UTC, datetime
from typing import Any

MOST_LINES = 2000
LONGEST_LINE = 2000
_FRAMES = 12
_FIELDS = ("job", "jobs", "model", "pictures", "seconds", "end")
"""What a line may have beside its message; not whose job it was, and not why it failed: that may quote its words."""
_HIDDEN = "[hidden]"
_SECRETS = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9+/=._~-]{6,}"), rf"\1 {_HIDDEN}"),
    # What comes after a question mark or before an @ in an address may open something.
    (re.compile(r"(?i)([a-z][a-z0-9+.-]*://)[^\s/@]+@"), rf"\1{_HIDDEN}@"),
    (re.compile(r"((?:://|/)[^\s?\"'<>]*\?)[^\s\"'<>]+"), rf"\1{_HIDDEN}"),
    (re.compile(r"\b(?:whsec_|hf_|sk-|ghp_|LTAI|STS\.)[A-Za-z0-9+/=_-]{8,}"), _HIDDEN),
    (
        re.compile(
            r"(?i)\b((?:[a-z]+[_-])*(?:password|passwd|token|secret|api[_-]?key|authorization|cookie|signature|"
            r"access[_-]?key(?:[_-]?(?:id|secret))?|session)(?:[_-][a-z]+)*[\"']?\s*[=:]\s*)[\"']?[^\s\"',;&]+[\"']?"
        ),
        rf"\1{_HIDDEN}",
    ),
    # As long and as mixed as tokens are, and no model's or job's name.
    (re.compile(r"(?<![\w-])(?=[^\s]*\d)(?=[^\s]*[a-z])(?=[^\s]*[A-Z])[A-Za-z0-9_-]{40,}(?![\w-])"), _HIDDEN),
)


class LogRing(logging.Handler):
    """Keeps the last records of a logger, each with a number that grows, also over a restart of the service."""

    def __init__(self, size: int = MOST_LINES) -> None:
        super().__init__(logging.INFO)
        self._lines: deque[dict[str, Any]] = deque(maxlen=size)
        # Milliseconds since 1970: whoever asks for what came after a line of the process before this one gets it.
        self._number = int(time.time() * 1000)
        self._taking = threading.Lock()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        try:
            line = _line(record)
        except Exception:  # noqa: BLE001  (a line that cannot be said must not end what it is about)
            self.handleError(record)
            return
        with self._taking:
            self._number += 1
            self._lines.append({"number": self._number, **line})

    def newest(self, lines: int, after: int = 0) -> list[dict[str, Any]]:
        """Return the last so many lines with a greater number than `after`, oldest first."""
        with self._taking:
            kept = list(self._lines)
        return [line for line in kept if line["number"] > after][-lines:]


RING = LogRing()
"""That of this process; `logs.set_up` fills it."""


def clean(text: str) -> str:
    """Return a text without what could open anything, on one line and not too long."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return " ".join(text.split())[:LONGEST_LINE]


def _line(record: logging.LogRecord) -> dict[str, Any]:
    moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    line: dict[str, Any] = {
        "time": moment.replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": clean(record.getMessage()[: 4 * LONGEST_LINE]),
    }
    for name in _FIELDS:
        if hasattr(record, name):
            value = getattr(record, name)
            line[name] = clean(value) if isinstance(value, str) else value
    if record.exc_info and record.exc_info[0] is not None:
        line["traceback"] = _traceback(record.exc_info)
    return line


def _traceback(said: Any) -> list[str]:
    """Return where it happened and what kind of error it was; its text may hold what somebody asked for."""
    kind, _, trace = said
    frames = traceback.extract_tb(trace)[-_FRAMES:]
    places = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} in {frame.name}" for frame in frames]
    return [*places, kind.__name__]
