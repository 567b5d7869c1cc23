"""How instances are paid for: by the hour, beforehand, as spot; and what a stop saves of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from garret.local_cloud import prices
from garret.local_cloud.ecs.charging import after
from tests.local_cloud.house import REGION, TYPE, House, until
from tests.local_cloud.machines import describe, running, status

HOUR = prices.instance_price(TYPE)


def price(house: House, **fields: Any) -> float:
    """Return the price that the cloud names."""
    asked = {"RegionId": REGION, "InstanceType": TYPE, "SystemDisk": {"Size": 100}, **fields}
    return float(house.call("DescribePrice", **asked)["PriceInfo"]["Price"]["TradePrice"])


def bill(house: House) -> dict[str, float]:
    """Return what is billed per hour now, by kind."""
    return {line["kind"]: line["per_hour"] for line in house.own("GET", "/_garret/bill")["lines"]}


def test_periods_are_cheaper_than_hours_and_spot_is_cheaper_than_both(house: House) -> None:
    """A month costs less than its hours, a year twelve months, a spot hour a part; data disks come on top."""
    hour = price(house)
    assert hour == pytest.approx(HOUR + prices.disk_price(100))
    assert price(house, PriceUnit="Month", Period=1) < hour * 720
    assert price(house, PriceUnit="Year", Period=1) == pytest.approx(price(house, PriceUnit="Month", Period=12))
    assert price(house, SpotStrategy="SpotAsPriceGo") < price(house, PriceUnit="Month", Period=1) / 720
    more = [{"Category": "cloud_essd", "Size": 500}]
    assert price(house, DataDisk=more) == pytest.approx(hour + prices.disk_price(500))
    alone = house.call("DescribePrice", RegionId=REGION, ResourceType="disk", DataDisk=more)
    assert alone["PriceInfo"]["Price"]["TradePrice"] == pytest.approx(prices.disk_price(500))
    for wrong in ({"PriceUnit": "Day"}, {"PriceUnit": "Month", "SpotStrategy": "SpotAsPriceGo"}, {"Period": 2}):
        with pytest.raises(Exception, match="InvalidParameter"):
            price(house, **wrong)


def test_paid_beforehand_is_paid_whether_it_runs_or_not(house: House) -> None:
    """A PrePaid instance says until when, has no economical stop, is not deleted before its time, and may change."""
    instance = running(house, InstanceChargeType="PrePaid", Period=1, PeriodUnit="Month", ResourceGroupId="rg-1")
    seen = describe(house, instance)
    assert (seen["InstanceChargeType"], seen["SaleCycle"], seen["ResourceGroupId"]) == ("PrePaid", "month", "rg-1")
    assert seen["CreationTime"] < seen["ExpiredTime"] < "2099"
    full = bill(house)
    assert full["instance"] < HOUR
    house.call("StopInstance", InstanceId=instance, StoppedMode="StopCharging")
    until(lambda: status(house, instance) == "Stopped")
    assert describe(house, instance)["StoppedMode"] == "Not-applicable"
    assert bill(house) == full
    with pytest.raises(Exception, match="ChargeTypeViolation"):
        house.call("DeleteInstance", InstanceId=instance, Force=True)
    with pytest.raises(Exception, match="ChargeTypeViolation"):
        house.call("ModifyInstanceSpec", InstanceId=instance, InstanceType="ecs.gn7i-c8g1.2xlarge")
    house.call("ModifyPrepayInstanceSpec", RegionId=REGION, InstanceId=instance, InstanceType="ecs.gn7i-c8g1.2xlarge")
    assert describe(house, instance)["Cpu"] == 8
    house.call(
        "ModifyInstanceChargeType", RegionId=REGION, InstanceIds=f'["{instance}"]', InstanceChargeType="PostPaid"
    )
    assert describe(house, instance)["StoppedMode"] == "KeepCharging"
    house.call("DeleteInstance", InstanceId=instance)
    until(lambda: describe(house, instance) == {})


def test_a_spot_instance_stops_economically(house: House) -> None:
    """It keeps its limit, costs the spot price, and nothing but its disk once it is stopped economically."""
    instance = running(house, SpotStrategy="SpotWithPriceLimit", SpotPriceLimit=9.5)
    seen = describe(house, instance)
    assert (seen["SpotStrategy"], seen["SpotPriceLimit"]) == ("SpotWithPriceLimit", 9.5)
    assert bill(house)["instance"] == prices.spot_price(TYPE)
    house.call("StopInstance", InstanceId=instance, StoppedMode="StopCharging")
    until(lambda: status(house, instance) == "Stopped")
    assert set(bill(house)) == {"disk"}


def test_a_month_ends_on_the_same_day_or_the_last_one() -> None:
    """Months are those of the calendar, leap years included."""
    start = datetime(2027, 12, 31, 10, tzinfo=UTC)
    assert [after(start, "Month", n).date().isoformat() for n in (1, 2, 4, 12)] == [
        "2028-01-31", "2028-02-29", "2028-04-30", "2028-12-31",
    ]  # fmt: skip
    assert after(start, "Week", 2).date().isoformat() == "2028-01-14"
