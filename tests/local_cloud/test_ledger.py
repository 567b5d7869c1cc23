"""The ledger and the bill that is read from it: what ran how long at which rate, also of what is gone."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from garret.local_cloud import prices
from garret.local_cloud.bss.actions import BEIJING, START_BALANCE
from garret.local_cloud.clock import Clock, ManualClock, parse_stamp
from garret.local_cloud.ledger import Ledger
from garret.local_cloud.store import Store
from tests.local_cloud.house import REGION, SECRET, TYPE, House, PaperDriver, until
from tests.local_cloud.machines import describe, running, status

HOUR = prices.instance_price(TYPE)
BILL = "2017-12-14"


class Book(Clock):
    """A clock whose cloud lives in January, while requests are signed by real time."""

    def now(self) -> datetime:
        """The cloud's moment."""
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.advanced_s)


def advance(house: House, hours: float) -> None:
    """Move the cloud's clock on."""
    house.own("POST", "/_garret/clock", {"advance_s": hours * 3600})


def bill(house: House, **more: str) -> dict[str, dict[str, Any]]:
    """Return this month's rows by resource; the clock is the real one, so ask for the cloud's month and the next."""
    rows: dict[str, dict[str, Any]] = {}
    for cycle in cycles(house):
        reply = house.common(BILL, "DescribeInstanceBill", BillingCycle=cycle, MaxResults="300", **more)
        for row in reply["Data"]["Items"]:
            before = rows.get(row["InstanceID"])
            rows[row["InstanceID"]] = (
                row if before is None else before | {"PretaxAmount": before["PretaxAmount"] + row["PretaxAmount"]}
            )
    return rows


def cycles(house: House) -> list[str]:
    """Return the months, as Beijing counts them, from the start of the test to the cloud's present."""
    clock = house.own("GET", "/_garret/clock")
    now = parse_stamp(clock["now"]).astimezone(BEIJING)
    start = now - timedelta(seconds=clock["advanced_s"] + 60)
    return sorted({f"{moment:%Y-%m}" for moment in (start, now)})


def test_a_machine_costs_by_the_hours_it_ran(house: House) -> None:
    """Ten hours running, a day stopped economically, gone: ten hours' money for it, thirty-four for its disk."""
    instance = running(house, Tag=[{"Key": "garret:deployment", "Value": "film"}])
    disk = house.call("DescribeDisks", RegionId=REGION, InstanceId=instance)["Disks"]["Disk"][0]
    advance(house, 10)
    house.call("StopInstance", InstanceId=instance, StoppedMode="StopCharging")
    until(lambda: status(house, instance) == "Stopped")
    advance(house, 24)
    rows = bill(house, IsBillingItem="true")
    assert rows[instance]["PretaxAmount"] == pytest.approx(10 * HOUR, rel=0.01)
    assert rows[disk["DiskId"]]["PretaxAmount"] == pytest.approx(34 * prices.disk_price(disk["Size"]), rel=0.01)
    house.call("DeleteInstance", InstanceId=instance)
    until(lambda: describe(house, instance) == {})
    advance(house, 24)
    rows = bill(house, IsBillingItem="true", InstanceID=instance)
    assert set(rows) == {instance}
    row = rows[instance]
    assert row["PretaxAmount"] == pytest.approx(10 * HOUR, rel=0.01)
    assert (row["ProductCode"], row["SubscriptionType"], row["Currency"]) == ("ecs", "PayAsYouGo", "CNY")
    assert (row["ListPrice"], row["UsageUnit"]) == (str(HOUR), "Hour")
    assert "key:garret:deployment value:film" in row["Tag"]
    lines = house.own("GET", f"/_garret/ledger?resource={instance}")["lines"]
    assert [line["state"] for line in lines] == ["running", "stopped economically"]
    assert [line["per_hour"] for line in lines] == [HOUR, 0.0]
    left = float(house.common(BILL, "QueryAccountBalance")["Data"]["AvailableAmount"].replace(",", ""))
    spent = 10 * HOUR + 34 * prices.disk_price(disk["Size"])
    assert left == pytest.approx(START_BALANCE - spent, abs=1)


def test_stopped_but_kept_costs_on_and_another_type_costs_otherwise(house: House) -> None:
    """KeepCharging goes on at the full rate; after a change of type the rest is billed at the new one."""
    small = "ecs.gn7i-c8g1.2xlarge"
    instance = running(house)
    advance(house, 1)
    house.call("StopInstance", InstanceId=instance, StoppedMode="KeepCharging")
    until(lambda: status(house, instance) == "Stopped")
    advance(house, 1)
    house.call("ModifyInstanceSpec", InstanceId=instance, InstanceType=small)
    advance(house, 1)
    amount = 2 * HOUR + prices.instance_price(small)
    assert bill(house)[instance]["PretaxAmount"] == pytest.approx(amount, rel=0.01)


def test_a_period_is_paid_at_once(house: House) -> None:
    """A month's price stands in the bill from the first moment, as a subscription, and does not grow."""
    instance = running(house, InstanceChargeType="PrePaid", Period=1, PeriodUnit="Month")
    price = prices.period_price(HOUR, "Month", 1)
    for hours in (0, 30):
        advance(house, hours)
        row = bill(house, SubscriptionType="Subscription")[instance]
        assert row["PretaxAmount"] == pytest.approx(price)
        assert row["Item"] == "SubscriptionOrder"


def test_days_add_up_to_the_month() -> None:
    """The daily rows of a month, asked for one by one, sum to its monthly row; pages come by NextToken."""
    clock = Book()
    with House(PaperDriver(), clock) as house:
        for _ in range(2):
            house.vpc("AllocateEipAddress")
        clock.advance(3600 * 24 * 3.5)
        asked = {"BillingCycle": "2026-01", "MaxResults": "1"}
        first = house.common(BILL, "DescribeInstanceBill", **asked)["Data"]
        assert (first["TotalCount"], len(first["Items"])) == (2, 1)
        second = house.common(BILL, "DescribeInstanceBill", **asked, NextToken=first["NextToken"])["Data"]
        assert second["NextToken"] == ""
        month = first["Items"][0]
        assert month["InstanceID"] != second["Items"][0]["InstanceID"]
        days = [
            house.common(
                BILL, "DescribeInstanceBill", BillingCycle="2026-01", Granularity="DAILY",
                BillingDate=f"2026-01-0{day}", InstanceID=month["InstanceID"],
            )["Data"]["Items"]
            for day in range(1, 6)
        ]  # fmt: skip
        amounts = [row["PretaxAmount"] for rows in days for row in rows]
        assert sum(amounts) == pytest.approx(month["PretaxAmount"])
        assert month["PretaxAmount"] == pytest.approx(84 * prices.PRICES["address"])
        assert amounts[0] == pytest.approx(16 * prices.PRICES["address"])  # the first of January began 8 hours ago
        for wrong in ({"BillingCycle": "2026-13"}, {"BillingCycle": "2026-01", "Granularity": "DAILY"},
                      {"BillingCycle": "2026-01", "Granularity": "DAILY", "BillingDate": "2026-02-01"}):  # fmt: skip
            with pytest.raises(Exception, match="InvalidParameter"):
                house.common(BILL, "DescribeInstanceBill", **wrong)


def test_an_older_store_is_taken_into_the_book() -> None:
    """Things that were made before there was a ledger are billed from now on; those in it are left alone."""
    store, clock = Store(None), ManualClock()
    store.put("eip", "eip-1", {"AllocationId": "eip-1", "InternetChargeType": "PayByTraffic", "Bandwidth": "5"})
    Ledger(store, clock)
    clock.advance(7200)
    book = Ledger(store, clock)
    assert book.total() == pytest.approx(2 * prices.PRICES["address"])
    store.delete("eip", "eip-1")
    clock.advance(7200)
    assert book.total() == pytest.approx(2 * prices.PRICES["address"])
    store.close()


def test_the_clock_goes_on_and_requests_keep_real_time(house: House) -> None:
    """It moves forward only, calls are still accepted, things get the cloud's time, and it stays so after a restart."""
    before = house.own("GET", "/_garret/clock")
    assert before["advanced_s"] == 0
    after = house.own("POST", "/_garret/clock", {"advance_s": 86400})
    assert after["advanced_s"] == 86400
    assert after["now"][:10] > before["now"][:10]
    instance = running(house)
    assert describe(house, instance)["CreationTime"][:10] == after["now"][:10]
    with House(PaperDriver(), Clock(), house.store) as again:
        assert again.own("GET", "/_garret/clock")["advanced_s"] == 86400
    for wrong in (-1, "1h", True, None):
        body = json.dumps({"advance_s": wrong}).encode()
        code, reply = house.http("POST", "/_garret/clock", body, {"x-garret-secret": SECRET})
        assert (code, "advance_s" in reply["error"]) == (400, True)
