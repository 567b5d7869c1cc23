"""Accepted jobs on disk: a job that was accepted and is not over is found again after a crash. SQLite, WAL."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from garret.service_runtime.deliveries import COMPLETED, OSS, OUTPUT, STARTED, Deliveries
from garret.service_runtime.errors import ServiceError
from garret.service_runtime.gallery import Gallery
from garret.service_runtime.job_schema import prepare_tables
from garret.service_runtime.jobs import CANCELLED, EXPIRED, FAILED, OPEN, RUNNING, SUCCESS, WAITING, Job, Kept, MadeWith
from garret.service_runtime.request import ImageRequest

logger = logging.getLogger(__name__)
_INPUTS = ("$.start.image", "$.start.mask.image", "$.upscale.image")
"""Where a request names pictures."""


class JobStore:
    """The table of jobs. One connection under a lock: SQLite takes one writer at a time anyway.

    `uploads_to` is where finished pictures are to be brought as well, "" for nowhere; `clock` gives seconds since 1970.
    """

    def __init__(self, path: Path, uploads_to: str = "", clock: Callable[[], float] = time.time) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._uploads_to = uploads_to
        self._clock = clock
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
        self._database.row_factory = sqlite3.Row
        self._database.execute("PRAGMA journal_mode=WAL")
        # Every commit reaches the disk before a job counts as accepted; NORMAL would lose the last ones with the power.
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.execute("PRAGMA foreign_keys=ON")
        prepare_tables(self._database)
        self.deliveries = Deliveries(self._execute, clock)
        self.gallery = Gallery(self._execute, self._transaction)

    def close(self) -> None:
        """Close the database; the write-ahead log is folded in."""
        with self._lock:
            self._database.close()

    def add(self, job: Job, key: str = "") -> Job | None:
        """Write an accepted job; from here on it is not lost. If the owner's `key` has one, return that instead."""
        values = (job.id, job.owner, WAITING, json.dumps(job.request.to_dict()), job.created_at, job.expires_at)
        hook = (job.webhook, job.webhook_kind, ",".join(job.webhook_events))
        with self._transaction():
            if key and (known := self.keyed(job.owner, key)):
                return known
            self._execute(
                "INSERT INTO jobs (id, owner, state, request, created_at, expires_at, key, digest, note,"
                " webhook, webhook_kind, webhook_events) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*values, key or None, job.digest, job.note, *hook),
            )
            self._tell(job.id, STARTED)
        return None

    def adopt(self, owner: str, names: Collection[str]) -> None:
        """Give an owner the jobs that were kept under other names; of two requests with one key, the owner's has it."""
        with self._transaction():
            for name in names:
                self._execute(
                    "UPDATE jobs SET key = NULL WHERE owner = ? AND key IN (SELECT key FROM jobs WHERE owner = ?)",
                    (name, owner),
                )
                self._execute("UPDATE jobs SET owner = ? WHERE owner = ?", (owner, name))

    def start(self, job_id: str) -> None:
        """Note that a worker has begun, and for which time."""
        self._execute(
            "UPDATE jobs SET state = ?, starts = starts + 1, started_at = ? WHERE id = ? AND state IN (?, ?)",
            (RUNNING, self._clock(), job_id, *OPEN),
        )

    def keep(self, job_id: str, number: int, kept: Kept) -> bool:
        """Note one picture that is on disk; False when the job is over."""
        with self._transaction():
            noted = self._keep(job_id, number, kept)
            if noted:
                self._tell(job_id, OUTPUT)
        return noted

    def _keep(self, job_id: str, number: int, kept: Kept) -> bool:
        condition = "WHERE EXISTS (SELECT 1 FROM jobs WHERE id = ? AND state IN (?, ?))"
        row = (job_id, number, kept.name, kept.media_type, kept.size, kept.infotext)
        statement = f"INSERT OR REPLACE INTO pictures SELECT ?, ?, ?, ?, ?, ? {condition} RETURNING number"
        return bool(self._execute(statement, (*row, job_id, *OPEN)))

    def finish(self, job_id: str, pictures: Mapping[int, Kept], made: MadeWith) -> bool:
        """Note that all pictures are on disk; False when the job was over before."""
        with self._transaction():
            noted = [self._keep(job_id, number, kept) for number, kept in pictures.items()]
            if any(noted):
                self._tell(job_id, OUTPUT)
            return self._end(job_id, SUCCESS, made=json.dumps(asdict(made)))

    def fail(self, job_id: str, error: str, message: str) -> bool:
        """Note why there will be no more pictures; those that are there stay."""
        return self._give_up(job_id, FAILED, error, message)

    def cancel(self, job_id: str, reason: str) -> bool:
        """Note that nobody wants the job any more."""
        return self._give_up(job_id, CANCELLED, "Cancelled", reason)

    def expire(self, job_id: str, reason: str) -> bool:
        """Note that the job has waited for as long as it was worth it."""
        return self._give_up(job_id, EXPIRED, "TimedOut", reason)

    def get(self, job_id: str) -> Job | None:
        """Return one job, or None."""
        return next(iter(self._jobs("SELECT * FROM jobs WHERE id = ?", (job_id,))), None)

    def keyed(self, owner: str, key: str) -> Job | None:
        """Return the job that an owner's Idempotency-Key has made, or None."""
        return next(iter(self._jobs("SELECT * FROM jobs WHERE owner = ? AND key = ?", (owner, key))), None)

    def unfinished(self) -> list[Job]:
        """Return the jobs that were accepted and are not over, in the order in which they were accepted."""
        return self._jobs("SELECT * FROM jobs WHERE state IN (?, ?) ORDER BY rowid", OPEN)

    def recent(self, owner: str, limit: int, state: str = "", before: str = "") -> list[Job]:
        """Return an owner's newest jobs, newest first; of one state, and older than the job `before`."""
        return self._jobs(_RECENT, (owner, state, state, before, before, limit))

    def forget(self, job_id: str) -> list[str]:
        """Delete one job that is over, and return its pictures' file names."""
        return self._forget(job_id, -1.0)

    def forget_before(self, moment: float) -> list[str]:
        """Delete the jobs that ended before a moment and return their pictures' file names."""
        return self._forget("", moment)

    def make_room(self, size: int) -> list[str]:
        """Give up the pictures of the oldest finished jobs until the rest have `size` bytes; return their files."""
        with self._transaction():
            names: list[str] = []
            for row in self._execute(_SIZES, ()):
                size -= row["size"]
                if size < 0:
                    names += self._drop_pictures(row["id"])
                    self._execute("UPDATE jobs SET removed = 1 WHERE id = ?", (row["id"],))
        return names

    def names(self) -> set[str]:
        """Return the names of all files that records speak of."""
        return {row["name"] for row in self._execute("SELECT name FROM pictures", ())}

    def inputs(self) -> set[str]:
        """Return the digests of the pictures that the requests of all jobs begin from."""
        path = "SELECT DISTINCT json_extract(request, ?) AS digest FROM jobs"
        rows = [row for part in _INPUTS for row in self._execute(path, (part,))]
        return {row["digest"] for row in rows if row["digest"]}

    def _give_up(self, job_id: str, state: str, error: str, message: str) -> bool:
        with self._transaction():
            return self._end(job_id, state, error=json.dumps({"error": error, "message": message}))

    def _end(self, job_id: str, state: str, *, error: str | None = None, made: str = "{}") -> bool:
        """End a job that is open, and in the same breath note who is to be told of it."""
        rows = self._execute(
            "UPDATE jobs SET state = ?, error = ?, made = ?, ended_at = ? WHERE id = ? AND state IN (?, ?)"
            " RETURNING id",
            (state, error, made, self._clock(), job_id, *OPEN),
        )
        if rows and self._uploads_to and state == SUCCESS:
            self.deliveries.add(job_id, OSS, self._uploads_to)
        if rows:
            self._tell(job_id, COMPLETED)
        return bool(rows)

    def _tell(self, job_id: str, event: str) -> None:
        """Note that the job's address is to be told, if it wants to know of this."""
        for row in self._execute(_HOOK, (job_id,)):
            if event in row["webhook_events"].split(","):
                self.deliveries.add(job_id, row["webhook_kind"], row["webhook"])

    def _forget(self, job_id: str, moment: float) -> list[str]:
        with self._transaction():
            ids = [row["id"] for row in self._execute(_FORGETTABLE, (job_id, moment))]
            names = [name for one in ids for name in self._drop_pictures(one)]
            for one in ids:
                self._execute("DELETE FROM jobs WHERE id = ?", (one,))
        return names

    def _drop_pictures(self, job_id: str) -> list[str]:
        return [row["name"] for row in self._execute("DELETE FROM pictures WHERE job_id = ? RETURNING name", (job_id,))]

    def _jobs(self, statement: str, values: tuple[Any, ...]) -> list[Job]:
        with self._lock:
            rows = self._execute(statement, values)
            return [job for row in rows if (job := self._read(row)) is not None]

    def _read(self, row: sqlite3.Row) -> Job | None:
        """Return a row's job; one whose request this version does not take any more is over, and not seen."""
        try:
            return _job(row, self._execute(_PICTURES, (row["id"],)))
        except (ServiceError, ValueError, TypeError) as error:
            logger.warning("the record of job %s cannot be read: %s", row["id"], error)
            self._end(row["id"], FAILED, error=json.dumps({"error": "BadRequest", "message": str(error)}))
            return None

    def _execute(self, statement: str, values: tuple[Any, ...]) -> list[sqlite3.Row]:
        with self._lock:
            return self._database.execute(statement, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All of it or nothing, also when the power goes in the middle."""
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                # A full disk has ended the transaction already.
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")


_RECENT = (
    "SELECT * FROM jobs WHERE owner = ? AND (? = '' OR state = ?)"
    " AND (? = '' OR rowid < (SELECT rowid FROM jobs WHERE id = ?)) ORDER BY rowid DESC LIMIT ?"
)
# What somebody is still to be told of, or to get, is kept until then.
_FORGETTABLE = (
    "SELECT id FROM jobs WHERE ended_at IS NOT NULL AND (id = ? OR ended_at < ?)"
    " AND id NOT IN (SELECT job_id FROM deliveries WHERE state = 'pending')"
)
_SIZES = (
    "SELECT jobs.id, SUM(pictures.size) AS size FROM jobs JOIN pictures ON pictures.job_id = jobs.id"
    " WHERE ended_at IS NOT NULL AND jobs.id NOT IN (SELECT job_id FROM deliveries WHERE state = 'pending')"
    " GROUP BY jobs.id ORDER BY ended_at DESC, jobs.rowid DESC"
)
_HOOK = "SELECT webhook, webhook_kind, webhook_events FROM jobs WHERE id = ? AND webhook != ''"
_PICTURES = "SELECT number, name, media_type, size, infotext FROM pictures WHERE job_id = ? ORDER BY number"


def _job(row: sqlite3.Row, pictures: list[sqlite3.Row]) -> Job:
    values = {name: row[name] for name in row.keys() if name not in ("pictures", "key")}  # noqa: SIM118  (a Row's values are what `in` sees)
    values["request"] = ImageRequest.from_dict(json.loads(values["request"]))
    values["pictures"] = {one["number"]: Kept(*tuple(one)[1:]) for one in pictures}
    values["error"] = json.loads(values["error"]) if values["error"] else None
    values["made"] = MadeWith(**json.loads(values["made"]))
    values["webhook_events"] = tuple(values["webhook_events"].split(","))
    values["removed"] = bool(values["removed"])
    return Job(**values)
