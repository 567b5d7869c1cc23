"""An accepted job is on the disk until it is over, and its record says how it ended."""

from __future__ import annotations

from pathlib import Path

from garret.service_runtime.jobs import CANCELLED, FAILED, RUNNING, SUCCESS, WAITING, JobStore
from garret.service_runtime.request import ImageRequest

REQUEST = ImageRequest("demo", "ä red circle", 64, 64, 4, 3.0, 1)


def states(store: JobStore) -> dict[str, str]:
    """Return each job's state."""
    return {job.id: job.state for job in store.recent("admin", 100)}


def test_a_job_is_found_again_by_another_process(tmp_path: Path) -> None:
    """As after a crash: nothing was closed."""
    first = JobStore(tmp_path / "jobs.sqlite")
    first.add("a", "admin", REQUEST)
    first.add("b", "admin", REQUEST)
    first.start("b")
    second = JobStore(tmp_path / "jobs.sqlite")
    assert [(job.id, job.state, job.starts, job.request) for job in second.unfinished()] == [
        ("a", WAITING, 0, REQUEST),
        ("b", RUNNING, 1, REQUEST),
    ]
    first.close()
    second.close()


def test_a_job_ends_once(tmp_path: Path) -> None:
    """What comes after its end changes nothing."""
    store = JobStore(tmp_path / "jobs.sqlite")
    for name in "abc":
        store.add(name, "admin", REQUEST)
    store.finish("a", ("a-00.png",))
    store.fail("b", "OutOfMemory", "too large")
    store.cancel("c", "nobody waits")
    for name in "abc":
        store.start(name)
        store.fail(name, "ServiceError", "late")
    assert states(store) == {"a": SUCCESS, "b": FAILED, "c": CANCELLED}
    job = store.get("b")
    assert job is not None
    assert job.error == {"error": "OutOfMemory", "message": "too large"}
    assert store.unfinished() == []
    store.close()


def test_old_jobs_are_forgotten_with_their_pictures(tmp_path: Path) -> None:
    """Jobs that are not over never are."""
    store = JobStore(tmp_path / "jobs.sqlite")
    for name in "ab":
        store.add(name, "admin", REQUEST)
    store.finish("a", ("a-00.png", "a-01.png"))
    assert store.forget_before(0) == []
    assert store.forget_before(2e9) == ["a-00.png", "a-01.png"]
    assert states(store) == {"b": WAITING}
    assert store.get("a") is None
    store.close()
