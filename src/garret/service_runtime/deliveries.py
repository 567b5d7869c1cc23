"""Who is to be told of a job: written down together with what is told, and kept until it is done or given up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

WEBHOOK, OSS = "webhook", "oss"
STARTED, OUTPUT, COMPLETED = "start", "output", "completed"
EVENTS = (STARTED, OUTPUT, COMPLETED)
"""What a webhook may be told of: that a job was accepted, each of its pictures, and its end."""
PENDING, DONE, GIVEN_UP = "pending", "done", "given up"


@dataclass(frozen=True)
class Delivery:
    """One of them: `target` is an address or a place in OSS; `next_at` is when it is tried, `said` the last reply."""

    id: int
    job_id: str
    kind: str
    target: str
    state: str
    tries: int
    next_at: float
    said: str

    def to_dict(self) -> dict[str, Any]:
        """Return what a job's owner is shown of it."""
        when = self.next_at if self.state == PENDING else None
        return {
            "kind": self.kind, "to": self.target, "state": self.state,
            "tries": self.tries, "next_at": when, "said": self.said,
        }  # fmt: skip


class Deliveries:
    """The table of them, in the database of the jobs."""

    def __init__(self, execute: Callable[[str, tuple[Any, ...]], list[Any]], clock: Callable[[], float]) -> None:
        self._execute = execute
        self._clock = clock

    def add(self, job_id: str, kind: str, target: str) -> None:
        """Note that somebody is to be told; now."""
        self._execute(
            "INSERT INTO deliveries (job_id, kind, target, state, next_at) VALUES (?, ?, ?, ?, ?)",
            (job_id, kind, target, PENDING, self._clock()),
        )

    def due(self, limit: int = 8) -> list[Delivery]:
        """Return those whose time has come, the longest waiting first."""
        statement = "SELECT * FROM deliveries WHERE state = ? AND next_at <= ? ORDER BY next_at, id LIMIT ?"
        return [Delivery(*row) for row in self._execute(statement, (PENDING, self._clock(), limit))]

    def untried(self) -> int:
        """Return how many have not been tried once, or are being tried for the first time."""
        ((count,),) = self._execute("SELECT COUNT(*) FROM deliveries WHERE state = ? AND tries = 0", (PENDING,))
        return int(count)

    def of(self, job_id: str) -> list[Delivery]:
        """Return those of one job."""
        statement = "SELECT * FROM deliveries WHERE job_id = ? ORDER BY id"
        return [Delivery(*row) for row in self._execute(statement, (job_id,))]

    def note(self, one: Delivery, state: str, said: str, pause_s: float = 0.0) -> None:
        """Write down what came of a try, and when the next one is."""
        self._execute(
            "UPDATE deliveries SET state = ?, said = ?, tries = tries + 1, next_at = ? WHERE id = ?",
            (state, said[:300], self._clock() + pause_s, one.id),
        )
