"""When a node stops itself: enough silence, nothing going on; a refusal is said and tried again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from garret.service_runtime.autostop import FIRST_RETRY_S, STOPPING_S, Autostop
from garret.service_runtime.idle import Idle
from garret.service_runtime.self_stop import StopRefused
from tests.service_runtime.living import fake_settings, serving


class Done(Exception):
    """The script of a test is over."""


@dataclass
class World:
    """A clock that a test moves, and a cloud that refuses as often as it is told to."""

    now: float = 0.0
    doing: str = ""
    refusals: int = 0
    stops: list[float] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    end_at: float = 1e9

    def clock(self) -> float:
        """The time."""
        return self.now

    async def busy(self) -> str:
        """What is going on."""
        return self.doing

    async def sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        self.pauses.append(seconds)
        self.now += seconds
        if self.now > self.end_at:
            raise Done

    def stop(self) -> None:
        """Take or refuse a stop."""
        self.stops.append(self.now)
        if len(self.stops) <= self.refusals:
            raise StopRefused("StopInstance: Forbidden.RAM: no")

    def autostop(self, after_s: float) -> Autostop:
        """The watch over this world."""
        return Autostop(after_s, Idle(self.clock), self.busy, self.stop, self.sleep)


def watch(autostop: Autostop) -> None:
    """Watch until the script is over."""
    with pytest.raises(Done):
        asyncio.run(autostop.watch())


def test_a_silent_node_is_stopped_when_its_time_has_come_and_not_before() -> None:
    """An hour without a sign of life, give or take one look."""
    world = World(end_at=3700.0)
    watch(world.autostop(3600))
    assert len(world.stops) == 1
    assert 3600 <= world.stops[0] <= 3615


def test_what_goes_on_puts_the_stop_off() -> None:
    """A job or a download counts as life for as long as it runs."""
    world = World(end_at=10_000, doing="download-model")
    autostop = world.autostop(3600)
    watch(autostop)
    assert world.stops == []
    assert autostop.facts()["last_sign"] == "download-model"


def test_a_refused_stop_is_said_and_tried_again_with_longer_pauses() -> None:
    """Each refusal is in the facts; the pauses double, and the accepted stop ends it."""
    world = World(refusals=3, end_at=1000)
    autostop = world.autostop(60)
    watch(autostop)
    assert len(world.stops) >= 4
    gaps = [later - sooner for sooner, later in zip(world.stops, world.stops[1:4], strict=False)]
    assert gaps == [FIRST_RETRY_S, 2 * FIRST_RETRY_S, 4 * FIRST_RETRY_S]
    assert STOPPING_S in world.pauses


def test_the_facts_name_the_refusal_and_the_time_left() -> None:
    """What `status` shows while the cloud refuses."""
    world = World(refusals=9, end_at=70)
    autostop = world.autostop(60)
    assert autostop.facts()["stops_in_s"] == 60
    watch(autostop)
    facts = autostop.facts()
    assert facts["refused"] == "StopInstance: Forbidden.RAM: no"
    assert (facts["tries"], facts["asked"], facts["stops_in_s"]) == (1, False, 0)


def test_life_after_an_accepted_stop_begins_the_count_anew() -> None:
    """Somebody who comes while the cloud is slow to stop is not cut off a second time."""
    world = World(end_at=400)
    autostop = world.autostop(60)
    watch(autostop)
    assert autostop.asked
    autostop.idle.touch("GET /")
    asyncio.run(autostop.look())
    assert not autostop.asked


def test_requests_are_signs_of_life_and_looking_at_the_machine_is_none(tmp_path: Path) -> None:
    """A picture resets the count; GET /machine and /healthz leave it alone."""
    with serving(fake_settings(tmp_path)) as service:
        service.call("GET", "/sdapi/v1/samplers")
        first = service.call("GET", "/machine").json["autostop"]
        assert first["last_sign"] == "GET /sdapi/v1/samplers"
        assert first["stops_in_s"] is None
        service.call("GET", "/healthz")
        assert service.call("GET", "/machine").json["autostop"]["last_sign"] == "GET /sdapi/v1/samplers"
