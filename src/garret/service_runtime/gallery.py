"""An owner's finished pictures, one by one: read from the records of jobs, searched in words, deleted singly."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from garret.service_runtime.deliveries import OSS, PENDING
from garret.service_runtime.errors import BadRequest, InUse, ServiceError
from garret.service_runtime.jobs import OPEN, Kept, MadeWith
from garret.service_runtime.request import ImageRequest

logger = logging.getLogger(__name__)
_PIECE = 500
_LAST = 1 << 62


@dataclass(frozen=True)
class Shown:
    """One finished picture of a job; times are seconds since 1970."""

    job_id: str
    number: int
    kept: Kept
    request: ImageRequest
    made: MadeWith
    created_at: float
    ended_at: float | None

    @property
    def id(self) -> str:
        """Return what it is named by: its job, and its number there."""
        return f"{self.job_id}-{self.number}"


class Gallery:
    """Reads and deletes in the tables of jobs; a search lets others in between its pieces."""

    def __init__(
        self,
        execute: Callable[[str, tuple[Any, ...]], list[sqlite3.Row]],
        transaction: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._execute = execute
        self._transaction = transaction

    def newest(
        self, owner: str, limit: int, before: tuple[str, int] | None = None, words: Collection[str] = ()
    ) -> list[Shown]:
        """Return an owner's newest pictures, older than the one `before` where there is one, and with all of `words`.

        The newest are those that were asked for last, and of one job the last. Words are looked for in the text of each
        picture, in whatever case.

        Raises:
            BadRequest: the job of `before` is not there any more, so that nobody knows what is older.
        """
        place = self._place(owner, *before) if before is not None else (_LAST, 0)
        wanted = frozenset(word.casefold() for word in words)
        found: list[Shown] = []
        for row in self._rows(_TEXTS if wanted else _NEWEST, owner, place, _PIECE if wanted else limit):
            text = row["infotext"].casefold() if wanted else ""
            if not all(word in text for word in wanted):
                continue
            one = self.get(owner, row["id"], row["number"]) if wanted else _shown(row)
            if one is not None:
                found.append(one)
            if len(found) == limit:
                break
        return found

    def get(self, owner: str, job_id: str, number: int) -> Shown | None:
        """Return one of an owner's pictures, or None."""
        return next((_shown(row) for row in self._execute(_ONE, (owner, job_id, number))), None)

    def delete(self, owner: str, job_id: str, number: int) -> list[str]:
        """Delete one of an owner's pictures, and return its file's name; none when it is not there.

        Raises:
            InUse: its job is not over, or the file is still to be brought to OSS.
        """
        with self._transaction():
            jobs = self._execute("SELECT state FROM jobs WHERE id = ? AND owner = ?", (job_id, owner))
            if not jobs:
                return []
            if jobs[0]["state"] in OPEN:
                raise InUse("the job of this picture is not over", "Cancel it: DELETE /v1/jobs/ID, or wait")
            if self._execute(_PENDING, (job_id, OSS, PENDING)):
                raise InUse("this picture is still to be brought to OSS", "Try again when that is done")
            rows = self._execute(
                "DELETE FROM pictures WHERE job_id = ? AND number = ? RETURNING name", (job_id, number)
            )
            self._execute(_NOTHING_LEFT, (job_id, job_id))
        return [row["name"] for row in rows]

    def _rows(self, select: str, owner: str, place: tuple[int, int], piece: int) -> Iterator[sqlite3.Row]:
        """Yield what a statement selects of an owner's pictures, from a place on, in pieces."""
        job, number = place
        while True:
            rows = self._execute(f"{select} {_BEFORE}", (owner, job, job, number, piece))
            yield from rows
            if len(rows) < piece:
                return
            job, number = rows[-1]["place"], rows[-1]["number"]

    def _place(self, owner: str, job_id: str, number: int) -> tuple[int, int]:
        """Return where a picture stands, whether it is still there or not."""
        rows = self._execute("SELECT rowid FROM jobs WHERE id = ? AND owner = ?", (job_id, owner))
        if not rows:
            raise BadRequest("before", "names an image whose job is not kept", "Begin with the newest again")
        return rows[0]["rowid"], number


_FROM = " FROM jobs JOIN pictures ON pictures.job_id = jobs.id WHERE jobs.owner = ?"
_NEWEST = (
    "SELECT jobs.rowid AS place, jobs.id, jobs.request, jobs.made, jobs.created_at, jobs.ended_at, pictures.number,"
    f" pictures.name, pictures.media_type, pictures.size, pictures.infotext{_FROM}"
)
_TEXTS = f"SELECT jobs.rowid AS place, jobs.id, pictures.number, pictures.infotext{_FROM}"
# Said so, the rows are walked from the place on; `OR` alone would have all of them looked at for every page.
_BEFORE = (
    "AND jobs.rowid <= ? AND (jobs.rowid < ? OR pictures.number < ?)"
    " ORDER BY jobs.rowid DESC, pictures.number DESC LIMIT ?"
)
_ONE = f"{_NEWEST} AND jobs.id = ? AND pictures.number = ?"
_PENDING = "SELECT 1 FROM deliveries WHERE job_id = ? AND kind = ? AND state = ?"
_NOTHING_LEFT = "UPDATE jobs SET removed = 1 WHERE id = ? AND NOT EXISTS (SELECT 1 FROM pictures WHERE job_id = ?)"


def _shown(row: sqlite3.Row) -> Shown | None:
    """Return a row's picture; one whose request this version does not take any more is not seen."""
    kept = Kept(row["name"], row["media_type"], row["size"], row["infotext"])
    try:
        request = ImageRequest.from_dict(json.loads(row["request"]))
        made = MadeWith(**json.loads(row["made"]))
    except (ServiceError, ValueError, TypeError) as error:
        logger.warning("the record of job %s cannot be read: %s", row["id"], error)
        return None
    return Shown(row["id"], row["number"], kept, request, made, row["created_at"], row["ended_at"])
