"""Batches hold pictures of one shape, the oldest first, and nobody is forgotten."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from garret.service_runtime.asked import Hires
from garret.service_runtime.errors import Busy
from garret.service_runtime.request import ImageRequest
from garret.service_runtime.scheduler import Scheduler, Task
from tests.service_runtime.asking import SMALL, ask, prepared


def queue(scheduler: Scheduler, job_id: str, request: ImageRequest = SMALL) -> None:
    """Accept a job."""
    scheduler.reserve(job_id)
    scheduler.add(Task(job_id, index, prepared(request)) for index in range(request.count))


def test_pictures_of_one_shape_are_made_together() -> None:
    """Words and seeds may differ, sizes and steps may not."""
    scheduler = Scheduler(10, 4)
    queue(scheduler, "a")
    queue(scheduler, "b", replace(SMALL, width=128))
    queue(scheduler, "c", replace(SMALL, prompt="b", seed=9))
    first, second = scheduler.take(), scheduler.take()
    assert first is not None
    assert second is not None
    assert [task.job_id for task in first.tasks] == ["a", "c"]
    assert [(picture.prompt, picture.seed) for picture in first.batch.pictures] == [("a", 1), ("b", 9)]
    assert [task.job_id for task in second.tasks] == ["b"]
    assert scheduler.take() is None


def test_a_full_queue_says_when_to_come_back() -> None:
    """Jobs count until they are over, not until they are begun."""
    scheduler = Scheduler(1, 4)
    queue(scheduler, "a")
    scheduler.take()
    with pytest.raises(Busy) as caught:
        scheduler.reserve("b")
    assert caught.value.retry_after
    scheduler.close("a")
    scheduler.reserve("b")


def test_nobody_keeps_others_out_by_filling_the_queue() -> None:
    """Who has nothing open gets one place beyond the limit, and no second one."""
    scheduler = Scheduler(limit=2, max_batch=4)
    for job in ("a", "b"):
        scheduler.reserve(job, "much")
    with pytest.raises(Busy):
        scheduler.reserve("c", "much")
    scheduler.reserve("d", "little")
    with pytest.raises(Busy):
        scheduler.reserve("e", "little")
    scheduler.close("d")
    scheduler.reserve("f", "little")


def test_large_pictures_are_not_heaped_up() -> None:
    """Four of 1024 pixels fit together, of 2048 pixels one."""
    scheduler = Scheduler(10, 4)
    queue(scheduler, "a", replace(SMALL, width=2048, height=2048, batch_size=2))
    queue(scheduler, "b", replace(SMALL, width=1024, height=1024, batch_size=4))
    sizes = [len(batch.tasks) for batch in iter(scheduler.take, None)]
    assert sizes == [1, 1, 4]


def test_what_comes_back_comes_first_and_alone_when_it_must() -> None:
    """A picture that did not fit in memory with others is tried by itself."""
    scheduler = Scheduler(10, 4)
    for name in "abc":
        queue(scheduler, name)
    batch = scheduler.take()
    assert batch is not None
    queue(scheduler, "d")
    scheduler.close("b")
    scheduler.put_back(replace(task, alone=True) for task in batch.tasks)
    order = [[task.job_id for task in found.tasks] for found in iter(scheduler.take, None)]
    assert order == [["a"], ["c"], ["d"]]


def test_a_closed_job_is_not_made() -> None:
    """Cancelled before it was begun."""
    scheduler = Scheduler(10, 4)
    queue(scheduler, "a", replace(SMALL, n_iter=3))
    scheduler.close("a")
    assert scheduler.take() is None
    assert not scheduler.is_open("a")


@given(some.lists(some.tuples(some.sampled_from([64, 128]), some.integers(1, 4)), max_size=12), some.integers(1, 4))
def test_every_picture_is_given_out_exactly_once(jobs: list[tuple[int, int]], size: int) -> None:
    """Whatever is asked for in whatever order."""
    scheduler = Scheduler(100, size)
    for number, (side, count) in enumerate(jobs):
        queue(scheduler, str(number), replace(SMALL, width=side, batch_size=count))
    batches = list(iter(scheduler.take, None))
    given_out = [(task.job_id, task.index) for batch in batches for task in batch.tasks]
    assert sorted(given_out) == sorted((str(n), i) for n, (_, count) in enumerate(jobs) for i in range(count))
    assert all(len(batch.tasks) <= size and len({task.shape for task in batch.tasks}) == 1 for batch in batches)
    firsts = [int(batch.tasks[0].job_id) for batch in batches]
    assert firsts == sorted(firsts)


def of(scheduler: Scheduler, owner: str, job_id: str, model: str = "/demo", **changes: Any) -> None:
    """Accept a job of an owner, for a model."""
    scheduler.reserve(job_id)
    request = ask(**changes)
    scheduler.add(Task(job_id, index, prepared(request, model), owner) for index in range(request.count))


def taken(scheduler: Scheduler, *held: str) -> str:
    """Return the jobs of the next batch, in one text."""
    assignment = scheduler.take(held)
    return "".join(task.job_id for task in assignment.tasks) if assignment else ""


def test_who_asks_for_much_does_not_keep_others_waiting() -> None:
    """Owners take turns by what they have used, not by who was first."""
    scheduler = Scheduler(100, 1)
    for name in "abcdef":
        of(scheduler, "much", name)
    assert taken(scheduler) == "a"
    of(scheduler, "little", "x")
    of(scheduler, "little", "y")
    assert sorted(taken(scheduler) + taken(scheduler)) == ["b", "x"]
    assert sorted(taken(scheduler) + taken(scheduler)) == ["c", "y"]
    assert [taken(scheduler) for _ in range(4)] == ["d", "e", "f", ""]


def test_turns_are_counted_by_work() -> None:
    """Pictures of four times the size come a quarter as often."""
    scheduler = Scheduler(100, 1)
    for number in range(12):
        of(scheduler, "large", f"L{number}", width=128, height=128)
        of(scheduler, "small", f"s{number}")
    first = [taken(scheduler)[0] for _ in range(10)]
    assert first.count("L") == 2


def test_nobody_saves_up_turns() -> None:
    """Who was away for long begins where the others are."""
    scheduler = Scheduler(100, 1)
    for name in "abcdefgh":
        of(scheduler, "steady", name)
    for _ in range(6):
        taken(scheduler)
    for name in "uvwxyz":
        of(scheduler, "late", name)
    assert sorted(taken(scheduler) + taken(scheduler)) != ["u", "v"]


def test_a_batch_takes_along_what_others_asked_for() -> None:
    """It costs nobody anything: a batch's pictures are made in the time of one."""
    scheduler = Scheduler(100, 3)
    of(scheduler, "one", "a")
    of(scheduler, "two", "b")
    of(scheduler, "one", "c")
    assert taken(scheduler) == "acb"


def test_a_worker_is_given_what_its_model_can_make_but_nobody_starves() -> None:
    """A model that is not there is loaded after a few batches at the latest."""
    scheduler = Scheduler(100, 1)
    of(scheduler, "", "X", model="/other")
    for name in "abcdefgh":
        of(scheduler, "", name)
    order = "".join(taken(scheduler, "/demo") for _ in range(9))
    assert order == "abcd" + "X" + "efgh"


def test_a_model_that_an_idle_worker_holds_is_left_to_it() -> None:
    """Else every worker would come to load every model."""
    scheduler = Scheduler(100, 1)
    of(scheduler, "", "a", model="/other")
    assert scheduler.take(["/demo"], ["/other"]) is None
    assert scheduler.take(["/demo"], []) is not None


def test_everybody_knows_their_place() -> None:
    """By the turns of their owners; 1 is the next one."""
    scheduler = Scheduler(100, 1)
    for name in "abc":
        of(scheduler, "much", name)
    of(scheduler, "little", "x")
    assert scheduler.positions() == {"a": 1, "x": 2, "b": 3, "c": 4}
    scheduler.close("a")
    assert scheduler.positions()["x"] <= 2


def test_a_second_pass_counts_at_its_size() -> None:
    """Four times 1024 pixels fit together, twice enlarged to 2048 only one does."""
    scheduler = Scheduler(100, 4)
    for name in "ab":
        of(scheduler, "", name, width=1024, height=1024, hires=Hires(scale=2.0))
    assert (taken(scheduler), taken(scheduler)) == ("a", "b")
