"""The tables of accepted jobs, and how those of an earlier version become them without losing a job."""

from __future__ import annotations

import json
import sqlite3

VERSION = 3
_FIRST = """
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
)
"""
# `jobs.pictures` stays from the first version and is not read any more.
_SECOND = (
    "ALTER TABLE jobs ADD COLUMN expires_at REAL",
    "ALTER TABLE jobs ADD COLUMN key TEXT",
    "ALTER TABLE jobs ADD COLUMN digest TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE jobs ADD COLUMN webhook TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE jobs ADD COLUMN made TEXT NOT NULL DEFAULT '{}'",
    "ALTER TABLE jobs ADD COLUMN removed INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, created_at)",
    "CREATE INDEX jobs_by_owner ON jobs (owner)",
    "CREATE UNIQUE INDEX jobs_by_key ON jobs (owner, key) WHERE key IS NOT NULL",
    """CREATE TABLE pictures (
        job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        name TEXT NOT NULL,
        media_type TEXT NOT NULL,
        size INTEGER NOT NULL,
        infotext TEXT NOT NULL,
        PRIMARY KEY (job_id, number)
    )""",
    """CREATE TABLE deliveries (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
        kind TEXT NOT NULL,
        target TEXT NOT NULL,
        state TEXT NOT NULL,
        tries INTEGER NOT NULL DEFAULT 0,
        next_at REAL NOT NULL,
        said TEXT NOT NULL DEFAULT ''
    )""",
    "CREATE INDEX deliveries_by_job ON deliveries (job_id)",
)
_THIRD = (
    "ALTER TABLE jobs ADD COLUMN webhook_kind TEXT NOT NULL DEFAULT 'webhook'",
    "ALTER TABLE jobs ADD COLUMN webhook_events TEXT NOT NULL DEFAULT 'completed'",
    "ALTER TABLE jobs ADD COLUMN note TEXT NOT NULL DEFAULT ''",
)


def prepare_tables(database: sqlite3.Connection) -> None:
    """Make the tables, or bring those of an earlier version up to this one, whole or not at all.

    Raises:
        sqlite3.DatabaseError: they are from a later version than this.
    """
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise sqlite3.DatabaseError(f"the jobs there are from a later version of garret (tables {version})")
    if version == VERSION:
        return
    database.execute("BEGIN IMMEDIATE")
    try:
        if version < 2:
            _make_second(database)
        for statement in _THIRD:
            database.execute(statement)
        database.execute(f"PRAGMA user_version={VERSION}")
        database.execute("COMMIT")
    except BaseException:
        database.execute("ROLLBACK")
        raise


def _make_second(database: sqlite3.Connection) -> None:
    database.execute(_FIRST)
    for statement in _SECOND:
        database.execute(statement)
    for job_id, names in database.execute("SELECT id, pictures FROM jobs WHERE pictures != '[]'").fetchall():
        for number, name in enumerate(json.loads(names)):
            row = (job_id, number, name, "image/png", 0, "")
            database.execute("INSERT INTO pictures VALUES (?, ?, ?, ?, ?, ?)", row)
