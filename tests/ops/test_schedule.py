"""Schedules and what else goes on in the cloud by itself: begun once, shown, replaced, ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from garret.errors import CloudError, UsageError
from garret.ops.automation import KEEP_STARTING, active
from garret.ops.cloud import Cloud
from garret.ops.crash import Crash
from garret.ops.deployment import Deployment
from garret.ops.keep_trying import keep_starting
from garret.ops.known_executions import all_of, cloud_execution, wait_in_the_cloud
from garret.ops.schedule import check_zone, read_week, run, show
from garret.ops.status import status
from garret.ops.stop import stop
from garret.ops.work import Work
from tests.ops.fake import Listener, World, cloud_of, deployment_in
from tests.ops.test_status import deployed

SHANGHAI = {"time_zone": "Asia/Shanghai"}


@pytest.mark.parametrize(
    ("text", "cron"),
    [
        ("mon-fri 09:00", "0 0 9 ? * MON,TUE,WED,THU,FRI"),
        ("sat, sun 10:30", "0 30 10 ? * SAT,SUN"),
        ("daily 7:05", "0 5 7 ? * MON,TUE,WED,THU,FRI,SAT,SUN"),
        ("weekends 00:00", "0 0 0 ? * SAT,SUN"),
        ("fri-mon 23:59", "0 59 23 ? * MON,FRI,SAT,SUN"),
        ("wed 12:00", "0 0 12 ? * WED"),
    ],
)
def test_times_of_the_week(text: str, cron: str) -> None:
    """As a person writes them, and as the cloud wants them."""
    assert read_week("--start", text).cron == cron


@pytest.mark.parametrize(
    "text", ["09:00", "mon 9", "mon 24:00", "mon-xyz 09:00", "mon 09:60", "", "moon 09:00", "mon; 1:00"]
)
def test_what_is_no_time_of_the_week(text: str) -> None:
    """The option is named, and a time that is one is shown."""
    with pytest.raises(UsageError, match="--stop") as error:
        read_week("--stop", text)
    assert "mon-fri 09:00" in error.value.hint


def test_time_zones_are_checked() -> None:
    """By their names."""
    assert check_zone("Asia/Shanghai") == "Asia/Shanghai"
    for wrong in ("Shanghai", "../etc/passwd", ""):
        with pytest.raises(UsageError, match="--time-zone"):
            check_zone(wrong)


def scheduled(cloud: Cloud, one: Deployment, **said: Any) -> dict[str, Any]:
    """Run the verb."""
    return run(Work(cloud, one, Listener(), Crash(), said | SHANGHAI))


def test_a_schedule_is_made_once_replaced_and_taken_away(world: World, tmp_path: Path) -> None:
    """The same again changes nothing; other times take the place of the old; `off` leaves none."""
    deployed(world, tmp_path)
    cloud, one = cloud_of(world), deployment_in(tmp_path)
    first = scheduled(cloud, one, start="mon-fri 09:00", stop="mon-fri 19:00")
    assert (first["changed"], first["start"]["cron"]) == (True, "0 0 9 ? * MON,TUE,WED,THU,FRI")
    assert first["stop"]["time_zone"] == "Asia/Shanghai"
    again = scheduled(cloud, one, start="mon-fri 09:00", stop="mon-fri 19:00")
    assert (again["changed"], world.writes.count("StartExecution")) == (False, 2)
    other = scheduled(cloud, one, stop="daily 20:00")
    assert (other["start"], other["stop"]["execution"] != first["stop"]["execution"]) == (None, True)
    assert world.writes.count("CancelExecution") == 2
    seen = status(cloud, one, "cn-hangzhou", lambda _: True)
    assert [(found["kind"], found["why"]) for found in seen.by_itself] == [
        ("schedule-stop", "the cloud stops it next at 2026-01-02T01:00:00Z")
    ]
    assert scheduled(cloud, one)["changed"]
    assert show(cloud, one) == {"name": "garret", "start": None, "stop": None}


def test_there_must_be_a_machine(world: World, tmp_path: Path) -> None:
    """A schedule of nothing is refused with what to type."""
    with pytest.raises(UsageError, match="no machine") as error:
        scheduled(cloud_of(world), deployment_in(tmp_path), start="mon 09:00")
    assert "garret deploy" in error.value.hint


def test_tries_are_begun_once_and_a_stop_ends_them(world: World, tmp_path: Path) -> None:
    """Whoever stops it does not want the cloud to start it again a minute later."""
    deployed(world, tmp_path)
    cloud, one, told = cloud_of(world), deployment_in(tmp_path), Listener()
    begun = keep_starting(cloud, one, 30)
    assert keep_starting(cloud, one, 30) == begun | {"joined": True}
    assert "tries to start it" in status(cloud, one, "cn-hangzhou", lambda _: True).by_itself[0]["why"]
    stop(cloud, one, told, Crash())
    assert active(cloud, one, KEEP_STARTING) == []
    assert any("no longer tries" in line for line in told.lines)
    for wrong in (0, 24 * 60 + 1):
        with pytest.raises(UsageError, match="--keep-trying"):
            keep_starting(cloud, one, wrong)


def test_a_cloud_that_does_not_say_stops_no_stop(world: World, tmp_path: Path) -> None:
    """Without the right to look at executions a stop works as before, and says what it did not look at."""
    deployed(world, tmp_path)
    told = Listener()
    world.refusals["ListExecutions"] = CloudError("ListExecutions", "NoPermission", "not allowed")
    assert stop(cloud_of(world), deployment_in(tmp_path), told, Crash())["state"] == "stopped"
    assert any("was not looked at" in line for line in told.lines)


def test_they_are_executions_like_others(world: World, tmp_path: Path) -> None:
    """Listed beside those of this machine, shown with their tasks, and not waited for where they have no end."""
    deployed(world, tmp_path)
    cloud, one = cloud_of(world), deployment_in(tmp_path)
    id = scheduled(cloud, one, stop="daily 20:00")["stop"]["execution"]
    listed = [found for found in all_of(cloud, one).executions if found.place == "cloud"]
    assert [(found.id, found.verb, found.status) for found in listed] == [(id, "schedule-stop", "Running")]
    assert [task["name"] for task in cloud_execution(cloud, id).tasks] == ["timer"]
    with pytest.raises(UsageError, match="goes on until it is ended"):
        wait_in_the_cloud(cloud, id, Listener())
    with pytest.raises(UsageError, match="there is no execution"):
        cloud_execution(cloud, "exec-none")
