"""The running service as other processes of its user see it: who it is, whether it is ready, and how to begin anew."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from garret.service_runtime.files import write_atomically

RESTART = signal.SIGUSR2
"""The signal that has the service end its jobs and begin anew, in the same process."""
LISTENER = "GARRET_LISTENER"
"""Where the new one finds the socket of the one before: callers wait in its queue meanwhile."""
_TRIES, _PAUSE_S = 20, 0.02


@dataclass(frozen=True)
class Life:
    """One run of the service; `id` is another one after each restart."""

    id: str
    pid: int
    ready: bool


class Beacon:
    """Held by the running service: as long as its lock is taken, what its file says is true."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "service.json"
        self._lock: IO[str] = (state_dir / "service.lock").open("a")
        # Whoever looks tries the lock for a moment.
        for _ in range(_TRIES):
            with suppress(BlockingIOError):
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(_PAUSE_S)
        # What an earlier service wrote there is not true any more.
        self._path.unlink(missing_ok=True)
        self._id = secrets.token_hex(8)
        self.tell(False)

    def tell(self, ready: bool) -> None:
        """Write how it is."""
        text = json.dumps({"id": self._id, "pid": os.getpid(), "ready": ready})
        write_atomically(self._path, text.encode(), 0o640)


def look(state_dir: Path) -> Life | None:
    """Return the service that runs now, or None."""
    try:
        with (state_dir / "service.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pass
    except OSError:
        return None
    else:
        return None
    try:
        found: dict[str, Any] = json.loads((state_dir / "service.json").read_text(encoding="utf-8"))
        return Life(str(found["id"]), int(found["pid"]), bool(found["ready"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def begin_anew(listener: int) -> None:
    """Become a new process of the same program, with the same id, that goes on listening on this socket."""
    os.set_inheritable(listener, True)
    os.environ[LISTENER] = str(listener)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  (our own arguments, no shell)
