"""Schedules and tries against the local cloud: by the real SDKs, by its own clock, with no garret running."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from garret.local_cloud.faults import Fault
from garret.ops.automation import active
from garret.ops.crash import Crash
from garret.ops.keep_trying import keep_starting
from garret.ops.known_executions import wait_in_the_cloud
from garret.ops.schedule import run, show
from garret.ops.stop import stop
from garret.ops.work import Work
from tests.light.clock import HastyClock
from tests.light.house import LightHouse, light_house
from tests.local_cloud.house import until
from tests.ops.fake import Listener


@pytest.fixture
def house(tmp_path: Path) -> Iterator[LightHouse]:
    """A cloud of its own: its clock is moved."""
    with light_house(tmp_path) as one:
        yield one


def instance_status(house: LightHouse) -> tuple[str, str]:
    """How the one machine stands."""
    (body,) = house.cloud_house.store.find("instance")
    return body["Status"], body["StoppedMode"]


def test_the_cloud_stops_and_starts_by_the_week(house: LightHouse) -> None:
    """A day goes by: stopped economically in the evening, running in the morning; then nothing is left of it."""
    house.deploy()
    roles, one, cloud = house.roles(HastyClock()), house.deployment(), house.cloud_house.cloud
    said = {"start": "daily 09:00", "stop": "daily 19:00", "time_zone": "Asia/Shanghai"}
    facts = run(Work(roles, one, Listener(), Crash(), said))
    # Until the evening, wherever the day stands now.
    ahead = {kind: facts[kind]["next_at"] for kind in ("start", "stop")}
    for kind in sorted(ahead, key=lambda kind: ahead[kind]) * 2:
        due = show(roles, one)[kind]["next_at"]
        move_to(house, due)
        until(lambda kind=kind, due=due: is_done(show(roles, one)[kind], due))
        assert show(roles, one)[kind]["last_status"] == "Success", show(roles, one)
        wanted = ("Running", "Not-applicable") if kind == "start" else ("Stopped", "StopCharging")
        assert instance_status(house) == wanted
    house.delete()
    assert active(roles, one) == []
    assert all(body["Status"] != "Waiting" for body in cloud.store.find("oos_execution"))


def is_done(facts: dict[str, Any], due: str) -> bool:
    """Say whether what was due at a moment has ended."""
    return facts["last_at"] == due and bool(facts["last_status"]) and facts["next_at"] > due


def move_to(house: LightHouse, stamp: str) -> None:
    """Move the cloud's time to a moment."""
    from garret.local_cloud.clock import parse_stamp

    cloud = house.cloud_house.cloud
    cloud.advance(max(0.0, (parse_stamp(stamp) - cloud.clock.now()).total_seconds()))


def test_the_cloud_keeps_trying_until_there_is_stock(house: LightHouse) -> None:
    """Refused twice for want of stock, started at the third try a minute later each; told, and over by itself."""
    house.deploy()
    roles, one = house.roles(HastyClock()), house.deployment()
    stop(roles, one, Listener(), Crash())
    cloud = house.cloud_house.cloud
    cloud.faults.add(Fault(action="StartInstance", code="OperationDenied.NoStock", status=403, times=2))
    id = keep_starting(roles, one, 30)["execution"]
    for wait in ("wait1", "wait2"):
        until(lambda wait=wait: any(task.name == wait for task in roles.automation.tasks(id)))
        cloud.advance(61)
    done = wait_in_the_cloud(roles, id, Listener())
    assert [(task["name"], task["status"]) for task in done.tasks if task["name"].startswith("try")] == [
        ("try1", "Failed"), ("try2", "Failed"), ("try3", "Success"),
    ]  # fmt: skip
    assert "NoStock" in next(task["note"] for task in done.tasks if task["name"] == "try1")
    assert instance_status(house)[0] == "Running"
    assert active(roles, one) == []
    house.delete()


def test_a_stop_ends_the_tries(house: LightHouse) -> None:
    """What was stopped stays stopped, also when there is stock again."""
    house.deploy()
    roles, one = house.roles(HastyClock()), house.deployment()
    stop(roles, one, Listener(), Crash())
    cloud = house.cloud_house.cloud
    cloud.faults.add(Fault(action="StartInstance", code="OperationDenied.NoStock", status=403))
    id = keep_starting(roles, one, 30)["execution"]
    until(lambda: any(task.name == "wait1" for task in roles.automation.tasks(id)))
    stop(roles, one, Listener(), Crash())
    cloud.advance(3600)
    until(lambda: cloud.background.join(5, f"oos {id}"))
    assert instance_status(house)[0] == "Stopped"
    found = roles.automation.get(id)
    assert found is not None
    assert found.status == "Cancelled"
    house.delete()


def test_a_stop_ends_the_tries_of_a_schedule_too(house: LightHouse) -> None:
    """It is nine, there is no stock, and somebody stops it for today: tomorrow's start is the next."""
    house.deploy()
    roles, one = house.roles(HastyClock()), house.deployment()
    stop(roles, one, Listener(), Crash())
    facts = run(Work(roles, one, Listener(), Crash(), {"start": "daily 09:00", "time_zone": "UTC"}))
    timer = facts["start"]["execution"]
    house.cloud_house.own("POST", "/_garret/faults", {"faults": [{"fault": "no_stock"}]})
    move_to(house, facts["start"]["next_at"])
    until(lambda: any(task.name.startswith("wait") for begun in roles.automation.begun_by(timer)
                      for task in roles.automation.tasks(begun.id)))  # fmt: skip
    stop(roles, one, Listener(), Crash())
    house.cloud_house.own("DELETE", "/_garret/faults", {})
    house.cloud_house.own("POST", "/_garret/clock", {"advance_s": 3600})
    until(lambda: all(begun.status == "Cancelled" for begun in roles.automation.begun_by(timer)))
    assert instance_status(house) == ("Stopped", "StopCharging")
    assert [each.id for each in active(roles, one)] == [timer]
