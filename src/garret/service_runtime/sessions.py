"""Who is logged in on the page: random ids in browsers' cookies, of which only the hashes are kept, also over restarts.

A session ends when nobody used it for a while, when it is old, by logging out, and with the login that opened it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import math
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from garret.service_runtime.files import write_atomically

logger = logging.getLogger(__name__)

MOST_OF_ONE = 32
"""So many sessions an owner may have; one more ends the one that was used longest ago."""
ID_LENGTH = 43
_LARGEST_FILE = 1 << 20
# On disk the last use may be older by so much: a file is not written for every request.
_WRITTEN_EVERY_S = 60.0
# A clock that was set back by more than that ends sessions rather than making them longer.
_CLOCK_SLACK_S = 300.0


@dataclass(frozen=True)
class Session:
    """`mark` is of the login that opened it; times are in seconds since 1970."""

    owner: str
    mark: str
    began: float
    used: float


class Sessions:
    """All sessions of a service; `idle_s` and `lasts_s` end them, `clock` gives seconds since 1970."""

    def __init__(self, path: Path, idle_s: float, lasts_s: float, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._idle_s = idle_s
        self._lasts_s = lasts_s
        self._clock = clock
        self._lock = threading.Lock()
        self._written = clock()
        self._sessions = self._read()

    def open(self, owner: str, mark: str) -> str:
        """Begin a session and return its id, which nobody could guess and which is kept nowhere."""
        now = self._clock()
        self._sessions = {key: one for key, one in self._sessions.items() if self._lives(one, now)}
        own = sorted((one.used, key) for key, one in self._sessions.items() if one.owner == owner)
        for _, key in own[: max(0, len(own) - MOST_OF_ONE + 1)]:
            del self._sessions[key]
        identifier = secrets.token_urlsafe(32)
        self._sessions[_key(identifier)] = Session(owner, mark, now, now)
        return identifier

    def owner(self, identifier: str, mark: str, *, in_use: bool = True) -> str:
        """Return whose session an id is, "" when it is none, is over, or was opened by another login."""
        key = _key(identifier)
        session = self._sessions.get(key)
        now = self._clock()
        if session is None:
            return ""
        if session.mark != mark or not self._lives(session, now):
            del self._sessions[key]
            return ""
        if in_use:
            self._sessions[key] = replace(session, used=now)
        return session.owner

    def end(self, identifier: str) -> bool:
        """End a session; False when there was none."""
        return self._sessions.pop(_key(identifier), None) is not None

    @property
    def is_due(self) -> bool:
        """Say whether what is on disk is older than it should be."""
        return not 0 <= self._clock() - self._written < _WRITTEN_EVERY_S

    def write(self) -> None:
        """Bring all sessions to the disk; for a thread, since the disk takes its time."""
        with self._lock:
            self._written = self._clock()
            kept = {key: asdict(one) for key, one in dict(self._sessions).items()}
            if not kept and not self._path.exists():
                return
            try:
                write_atomically(self._path, json.dumps(kept, separators=(",", ":")).encode("ascii"), 0o600)
            except OSError as error:
                # What is there may name a session that was ended; better everybody logs in again after a restart.
                logger.warning("%s cannot be written: %s", self._path, error)
                with contextlib.suppress(OSError):
                    self._path.unlink()

    def _lives(self, session: Session, now: float) -> bool:
        idle, age = now - session.used, now - session.began
        return min(idle, age) > -_CLOCK_SLACK_S and idle < self._idle_s and age < self._lasts_s

    def _read(self) -> dict[str, Session]:
        try:
            with self._path.open("rb") as file:
                found = json.loads(file.read(_LARGEST_FILE))
            sessions = {str(key): _session(values) for key, values in found.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
            logger.warning("%s cannot be read, and everybody logs in again: %s", self._path, error)
            return {}
        now = self._clock()
        return {key: one for key, one in sessions.items() if self._lives(one, now)}


def _session(values: dict[str, object]) -> Session:
    session = Session(**values)  # type: ignore[arg-type]
    if not all(isinstance(text, str) for text in (session.owner, session.mark)):
        raise TypeError("owner and mark are texts")
    if not all(math.isfinite(moment) for moment in (session.began, session.used)):
        raise ValueError("a time is a number")
    return session


def _key(identifier: str) -> str:
    return hashlib.sha256(identifier.encode("utf-8", "surrogatepass")).hexdigest()
