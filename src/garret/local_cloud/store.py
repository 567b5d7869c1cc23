"""What the local cloud remembers: JSON bodies in SQLite, so that it survives `kill -9`.

Every body has a kind ("instance", "vpc", "stack", …) and an id that is unique within its kind.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Body = dict[str, Any]
Watcher = Callable[[str, str, Body | None], None]

_CALL = ("at", "product", "action", "access", "code", "request_id", "seconds", "key", "door", "params")

CALLS_KEPT = 10_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS things (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL, id TEXT NOT NULL, region TEXT NOT NULL, body TEXT NOT NULL,
    UNIQUE (kind, id)
);
CREATE TABLE IF NOT EXISTS calls (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL, product TEXT NOT NULL, action TEXT NOT NULL, access TEXT NOT NULL,
    code TEXT NOT NULL, request_id TEXT NOT NULL, seconds REAL NOT NULL,
    key TEXT NOT NULL DEFAULT '', door TEXT NOT NULL DEFAULT 'outer', params TEXT NOT NULL DEFAULT '[]'
);
CREATE TABLE IF NOT EXISTS nonces (nonce TEXT PRIMARY KEY, at REAL NOT NULL);
"""
_LATER = {"key": "''", "door": "'outer'", "params": "'[]'"}  # columns that the calls of an older store lack


class Store:
    """One SQLite connection behind one lock; `path` None keeps everything in memory (tests)."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._depth = 0
        self._connection = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
        # WAL with NORMAL: a killed process loses nothing, only a power cut may lose the last moments.
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(_SCHEMA)
        self._watchers: dict[str, Watcher] = {}
        there = {row[1] for row in self._connection.execute("PRAGMA table_info(calls)")}
        for column in _LATER.keys() - there:
            self._connection.execute(f"ALTER TABLE calls ADD COLUMN {column} TEXT NOT NULL DEFAULT {_LATER[column]}")
        last = "SELECT max(number) FROM calls"
        self._connection.execute(f"DELETE FROM calls WHERE number <= ({last}) - ?", (CALLS_KEPT,))  # noqa: S608 - ours

    def close(self) -> None:
        """Close the file; the store is not usable afterwards."""
        with self._lock:
            self._connection.close()

    def watch(self, kinds: Iterable[str], watcher: Watcher) -> None:
        """Tell `watcher` kind, id and new body (None: gone) of every change of these kinds, in its transaction."""
        self._watchers |= dict.fromkeys(kinds, watcher)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes of the block or none; blocks nest, the outermost one commits."""
        with self._lock:
            if self._depth == 0:
                self._connection.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
                if self._depth == 1:
                    self._connection.execute("COMMIT")
            except BaseException:
                # SQLite has rolled back by itself already when it was the disk that is full.
                if self._depth == 1 and self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            finally:
                self._depth -= 1

    def put(self, kind: str, id: str, body: Body, region: str = "") -> None:
        """Write `body`, replacing what `kind` and `id` had before (its place in the order stays)."""
        text = json.dumps(body, ensure_ascii=False)
        with self._seen(kind, id, body):
            self._connection.execute(
                "INSERT INTO things (kind, id, region, body) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (kind, id) DO UPDATE SET region = excluded.region, body = excluded.body",
                (kind, id, region, text),
            )

    def get(self, kind: str, id: str) -> Body | None:
        """The body, or None."""
        with self._lock:
            row = self._connection.execute("SELECT body FROM things WHERE kind = ? AND id = ?", (kind, id)).fetchone()
        return None if row is None else _body(row[0])

    def find(self, kind: str, region: str | None = None, **equals: object) -> list[Body]:
        """Bodies of `kind`, oldest first, whose named top-level fields equal the given values."""
        bodies = [body for _, body in self.pairs(kind, region)]
        return [body for body in bodies if all(body.get(name) == value for name, value in equals.items())]

    def pairs(self, kind: str, region: str | None = None) -> list[tuple[str, Body]]:
        """Ids and bodies of `kind`, oldest first."""
        sql, values = "SELECT id, body FROM things WHERE kind = ?", [kind]
        if region is not None:
            sql, values = sql + " AND region = ?", [kind, region]
        with self._lock:
            rows = self._connection.execute(sql + " ORDER BY number", values).fetchall()
        return [(id, _body(text)) for id, text in rows]

    def update(self, kind: str, id: str, **changes: object) -> Body | None:
        """Change top-level fields of one body in one transaction; None when it is not there (any more)."""
        with self.transaction():
            body = self.get(kind, id)
            if body is None:
                return None
            body.update(changes)
            with self._seen(kind, id, body):
                self._connection.execute(
                    "UPDATE things SET body = ? WHERE kind = ? AND id = ?",
                    (json.dumps(body, ensure_ascii=False), kind, id),
                )
            return body

    def delete(self, kind: str, id: str) -> bool:
        """Forget one body; False when it was not there."""
        with self._seen(kind, id, None):
            return self._connection.execute("DELETE FROM things WHERE kind = ? AND id = ?", (kind, id)).rowcount > 0

    @contextmanager
    def _seen(self, kind: str, id: str, body: Body | None) -> Iterator[None]:
        watcher = self._watchers.get(kind)
        if watcher is None:
            with self._lock:
                yield
            return
        with self.transaction():
            yield
            watcher(kind, id, body)

    def use_nonce(self, nonce: str, at: float, keep_s: float) -> bool:
        """Remember `nonce`; False when it was used within the last `keep_s` seconds (`at`: seconds since 1970)."""
        with self.transaction():
            self._connection.execute("DELETE FROM nonces WHERE at < ?", (at - keep_s,))
            added = self._connection.execute("INSERT OR IGNORE INTO nonces VALUES (?, ?)", (nonce, at))
            return added.rowcount > 0

    def log_call(self, line: Body) -> None:
        """Write one line of the log of calls; its fields are _CALL, `code` empty when the call went well."""
        with self._lock:
            self._connection.execute(
                f"INSERT INTO calls ({', '.join(_CALL)}) VALUES ({', '.join('?' * len(_CALL))})",  # noqa: S608 - our names
                [json.dumps(line[name]) if name == "params" else line[name] for name in _CALL],
            )

    def calls(self, since: int = 0, inner: bool = False) -> list[Body]:
        """The log of calls after number `since`, oldest first; with `inner` those that stacks made as well."""
        names, door = ("number", *_CALL), "" if inner else " AND door = 'outer'"
        with self._lock:
            rows = self._connection.execute(
                f"SELECT {', '.join(names)} FROM calls WHERE number > ?{door} ORDER BY number",  # noqa: S608 - ours
                (since,),
            ).fetchall()
        lines = [dict(zip(names, row, strict=True)) for row in rows]
        return [line | {"params": json.loads(line["params"])} for line in lines]


def _body(text: str) -> Body:
    body: Body = json.loads(text)
    return body
