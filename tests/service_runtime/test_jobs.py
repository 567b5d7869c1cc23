"""An accepted job is on the disk until it is over, and its record says how it ended."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from garret.service_runtime.job_store import JobStore
from garret.service_runtime.jobs import CANCELLED, EXPIRED, FAILED, RUNNING, SUCCESS, WAITING, Job, Kept, MadeWith
from garret.service_runtime.request import ImageRequest

REQUEST = ImageRequest("demo", "ä red circle", 64, 64, 4, 3.0, 1)
MADE = MadeWith("demo", "ab" * 32, 1.5, {"Mode": "low-vram"})


def job(name: str, **said: object) -> Job:
    """A job as it is accepted."""
    return Job(name, "admin", WAITING, REQUEST, created_at=1.0, **said)  # type: ignore[arg-type]


def kept(name: str, size: int = 10) -> Kept:
    """A picture's record."""
    return Kept(f"{name}.png", "image/png", size, "Steps: 4")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    """An empty store whose clock stands at 100."""
    found = JobStore(tmp_path / "jobs.sqlite", clock=lambda: 100.0)
    yield found
    found.close()


def states(store: JobStore) -> dict[str, str]:
    """Return each job's state."""
    return {one.id: one.state for one in store.recent("admin", 100)}


def test_a_job_is_found_again_by_another_process(tmp_path: Path) -> None:
    """As after a crash: nothing was closed; the order is that of acceptance, whatever a clock said."""
    first = JobStore(tmp_path / "jobs.sqlite")
    first.add(job("b"))
    first.add(Job("a", "admin", WAITING, REQUEST, created_at=0.5))
    first.start("a")
    first.keep("a", 0, kept("x"))
    second = JobStore(tmp_path / "jobs.sqlite")
    assert [(one.id, one.state, one.starts, one.request, dict(one.pictures)) for one in second.unfinished()] == [
        ("b", WAITING, 0, REQUEST, {}),
        ("a", RUNNING, 1, REQUEST, {0: kept("x")}),
    ]
    first.close()
    second.close()


def test_a_job_ends_once(store: JobStore) -> None:
    """What comes after its end changes nothing, and no picture comes to it any more."""
    for name in "abcd":
        store.add(job(name))
    assert store.finish("a", {0: kept("a")}, MADE)
    assert store.fail("b", "OutOfMemory", "too large")
    assert store.cancel("c", "nobody waits")
    assert store.expire("d", "too late")
    for name in "abcd":
        store.start(name)
        assert not store.fail(name, "ServiceError", "late")
        assert not store.keep(name, 1, kept("late"))
        assert not store.finish(name, {}, MADE)
    assert states(store) == {"a": SUCCESS, "b": FAILED, "c": CANCELLED, "d": EXPIRED}
    done, failed = store.get("a"), store.get("b")
    assert done is not None
    assert failed is not None
    assert (dict(done.pictures), done.made, done.ended_at) == ({0: kept("a")}, MADE, 100.0)
    assert failed.error == {"error": "OutOfMemory", "message": "too large"}
    assert store.unfinished() == []


def test_a_key_leads_to_the_job_that_it_made_first(store: JobStore) -> None:
    """For each owner for themselves."""
    assert store.add(job("a", digest="d"), "key") is None
    again = store.add(job("b", digest="e"), "key")
    assert again is not None
    assert (again.id, again.digest) == ("a", "d")
    assert store.add(Job("c", "guest", WAITING, REQUEST), "key") is None
    assert store.get("b") is None


def test_old_jobs_are_forgotten_with_their_pictures(store: JobStore) -> None:
    """Jobs that are not over never are, nor those somebody is still to be told of."""
    store.add(job("a"))
    store.add(job("b"))
    store.add(job("c", webhook="https://example.com/hook"))
    store.finish("a", {0: kept("x"), 1: kept("y")}, MADE)
    store.finish("c", {0: kept("z")}, MADE)
    assert store.forget_before(0) == []
    assert store.forget_before(2e9) == ["x.png", "y.png"]
    assert states(store) == {"b": WAITING, "c": SUCCESS}
    assert store.get("a") is None
    (told,) = store.deliveries.due()
    store.deliveries.note(told, "done", "200")
    assert store.forget("b") == []
    assert store.forget("c") == ["z.png"]


def test_the_oldest_pictures_make_room_and_their_records_stay(store: JobStore) -> None:
    """Never those of a job that is not over."""
    for name in "abcd":
        store.add(job(name))
    for name in "abc":
        store.finish(name, {0: kept(name)}, MADE)
    store.keep("d", 0, kept("d"))
    assert store.make_room(30) == []
    assert store.make_room(15) == ["b.png", "a.png"]
    assert [(one.id, one.removed, len(one.pictures)) for one in store.recent("admin", 9)] == [
        ("d", False, 1), ("c", False, 1), ("b", True, 0), ("a", True, 0)
    ]  # fmt: skip
    assert store.names() == {"c.png", "d.png"}


def test_an_owners_jobs_are_listed_by_state_and_in_pages(store: JobStore) -> None:
    """Newest first."""
    for name in "abcd":
        store.add(job(name))
    store.cancel("c", "")
    assert [one.id for one in store.recent("admin", 2)] == ["d", "c"]
    assert [one.id for one in store.recent("admin", 2, before="c")] == ["b", "a"]
    assert [one.id for one in store.recent("admin", 9, state=CANCELLED)] == ["c"]
    assert store.recent("guest", 9) == []


def test_the_pictures_that_requests_begin_from_are_known(store: JobStore) -> None:
    """Those of masks, and those that are only made larger, too."""
    start = {"image": "a" * 64, "mask": {"image": "b" * 64}}
    request = ImageRequest.from_dict({**REQUEST.to_dict(), "start": start})
    store.add(Job("a", "admin", WAITING, request))
    store.add(job("b"))
    larger = {**REQUEST.to_dict(), "checkpoint": "", "prompt": "", "upscale": {"image": "c" * 64}}
    store.add(Job("c", "admin", WAITING, ImageRequest.from_dict(larger)))
    assert store.inputs() == {"a" * 64, "b" * 64, "c" * 64}


FIRST_VERSION = """
CREATE TABLE jobs (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, state TEXT NOT NULL, request TEXT NOT NULL,
    pictures TEXT NOT NULL DEFAULT '[]', error TEXT, starts INTEGER NOT NULL DEFAULT 0, created_at REAL NOT NULL,
    started_at REAL, ended_at REAL
);
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, created_at);
"""


def test_the_jobs_of_a_node_that_was_updated_are_read(tmp_path: Path) -> None:
    """With the requests of that version; what waited waits on, and finished pictures are found."""
    old = {
        "checkpoint": "demo", "prompt": "ä red circle", "width": 64, "height": 64, "steps": 4, "cfg_scale": 3.0,
        "seed": 1, "negative_prompt": "", "sampler": "Euler", "schedule": "automatic", "batch_size": 1, "n_iter": 1,
    }  # fmt: skip
    with closing(sqlite3.connect(tmp_path / "jobs.sqlite")) as database, database:
        database.executescript(FIRST_VERSION)
        insert = "INSERT INTO jobs (id, owner, state, request, pictures, created_at, ended_at) VALUES (?,?,?,?,?,?,?)"
        database.execute(insert, ("a", "admin", SUCCESS, json.dumps(old), '["a-00.png", "a-01.png"]', 1.0, 2.0))
        database.execute(insert, ("b", "admin", WAITING, json.dumps(old), "[]", 3.0, None))
    store = JobStore(tmp_path / "jobs.sqlite")
    assert [(one.id, one.request) for one in store.unfinished()] == [("b", REQUEST)]
    done = store.get("a")
    assert done is not None
    assert {number: one.name for number, one in done.pictures.items()} == {0: "a-00.png", 1: "a-01.png"}
    assert store.finish("b", {0: kept("b")}, MADE)
    store.close()
    again = JobStore(tmp_path / "jobs.sqlite")
    assert states(again) == {"a": SUCCESS, "b": SUCCESS}
    again.close()


def test_a_webhook_of_the_second_tables_is_told_of_the_end_alone(tmp_path: Path) -> None:
    """As it always was; other events and forms came with the third."""
    store = JobStore(tmp_path / "jobs.sqlite")
    store.add(Job("a", "admin", WAITING, REQUEST, webhook="https://example.com/"))
    store.close()
    with closing(sqlite3.connect(tmp_path / "jobs.sqlite")) as database, database:
        for column in ("webhook_kind", "webhook_events", "note"):
            database.execute(f"ALTER TABLE jobs DROP COLUMN {column}")
        database.execute("PRAGMA user_version=2")
    store = JobStore(tmp_path / "jobs.sqlite")
    assert store.deliveries.due() == []
    assert store.finish("a", {0: kept("a")}, MADE)
    assert [(one.kind, one.target) for one in store.deliveries.due()] == [("webhook", "https://example.com/")]
    store.close()


def test_tables_of_a_later_version_are_left_alone(tmp_path: Path) -> None:
    """It is said, instead of lost."""
    with closing(sqlite3.connect(tmp_path / "jobs.sqlite")) as database:
        database.execute("PRAGMA user_version=99")
    with pytest.raises(sqlite3.DatabaseError, match="later version"):
        JobStore(tmp_path / "jobs.sqlite")


def test_the_power_may_go_at_any_moment(tmp_path: Path) -> None:
    """What was acknowledged is there, whatever part of what came after it had reached the disk; all of it or nothing.

    A commit that has returned has been flushed (synchronous FULL), so only what the log got after it may be torn: cut
    off anywhere, or with holes where a later block came to the disk before an earlier one.
    """
    path, log = tmp_path / "jobs.sqlite", tmp_path / "jobs.sqlite-wal"
    store = JobStore(path)
    steps: list[Callable[[], object]] = [
        lambda: store.add(job("a", webhook="https://example.com/"), "key"),
        lambda: store.add(job("b")),
        lambda: store.start("a"),
        lambda: store.keep("a", 0, kept("x")),
        lambda: store.finish("a", {0: kept("x"), 1: kept("y")}, MADE),
        lambda: store.cancel("b", "nobody waits"),
    ]
    chance, before = random.Random(1), found_after(path, log.read_bytes(), tmp_path)
    for step in steps:
        durable = log.stat().st_size
        step()
        data = log.read_bytes()
        after = found_after(path, data, tmp_path)
        assert after != before
        for _ in range(20):
            torn = bytearray(data[: chance.randrange(durable, len(data) + 1)])
            for block in range(durable, len(torn), 512):
                if chance.random() < 0.2:
                    torn[block : block + 512] = bytes(len(torn[block : block + 512]))
            assert found_after(path, bytes(torn), tmp_path) in (before, after)
        before = after
    store.close()


def found_after(path: Path, log: bytes, folder: Path) -> object:
    """Return what another process would find, if the disk had the database and this much of its log."""
    there = folder / "after" / "jobs.sqlite"
    shutil.rmtree(there.parent, ignore_errors=True)
    there.parent.mkdir()
    shutil.copyfile(path, there)
    there.with_name("jobs.sqlite-wal").write_bytes(log)
    store = JobStore(there)
    try:
        jobs = [(one.id, one.state, one.starts, dict(one.pictures)) for one in store.recent("admin", 9)]
        return jobs, [(one.job_id, one.state) for one in store.deliveries.due()]
    finally:
        store.close()


def test_a_commit_is_flushed_before_it_returns(tmp_path: Path) -> None:
    """As the model of a power cut above takes for granted."""
    store = JobStore(tmp_path / "jobs.sqlite")
    pragmas = [store._execute(f"PRAGMA {name}", ())[0][0] for name in ("journal_mode", "synchronous", "foreign_keys")]
    assert pragmas == ["wal", 2, 1]
    store.close()


def test_jobs_of_other_names_become_an_owners(store: JobStore) -> None:
    """All that was theirs; where both used one key it stays the owner's, so that no repeated request is mistaken."""
    store.add(job("a"), key="same")
    store.add(Job("b", "token-1", WAITING, REQUEST, created_at=1.0), key="same")
    store.add(Job("c", "token-2", WAITING, REQUEST, created_at=1.0), key="other")
    store.add(Job("d", "somebody else", WAITING, REQUEST, created_at=1.0))
    for _ in range(2):
        store.adopt("admin", ["token-1", "token-2"])
    assert set(states(store)) == {"a", "b", "c"}
    found = {key: one.id for key in ("same", "other") if (one := store.keyed("admin", key)) is not None}
    assert found == {"same": "a", "other": "c"}
