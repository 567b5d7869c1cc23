"""Accepted jobs on disk: a job that was accepted and is not over is found again after a crash. SQLite, WAL."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from garret.service_runtime.request import ImageRequest

WAITING, RUNNING, SUCCESS, FAILED, CANCELLED = "Queued", "Running", "Success", "Failed", "Cancelled"
OPEN = (WAITING, RUNNING)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    state TEXT NOT NULL,
    request TEXT NOT NULL,
    pictures TEXT NOT NULL DEFAULT '[]',
    error TEXT,
    starts INTEGER NOT NULL DEFAULT 0,
    created_at REAL NOT NULL,
    started_at REAL,
    ended_at REAL
);
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, created_at);
"""


@dataclass(frozen=True)
class Job:
    """One accepted request; times are seconds since 1970, `pictures` are file names in the pictures folder."""

    id: str
    owner: str
    state: str
    request: ImageRequest
    pictures: tuple[str, ...] = ()
    error: dict[str, str] | None = None
    starts: int = 0
    created_at: float = 0.0
    started_at: float | None = None
    ended_at: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON values."""
        return {**vars(self), "request": self.request.to_dict(), "pictures": list(self.pictures)}


class JobStore:
    """The table of jobs. One connection under a lock: SQLite takes one writer at a time anyway."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
        self._database.row_factory = sqlite3.Row
        self._database.execute("PRAGMA journal_mode=WAL")
        # Every commit reaches the disk before a job counts as accepted; NORMAL would lose the last ones with the power.
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the database; the write-ahead log is folded in."""
        with self._lock:
            self._database.close()

    def add(self, job_id: str, owner: str, request: ImageRequest) -> None:
        """Write an accepted job; from here on it is not lost."""
        self._execute(
            "INSERT INTO jobs (id, owner, state, request, created_at) VALUES (?, ?, ?, ?, ?)",
            (job_id, owner, WAITING, json.dumps(request.to_dict()), time.time()),
        )

    def start(self, job_id: str) -> None:
        """Note that a worker has begun, and for which time."""
        self._execute(
            "UPDATE jobs SET state = ?, starts = starts + 1, started_at = ? WHERE id = ? AND state IN (?, ?)",
            (RUNNING, time.time(), job_id, *OPEN),
        )

    def finish(self, job_id: str, pictures: tuple[str, ...]) -> None:
        """Note that all pictures are on disk."""
        self._end(job_id, SUCCESS, pictures, None)

    def fail(self, job_id: str, error: str, message: str) -> None:
        """Note why there will be no picture."""
        self._end(job_id, FAILED, (), {"error": error, "message": message})

    def cancel(self, job_id: str, reason: str) -> None:
        """Note that nobody wants the job any more."""
        self._end(job_id, CANCELLED, (), {"error": "Cancelled", "message": reason})

    def get(self, job_id: str) -> Job | None:
        """Return one job, or None."""
        rows = self._execute("SELECT * FROM jobs WHERE id = ?", (job_id,))
        return _job(rows[0]) if rows else None

    def unfinished(self) -> list[Job]:
        """Return the jobs that were accepted and are not over, oldest first."""
        return [
            _job(row) for row in self._execute("SELECT * FROM jobs WHERE state IN (?, ?) ORDER BY created_at", OPEN)
        ]

    def recent(self, owner: str, limit: int) -> list[Job]:
        """Return an owner's newest jobs, newest first."""
        statement = "SELECT * FROM jobs WHERE owner = ? ORDER BY created_at DESC LIMIT ?"
        return [_job(row) for row in self._execute(statement, (owner, limit))]

    def forget_before(self, moment: float) -> list[str]:
        """Delete the jobs that ended before a moment and return their pictures' file names."""
        condition = "FROM jobs WHERE ended_at IS NOT NULL AND ended_at < ?"
        with self._lock:
            rows = self._database.execute(f"SELECT pictures {condition}", (moment,)).fetchall()
            self._database.execute(f"DELETE {condition}", (moment,))
        return [name for row in rows for name in json.loads(row["pictures"])]

    def _end(self, job_id: str, state: str, pictures: tuple[str, ...], error: dict[str, str] | None) -> None:
        self._execute(
            "UPDATE jobs SET state = ?, pictures = ?, error = ?, ended_at = ? WHERE id = ? AND state IN (?, ?)",
            (state, json.dumps(pictures), error and json.dumps(error), time.time(), job_id, *OPEN),
        )

    def _execute(self, statement: str, values: tuple[Any, ...]) -> list[sqlite3.Row]:
        with self._lock:
            return self._database.execute(statement, values).fetchall()


def _job(row: sqlite3.Row) -> Job:
    values = dict(row)
    values["request"] = ImageRequest.from_dict(json.loads(values["request"]))
    values["pictures"] = tuple(json.loads(values["pictures"]))
    values["error"] = json.loads(values["error"]) if values["error"] else None
    return Job(**values)
