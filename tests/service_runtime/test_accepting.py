"""Jobs between the disk and the queue: found by their key at any moment, taken up again as what they were."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from garret.service_runtime.accepting import Accepting
from garret.service_runtime.background import Background
from garret.service_runtime.errors import Busy
from garret.service_runtime.job_store import JobStore
from garret.service_runtime.jobs import WAITING, Job
from garret.service_runtime.live import LiveJobs
from garret.service_runtime.pace import Pace
from garret.service_runtime.request import ImageRequest
from garret.service_runtime.scheduler import Scheduler
from garret.service_runtime.terms import Terms
from tests.service_runtime.asking import SMALL, prepared
from tests.service_runtime.living import fake_settings, serving

T = TypeVar("T")


class Late(Background):
    """Threads whose word on what was written comes late to the event loop."""

    async def in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run it, and dawdle after a job was written."""
        found = await super().in_thread(function, *arguments)
        if isinstance(found, Job) and found.created_at and not arguments:
            await asyncio.sleep(0.2)
        return found


def test_a_key_leads_to_a_job_that_is_just_being_accepted(tmp_path: Path) -> None:
    """Who is told of it finds it in the queue, and not only on the disk."""

    async def run() -> None:
        store, background = JobStore(tmp_path / "jobs.sqlite"), Late()
        scheduler, pace = Scheduler(1, 1), Pace()
        live = LiveJobs(store, scheduler, background, pace)
        accepting = Accepting(
            store=store, live=live, scheduler=scheduler, pace=pace, results=None,  # type: ignore[arg-type]
            background=background, prepare=prepared, expiry_s=0,
        )  # fmt: skip
        terms = Terms(attached=False, key="k", digest="d")
        first = asyncio.create_task(accepting.accept(SMALL, "me", terms))
        while store.keyed("me", "k") is None:
            await asyncio.sleep(0.01)
        assert live.all == []
        known = await accepting.repeated("me", terms)
        assert live.get(known) is not None
        assert known == await first
        with pytest.raises(Busy):
            accepting.check_room()
        background.end_threads()
        store.close()

    asyncio.run(run())


def test_what_was_begun_before_a_restart_is_not_given_up_for_waiting(tmp_path: Path) -> None:
    """What nobody had begun is."""
    settings = fake_settings(tmp_path, fake_load_seconds=1.5)
    store = JobStore(settings.state_dir / "jobs.sqlite")
    past = time.time() - 10
    for name in ("begun", "waited"):
        request = ImageRequest("tiny", "a", 64, 64, 2, 3.0, 1)
        store.add(Job(name, "local", WAITING, request, created_at=past, expires_at=past + 1))
    store.start("begun")
    store.close()
    with serving(settings) as service:
        ends = {name: service.call("GET", f"/v1/jobs/{name}?wait=10").json["state"] for name in ("begun", "waited")}
    assert ends == {"begun": "Success", "waited": "Expired"}
