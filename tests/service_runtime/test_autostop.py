"""When a node stops itself: enough silence, nothing going on; a refusal is said and tried again."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from garret.service_runtime.autostop import FIRST_RETRY_S, GRACE_S, STOPPING_S, Autostop
from garret.service_runtime.autostop_settings import AutostopSettings
from garret.service_runtime.idle import Idle
from garret.service_runtime.self_stop import StopRefused
from garret.service_runtime.signs import Signs
from tests.service_runtime.living import fake_settings, serving, wait


class Done(Exception):
    """The script of a test is over."""


@dataclass
class World:
    """A clock that a test moves, and a cloud that refuses as often as it is told to."""

    now: float = 0.0
    doing: str = ""
    refusals: int = 0
    settings: AutostopSettings = field(default_factory=AutostopSettings)
    release_refusals: int = 0
    stops: list[float] = field(default_factory=list)
    releases: list[float | None] = field(default_factory=list)
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

    def __call__(self) -> None:
        """Take or refuse a stop."""
        self.stops.append(self.now)
        if len(self.stops) <= self.refusals:
            raise StopRefused("StopInstance: Forbidden.RAM: no")

    def release(self, at: datetime | None) -> None:
        """Take or refuse a release, as seconds of this world's time."""
        self.releases.append(at.timestamp() if at else None)
        if len(self.releases) <= self.release_refusals:
            raise StopRefused("ModifyInstanceAutoReleaseTime: Forbidden.RAM: no")

    def autostop(self, idle_s: float = 0, **more: Any) -> Autostop:
        """The watch over this world."""
        self.settings = AutostopSettings(idle_s, **more)
        return Autostop(lambda: self.settings, Idle(self.clock), self.busy, self, self.sleep, self.clock)


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


HOUR, DAY = 3600.0, 86_400.0


def test_a_change_counts_at_the_next_look(tmp_path: Path) -> None:
    """Off means off, and on again counts from the last sign of life."""
    world = World(end_at=2 * HOUR)
    autostop = world.autostop(HOUR)
    world.settings = AutostopSettings()
    watch(autostop)
    assert (world.stops, autostop.facts()["stops_in_s"]) == ([], None)
    world.settings, world.end_at = AutostopSettings(300), 2 * HOUR + 60
    watch(autostop)
    assert 2 * HOUR <= world.stops[0] <= 2 * HOUR + 30


def test_a_time_of_day_stops_what_is_idle_or_not_and_once_a_day() -> None:
    """02:00 in Shanghai is 18:00 UTC; who starts it again at 19:00 keeps it until the next day."""
    world = World(end_at=18.1 * HOUR)
    autostop = world.autostop(7 * DAY, stop_by="02:00", time_zone="+08:00")
    assert autostop.facts()["stop_by_at"] == "1970-01-01T18:00:00Z"
    watch(autostop)
    assert 18 * HOUR <= world.stops[0] <= 18 * HOUR + 15
    later = World(now=19 * HOUR, end_at=19 * HOUR + DAY)
    watch(later.autostop(0, stop_by="02:00", time_zone="Asia/Shanghai"))
    assert 18 * HOUR + DAY <= later.stops[0] <= 18 * HOUR + DAY + 15


def test_a_clock_that_was_ahead_at_the_start_hides_no_time_of_day() -> None:
    """It is set right by the network's time some seconds after."""
    world = World(now=8 * HOUR)
    autostop = world.autostop(stop_by="02:00")
    asyncio.run(autostop.look())
    world.now, world.end_at = 0.0, 2 * HOUR + 20
    watch(autostop)
    assert world.stops == [pytest.approx(2 * HOUR, abs=16)]


def test_a_job_may_overrun_the_time_of_day_and_not_for_ever() -> None:
    """It is waited for half an hour; then it is cut off, and it is in the node's book for the next start."""
    world = World(now=1.0, doing="a job", end_at=3 * HOUR)
    watch(world.autostop(0, stop_by="01:00"))
    assert HOUR + GRACE_S <= world.stops[0] <= HOUR + GRACE_S + 15
    short = World(now=1.0, doing="a job", end_at=HOUR + 60)
    autostop = short.autostop(0, stop_by="01:00")
    watch(autostop)
    assert (short.stops, autostop.facts()["doing"]) == ([], "a job")
    short.doing, short.end_at = "", HOUR + 90
    watch(autostop)
    assert len(short.stops) == 1


def test_a_stop_says_first_when_the_machine_is_released_and_life_takes_that_back() -> None:
    """The order that is possible: after the stop there is nobody left to ask."""
    world = World(end_at=HOUR + 20)
    autostop = world.autostop(HOUR, delete_after_s=14 * DAY)
    asyncio.run(autostop.look())
    assert world.releases == [None], "a node that was started must not be released, whoever started it"
    watch(autostop)
    assert (len(world.releases), len(world.stops)) == (2, 1)
    assert world.releases[1] == pytest.approx(world.stops[0] + 14 * DAY, abs=1)
    assert autostop.facts()["release_at"].startswith("1970-01-15T01:00")
    autostop.idle.touch("GET /")
    asyncio.run(autostop.look())
    assert world.releases[2:] == [None]
    assert autostop.facts()["release_at"] == ""


def test_a_release_that_cannot_be_taken_back_is_said_and_tried_until_it_is() -> None:
    """It would cost somebody all models; a stop goes on without a release, which costs a disk."""
    world = World(release_refusals=3, end_at=100)
    autostop = world.autostop(HOUR, delete_after_s=14 * DAY)
    asyncio.run(autostop.look())
    assert "Forbidden.RAM" in autostop.facts()["release_refused"]
    watch(autostop)
    assert world.releases == [None] * 4
    assert autostop.facts()["release_refused"] == ""
    refused = World(release_refusals=99, end_at=HOUR + 20)
    watch(refused.autostop(HOUR, delete_after_s=14 * DAY))
    assert len(refused.stops) == 1


def test_a_watch_survives_what_nobody_thought_of() -> None:
    """A look that fails is written down, and the next one comes."""
    world = World(end_at=200)
    autostop = world.autostop(60)
    times = iter([True] * 3)

    async def broken() -> str:
        if next(times, False):
            raise sqlite3.OperationalError("database is locked")
        return ""

    autostop.busy = broken
    watch(autostop)
    assert len(world.stops) == 1


def test_who_cannot_see_what_goes_on_stops_all_the_same() -> None:
    """Each look fails, as on a full disk: the node would be paid for until somebody comes."""
    world = World(end_at=HOUR + 20)
    autostop = world.autostop(HOUR)

    async def broken() -> str:
        raise OSError(28, "No space left on device")

    autostop.busy = broken
    watch(autostop)
    assert len(world.stops) == 1


def test_a_stop_or_release_that_fails_as_nobody_thought_of_is_told() -> None:
    """And keeps neither the stop nor the next try away."""

    class Broken(World):
        def __call__(self) -> None:
            super().__call__()
            if len(self.stops) == 1:
                raise UnicodeError("label too long")

        def release(self, at: datetime | None) -> None:
            super().release(at)
            raise ValueError("no time")

    world = Broken(end_at=HOUR + 20)
    autostop = world.autostop(HOUR, delete_after_s=14 * DAY)
    watch(autostop)
    assert autostop.facts()["refused"] == "UnicodeError: label too long"
    assert autostop.facts()["release_refused"] == "ValueError: no time"
    world.end_at = world.now + 2 * FIRST_RETRY_S
    watch(autostop)
    assert (len(world.stops), autostop.facts()["refused"]) == (2, "")


def test_a_release_is_taken_back_also_when_no_further_one_is_wanted() -> None:
    """The setting may be turned off before the cloud has let go."""
    world = World(release_refusals=1)
    autostop = world.autostop(HOUR, delete_after_s=14 * DAY)
    asyncio.run(autostop.look())
    world.settings = AutostopSettings(HOUR)
    asyncio.run(autostop.look())
    assert world.releases == [None] * 2
    assert autostop.facts()["release_refused"] == ""


def test_requests_are_signs_of_life_and_looking_at_the_machine_is_none(tmp_path: Path) -> None:
    """A picture resets the count; what monitors and progress bars ask for leaves it alone."""
    with serving(fake_settings(tmp_path)) as service:
        service.call("GET", "/sdapi/v1/samplers")
        first = service.call("GET", "/machine").json["autostop"]
        assert first["last_sign"] == "GET /sdapi/v1/samplers"
        assert first["stops_in_s"] is None
        for path in ("/healthz", "/machine", "/sdapi/v1/progress", "/metrics"):
            service.call("GET", path)
            assert service.call("GET", "/machine").json["autostop"]["last_sign"] == "GET /sdapi/v1/samplers"
        service.call("POST", "/machine/page", {})
        assert service.call("GET", "/machine").json["autostop"]["last_sign"] == "an open page"


def test_settings_are_changed_while_it_runs_and_outlive_the_service(tmp_path: Path) -> None:
    """By the service's own API, checked there, kept on the disk, and told back."""
    settings = fake_settings(tmp_path, autostop_s=3600.0)
    with serving(settings) as service:
        assert service.call("GET", "/machine").json["autostop"]["after_s"] == 3600.0
        facts = service.call("PUT", "/machine/autostop", {"idle_s": 7200, "stop_by": "02:00"}).json
        assert (facts["after_s"], facts["stop_by"]) == (7200.0, "02:00")
        for body, field_ in WRONG:
            refused = service.call("PUT", "/machine/autostop", body)
            assert (refused.status, refused.json["field"]) == (422, field_)
        service.kill()
    with serving(settings) as service:
        facts = service.call("GET", "/machine").json["autostop"]
        assert (facts["after_s"], facts["stop_by"]) == (7200.0, "02:00")
        assert service.call("PUT", "/machine/autostop", {"idle_s": 0, "stop_by": ""}).json["stops_in_s"] is None


WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"idle_s": -1}, "idle_s"),
    ({"idle_s": "60"}, "idle_s"),
    ({"idle_s": True}, "idle_s"),
    ({"idle": 60}, "idle"),
    ({"stop_by": "24:00"}, "stop_by"),
    ({"time_zone": "Mars/Olympus"}, "time_zone"),
    ({"time_zone": "../../etc/passwd"}, "time_zone"),
    ({"delete_after_s": 60}, "delete_after_s"),
    ({"idle_s": 0, "learn": True}, "learn"),
)


def test_a_service_that_crashed_goes_on_counting(tmp_path: Path) -> None:
    """Else one that crashes now and then would keep its node for ever; one that was ended begins anew."""
    settings = fake_settings(tmp_path, autostop_s=8.0, metadata_url="http://127.0.0.1:9")
    with serving(settings) as service:
        service.call("GET", "/sdapi/v1/samplers")
        record = settings.state_dir / "idle.json"
        wait(lambda: record.exists() and "samplers" in record.read_text("utf-8"), 40, "the note of the last sign")
        service.kill()
    with serving(settings) as service:
        facts = service.call("GET", "/machine").json["autostop"]
        assert facts["last_sign"] == "GET /sdapi/v1/samplers"
        assert service.terminate() == 0
    with serving(settings) as service:
        assert service.call("GET", "/machine").json["autostop"]["last_sign"] == "the service started"


@pytest.mark.parametrize(("away_s", "since"), [(20.0, 1000.0), (600.0, 1600.0)])
@pytest.mark.parametrize("ended", [True, False])
def test_a_restart_lets_no_time_of_day_go_by(tmp_path: Path, away_s: float, since: float, ended: bool) -> None:
    """Whether it crashed or was told to: what comes while it is away counts; a node that was off begins anew."""
    now = [1000.0]
    before = Signs(tmp_path / "idle.json", Idle(), wall=lambda: now[0], boot="one")
    before.note(ended=ended)
    now[0] += away_s
    after = Signs(tmp_path / "idle.json", Idle(), wall=lambda: now[0], boot="one")
    after.take_up()
    assert after.since == since


def test_a_node_that_was_told_to_stop_does_so_by_itself_when_nobody_asks_again() -> None:
    """Not before the time that was given is over, nor while something is going on; taken back, not at all."""
    world = World(doing="a job")
    watch = world.autostop()
    watch.order(30)
    world.now = 31
    asyncio.run(watch.look())
    assert world.stops == [], "its work comes first"
    world.doing = ""
    watch.order(30)
    asyncio.run(watch.look())
    assert world.stops == [], "whoever asked is still there"
    watch.order(0)
    world.now = 100
    asyncio.run(watch.look())
    assert world.stops == [], "it was taken back"
    watch.order(30)
    world.now = 131
    world.refusals = 1
    asyncio.run(watch.look())
    assert (world.stops, watch.ordered) == ([131], None), "a node without the right to it goes on working"
