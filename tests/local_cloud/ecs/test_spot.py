"""Spot instances that the cloud takes back: told five minutes ahead in their metadata, then released or stopped."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest

from garret.local_cloud.clock import parse_stamp
from tests.local_cloud.house import SECRET, House, PaperDriver, until
from tests.local_cloud.machines import describe, launch, running, status
from tests.local_cloud.test_metadata_service import Asker

WHEN = "/latest/meta-data/instance/spot/termination-time"
SPOT = {"SpotStrategy": "SpotAsPriceGo"}
MINE = [{"Key": "garret:deployment", "Value": "film"}]


def reclaim(house: House, **told: Any) -> str:
    """Want spot instances back and return the fault's id."""
    added: list[str] = house.own("POST", "/_garret/faults", {"faults": [{"fault": "spot_reclaim", **told}]})["added"]
    return added[0]


def refused(house: House, **told: Any) -> str:
    """Return why an instance is not taken back."""
    wanted = {"faults": [{"fault": "spot_reclaim", **told}]}
    import json

    code, reply = house.http("POST", "/_garret/faults", json.dumps(wanted).encode(), {"x-garret-secret": SECRET})
    assert code == 400
    return str(reply["error"])


def now(house: House) -> datetime:
    """Return the cloud's time."""
    return parse_stamp(house.own("GET", "/_garret/clock")["now"])


def test_a_spot_instance_is_told_and_released(house: House, driver: PaperDriver) -> None:
    """404 until it is wanted back; then the time, five minutes ahead; then the instance is gone, and its bill ends."""
    instance = running(house, **SPOT, DeletionProtection=True)
    other = running(house, **SPOT)
    asker = Asker(house, instance)
    assert asker.ask(WHEN)[0] == 404
    assert "spot/" not in asker.text("/latest/meta-data/instance/").split()
    reclaim(house, instance=instance)
    until(lambda: asker.ask(WHEN)[0] == 200)
    told = asker.text(WHEN)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", told)
    assert timedelta(seconds=280) < parse_stamp(told) - now(house) <= timedelta(seconds=300)
    assert asker.walk("/2016-01-01/meta-data/instance/")["spot"] == {"termination-time": told}
    assert describe(house, instance)["OperationLocks"]["LockReason"][0]["LockReason"] == "Recycling"
    assert house.own("GET", "/_garret/faults")["faults"] == []  # it has found what it was for
    house.own("POST", "/_garret/clock", {"advance_s": 290})
    assert status(house, instance) == "Running"
    house.own("POST", "/_garret/clock", {"advance_s": 11})
    until(lambda: describe(house, instance) == {})
    assert instance not in driver.nodes
    assert (status(house, other), Asker(house, other).ask(WHEN)[0]) == ("Running", 404)


def test_one_that_is_to_stop_stops_economically(house: House) -> None:
    """SpotInterruptionBehavior Stop: its disk stays, and it starts again."""
    instance = running(house, **SPOT, SpotInterruptionBehavior="Stop")
    assert describe(house, instance)["SpotInterruptionBehavior"] == "Stop"
    reclaim(house, instance=instance, notice_s=0)
    until(lambda: status(house, instance) == "Stopped")
    assert describe(house, instance)["StoppedMode"] == "StopCharging"
    house.call("StartInstance", InstanceId=instance)
    until(lambda: status(house, instance) == "Running")
    assert Asker(house, instance).ask(WHEN)[0] == 404


def test_a_deployments_instance_is_taken_back_when_it_comes_to_run(house: House) -> None:
    """The fault waits for it, passes others by, and goes on as often as it was told."""
    reclaim(house, deployment="film", notice_s=0, times=2)
    bystander = running(house, **SPOT)
    plain = running(house, Tag=MINE)
    for _ in range(2):
        first = launch(house, **SPOT, Tag=MINE)
        until(lambda: describe(house, first) == {})  # noqa: B023 - awaited at once
    last = running(house, **SPOT, Tag=MINE)
    assert [status(house, one) for one in (bystander, plain, last)] == ["Running"] * 3


def test_a_restart_takes_up_what_was_told(house: House) -> None:
    """Who was told is released in time by the next server."""
    instance = running(house, **SPOT)
    reclaim(house, instance=instance)
    until(lambda: Asker(house, instance).ask(WHEN)[0] == 200)
    house.store.update("instance", instance, ReclaimAt="2026-01-01T00:00:00Z")  # its time passed while nobody served
    house.cloud.recover()
    until(lambda: describe(house, instance) == {})


def test_what_was_stopped_economically_is_not_taken_back(house: House) -> None:
    """There is nothing left to take."""
    instance = running(house, **SPOT)
    reclaim(house, instance=instance)
    until(lambda: Asker(house, instance).ask(WHEN)[0] == 200)
    house.call("StopInstance", InstanceId=instance, StoppedMode="StopCharging")
    until(lambda: status(house, instance) == "Stopped")
    house.own("POST", "/_garret/clock", {"advance_s": 600})
    house.call("StartInstance", InstanceId=instance)
    until(lambda: status(house, instance) == "Running")


def test_other_instances_are_not_taken_back(house: House) -> None:
    """What is not there or no spot instance is refused by the field's name; so is a behavior nobody knows."""
    assert "spot_reclaim.instance: there is no instance 'i-none'" in refused(house, instance="i-none")
    plain = running(house)
    assert f"spot_reclaim.instance: {plain} is no spot instance" in refused(house, instance=plain)
    assert "spot_reclaim.notice_s" in refused(house, notice_s=-1)
    assert house.own("GET", "/_garret/faults")["faults"] == []
    with pytest.raises(Exception, match="InvalidSpotInterruptionBehavior"):
        launch(house, **SPOT, SpotInterruptionBehavior="Explode")
