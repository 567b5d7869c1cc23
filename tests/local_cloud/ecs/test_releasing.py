"""Instances that the cloud releases at a time that was set for them, by its own clock."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from garret.local_cloud.clock import parse_stamp, stamp
from tests.local_cloud.house import House, until
from tests.local_cloud.machines import describe, running, status

ACTION = "ModifyInstanceAutoReleaseTime"


def now(house: House) -> datetime:
    """The cloud's time."""
    return parse_stamp(house.own("GET", "/_garret/clock")["now"])


def pass_time(house: House, seconds: float) -> None:
    """Let the cloud's time go on."""
    house.own("POST", "/_garret/clock", {"advance_s": seconds})


def at(house: House, **ahead: float) -> str:
    """A time from now."""
    return stamp(now(house) + timedelta(**ahead))


def test_a_stopped_instance_is_released_at_its_time_and_its_bill_ends(house: House) -> None:
    """Rounded down to the minute; disk and instance are gone then, and not before."""
    instance = running(house)
    house.call("StopInstance", InstanceId=instance, StoppedMode="StopCharging")
    until(lambda: status(house, instance) == "Stopped")
    when = at(house, days=14)
    house.call(ACTION, InstanceId=instance, AutoReleaseTime=when)
    assert describe(house, instance)["AutoReleaseTime"] == f"{when[:16]}:00Z"
    pass_time(house, 13 * 86_400)
    assert status(house, instance) == "Stopped"
    pass_time(house, 86_400 + 60)
    until(lambda: describe(house, instance) == {})
    assert house.own("GET", "/_garret/bill")["lines"] == []


def test_a_running_one_goes_as_well_and_without_a_time_none_goes(house: House) -> None:
    """What was set is taken back by no time at all."""
    first, second = running(house), running(house)
    for instance in (first, second):
        house.call(ACTION, InstanceId=instance, AutoReleaseTime=at(house, hours=1))
    house.call(ACTION, InstanceId=first)
    assert describe(house, first)["AutoReleaseTime"] == ""
    pass_time(house, 3700)
    until(lambda: describe(house, second) == {})
    assert status(house, first) == "Running"


@pytest.mark.parametrize(
    "when",
    [{"minutes": 29}, {"days": 3 * 366 + 1}, {"hours": -1}, "tomorrow", "2030-01-01", "2030-01-01T08:00:00+08:00"],
)
def test_a_time_that_the_vendor_refuses_is_refused(house: House, when: dict[str, float] | str) -> None:
    """Half an hour to three years ahead, in one form, in UTC."""
    instance = running(house)
    text = when if isinstance(when, str) else at(house, **when)
    with pytest.raises(Exception, match=r"InvalidAutoReleaseTime\.Malformed"):
        house.call(ACTION, InstanceId=instance, AutoReleaseTime=text)


def test_what_was_paid_for_beforehand_is_not_released_by_a_time(house: House) -> None:
    """The vendor's word for it."""
    instance = running(house, InstanceChargeType="PrePaid", Period=1, PeriodUnit="Month")
    with pytest.raises(Exception, match="ChargeTypeViolation"):
        house.call(ACTION, InstanceId=instance, AutoReleaseTime=at(house, days=1))


def test_a_release_outlives_the_cloud_that_was_to_make_it(house: House) -> None:
    """A server that starts with the book of another waits for the times that stand in it."""
    instance = running(house)
    house.call(ACTION, InstanceId=instance, AutoReleaseTime=at(house, hours=1))
    house.cloud.background.stop()
    with House(house.cloud.driver, store=house.store) as again:
        again.cloud.recover()
        pass_time(again, 3700)
        until(lambda: describe(again, instance) == {})
