"""Secrets of an operation, handed over by the service's own API before the operation begins, and taken once.

Cloud Assistant keeps what it carries, so a token for a model's source goes another way: to the service over TLS, into a
file that only the service's user may read, and from there into the operation's process, which deletes the file.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path

from garret.service_runtime.executions import IDENTIFIER
from garret.service_runtime.files import write_atomically

FOLDER = "handed"
KEPT_S = 600.0
"""How long a secret waits for its operation."""
MOST_WAITING = 32


class NotTaken(ValueError):
    """A secret that cannot be kept; the text says why."""


def hand_over(state_dir: Path, identifier: str, tokens: dict[str, str]) -> None:
    """Keep tokens by their names for the operation that is about to begin.

    Raises:
        NotTaken: the id is none, or too many wait already.
    """
    if not IDENTIFIER.fullmatch(identifier):
        raise NotTaken("is not the id of an execution: 32 characters of 0-9 and a-f")
    folder = state_dir / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    drop_old(state_dir)
    if len(list(folder.glob("*.json"))) >= MOST_WAITING:
        raise NotTaken(f"{MOST_WAITING} secrets wait for their operations already")
    write_atomically(folder / f"{identifier}.json", json.dumps(tokens).encode(), 0o600)


def take(state_dir: Path, identifier: str) -> dict[str, str] | None:
    """Return what was handed over for an operation, which is gone then; None when there is nothing."""
    path = state_dir / FOLDER / f"{identifier}.json"
    try:
        tokens = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    finally:
        path.unlink(missing_ok=True)
    return tokens if isinstance(tokens, dict) else None


def drop_old(state_dir: Path, older_than_s: float = KEPT_S) -> None:
    """Delete what no operation came for."""
    for path in (state_dir / FOLDER).glob("*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > older_than_s:
                path.unlink()
