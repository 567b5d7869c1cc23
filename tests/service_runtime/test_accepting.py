"""Jobs between the disk and the queue: found by their key at any moment, taken up again as what they were."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

from garret.service_runtime.accepting import Accepting
from garret.service_runtime.background import Background
from garret.service_runtime.errors import Busy, Cancelled, TimedOut
from garret.service_runtime.job_store import JobStore
from garret.service_runtime.job_watcher import JobWatcher
from garret.service_runtime.jobs import WAITING, Job
from garret.service_runtime.live import Live, LiveJobs
from garret.service_runtime.pace import Pace
from garret.service_runtime.scheduler import Scheduler
from garret.service_runtime.terms import Terms
from tests.service_runtime.asking import SMALL, prepared

T = TypeVar("T")


class Late(Background):
    """Threads whose word on what was written comes late to the event loop."""

    async def in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run it, and dawdle after a job was written."""
        found = await super().in_thread(function, *arguments)
        if isinstance(found, Job) and found.created_at and not arguments:
            await asyncio.sleep(0.2)
        return found


def accepting_with(store: JobStore, background: Background, scheduler: Scheduler) -> tuple[Accepting, LiveJobs]:
    """What accepts jobs of any model; none has a picture on the disk yet."""
    pace = Pace()
    live = LiveJobs(store, scheduler, background, pace)
    results: Any = SimpleNamespace(read=lambda _: {})
    accepting = Accepting(
        store=store, live=live, scheduler=scheduler, pace=pace, results=results,
        background=background, prepare=prepared, expiry_s=0,
    )  # fmt: skip
    return accepting, live


def test_a_key_leads_to_a_job_that_is_just_being_accepted(tmp_path: Path) -> None:
    """Who is told of it finds it in the queue, and not only on the disk."""

    async def run() -> None:
        store, background = JobStore(tmp_path / "jobs.sqlite"), Late()
        accepting, live = accepting_with(store, background, Scheduler(1, 1))
        terms = Terms(attached=False, key="k", digest="d")
        first = asyncio.create_task(accepting.accept(SMALL, "me", terms))
        while store.keyed("me", "k") is None:
            await asyncio.sleep(0.01)
        assert live.all == []
        known = await accepting.repeated("me", terms)
        assert live.get(known) is not None
        assert known == await first
        with pytest.raises(Busy):
            accepting.check_room("me")
        accepting.check_room("somebody who has nothing open")
        background.end_threads()
        store.close()

    asyncio.run(run())


class Clumsy(JobWatcher):
    """A watcher that fails at whatever it hears."""

    def accepted(self, live: Live) -> None:
        """Fail."""
        raise RuntimeError(live.job_id)

    def ended(self, live: Live, end: str, why: str) -> None:
        """Fail."""
        raise RuntimeError(f"{live.job_id} {end} {why}")


def test_who_watches_keeps_no_job_from_its_end(tmp_path: Path) -> None:
    """Its caller is told, whatever became of the traces; and what a worker has brought is not asked for again."""

    async def run() -> None:
        store, background, scheduler = JobStore(tmp_path / "jobs.sqlite"), Background(), Scheduler(1, 4)
        live = LiveJobs(store, scheduler, background, Pace())
        live.watchers.append(Clumsy())
        request = replace(SMALL, batch_size=3)
        job = Job("j", "me", WAITING, request, created_at=time.time())
        store.add(job)
        scheduler.reserve("j")
        one = live.enter(job, prepared(request), {}, attached=False)
        batch = scheduler.take()
        assert batch is not None
        one.made.add(1)
        live.again_alone(batch)
        again = [scheduler.take(), scheduler.take(), scheduler.take()]
        assert [one and one.tasks[0].index for one in again] == [0, 2, None]
        live.cancel(one, "not wanted")
        with pytest.raises(Cancelled):
            await one.future
        background.end_threads()
        store.close()

    asyncio.run(run())


def test_what_was_begun_before_a_restart_is_not_given_up_for_waiting(tmp_path: Path) -> None:
    """What nobody had begun is."""

    async def run() -> None:
        store, background = JobStore(tmp_path / "jobs.sqlite"), Background()
        past = time.time() - 10
        for name in ("begun", "waited"):
            store.add(Job(name, "me", WAITING, SMALL, created_at=past, expires_at=past + 1))
        store.start("begun")
        accepting, live = accepting_with(store, background, Scheduler(2, 1))
        await accepting.take_up()
        waited = live.get("waited")
        assert waited is not None
        giving_up = asyncio.create_task(accepting.expire())
        with pytest.raises(TimedOut):
            await waited.future
        giving_up.cancel()
        assert [one.job_id for one in live.all] == ["begun"]
        background.end_threads()
        store.close()

    asyncio.run(run())
