"""Sold out in the morning: another type in the zone, another zone with disk and address, and never anything lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from garret.errors import OperationError, UsageError
from garret.ops.cost import cost
from garret.ops.crash import Crash
from garret.ops.start import start
from garret.ops.start_elsewhere import Allowed
from garret.ops.status import status
from garret.ops.stop import stop
from tests.light.clock import HastyClock
from tests.light.house import LightHouse, light_house
from tests.local_cloud.house import REGION, TYPE, until
from tests.ops.fake import Killed, Listener, killed

LARGER = "ecs.gn7i-c32g1.8xlarge"
HOME, OTHER = "cn-hangzhou-i", "cn-hangzhou-j"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LightHouse]:
    """One cloud for all of these; each test has a deployment of its own."""
    with light_house(tmp_path_factory.mktemp("elsewhere")) as one:
        yield one


@pytest.fixture
def house(shared: LightHouse) -> Iterator[LightHouse]:
    """The cloud with full shelves, and one deployment in its home zone that is stopped."""
    shared.deploy(zone=HOME)
    stop(shared.roles(HastyClock()), shared.deployment(), Listener(), Crash())
    try:
        yield shared
    finally:
        shared.cloud_house.own("DELETE", "/_garret/faults", {})
        shared.delete()
        shared.settle()
        assert (shared.exists(), shared.stacks()) == ({}, [])


def sold_out(house: LightHouse, *, shown: bool = False, **where: str) -> None:
    """Empty shelves; `shown` ones look full until one asks for a machine."""
    house.cloud_house.own("POST", "/_garret/faults", {"faults": [{"fault": "no_stock", "shown": shown, **where}]})


def begin(house: LightHouse, *, at: str = "", listener: Listener | None = None, **allowed: Any) -> dict[str, Any]:
    """Start with what is allowed."""
    return start(
        house.roles(HastyClock()), house.deployment(), listener or Listener(), Crash(at, killed),
        allowed=Allowed(**allowed),
    )  # fmt: skip


def machine(house: LightHouse) -> dict[str, Any]:
    """The only machine that there is."""
    house.settle()
    (body,) = house.cloud_house.store.find("instance")
    return body


def test_sold_out_says_what_there_is_and_what_it_would_cost(house: LightHouse) -> None:
    """Types of the zone with their prices, zones of the type, and that nothing is lost; nothing is changed."""
    sold_out(house, zone=HOME, type=TYPE)
    with pytest.raises(OperationError) as refused:
        begin(house)
    said = refused.value
    for words in ("nothing is lost", f"in {HOME} there is now: ecs.gn7i-c8g1.2xlarge (", "CNY per hour", OTHER):
        assert words in said.message
    for words in ("--fallback-type ecs.gn7i-c8g1.2xlarge", f"--move-zone {OTHER}", "--keep-trying 30m"):
        assert words in said.hint
    assert (machine(house)["Status"], machine(house)["InstanceType"]) == ("Stopped", TYPE)
    assert "it was not stopped from here" not in status(house.roles(), house.deployment(), REGION).why


def test_another_type_of_the_same_zone(house: LightHouse) -> None:
    """The stack has the other type, the journal too; deployed again as before, nothing goes back."""
    sold_out(house, zone=HOME, type=TYPE)
    listener, before = Listener(), house.deployment().outputs
    stopped = cost(house.roles(), house.deployment()).stopped_per_hour
    facts = begin(house, listener=listener, types=(LARGER,))
    assert (facts["instance_type"], facts["tried"]) == (LARGER, [f"{TYPE} in {HOME}"])
    told = "\n".join(listener.lines)
    assert f"{TYPE} in {HOME} is sold out (OperationDenied.NoStock)" in told
    assert f"trying {LARGER} in {HOME}, " in told
    assert " instead of " in told
    assert machine(house)["InstanceType"] == LARGER
    assert house.deployment().outputs["PublicIp"] == before["PublicIp"]
    now = cost(house.roles(), house.deployment())
    assert now.running_per_hour == pytest.approx(sum(house.billed().values()))
    assert now.stopped_per_hour == pytest.approx(stopped)
    (stack,) = house.roles().stacks.tagged()
    assert stack.parameters.get("InstanceType", LARGER) == LARGER
    for said in ({}, {"instance_type": TYPE}, {"instance_type": LARGER}, {"zone": HOME}):
        assert house.deploy(**said)["changed"] is False
    assert machine(house)["InstanceType"] == LARGER


def test_a_type_that_only_seems_to_be_there_is_passed_over(house: LightHouse) -> None:
    """The shelf is shown full, and the change of the stack fails: it is taken back, and the next type is tried."""
    sold_out(house, zone=HOME, type=TYPE)
    sold_out(house, zone=HOME, type="ecs.gn7i-c8g1.2xlarge", shown=True)
    facts = begin(house, types=("ecs.gn7i-c8g1.2xlarge", LARGER))
    assert facts["tried"] == [f"{TYPE} in {HOME}", f"ecs.gn7i-c8g1.2xlarge in {HOME}"]
    assert machine(house)["InstanceType"] == LARGER


def test_a_type_above_the_limit_is_not_taken(house: LightHouse) -> None:
    """Who said what an hour may cost is not surprised in the morning."""
    price = (house.deployment().plan or {})["price"]["amount"]
    house.update(max_price_per_hour=price + 0.1)
    sold_out(house, zone=HOME, type=TYPE)
    with pytest.raises(OperationError, match="too dear"):
        begin(house, types=(LARGER,))
    assert (machine(house)["Status"], machine(house)["InstanceType"]) == ("Stopped", TYPE)


def test_another_zone_with_disk_and_address(house: LightHouse) -> None:
    """A new machine of the old disk behind the same address; the old one, its image and its snapshot are gone."""
    sold_out(house, zone=HOME)
    old, outputs, one = machine(house), house.deployment().outputs, house.deployment()
    listener = Listener()
    facts = begin(house, listener=listener, any_zone=True)
    new = machine(house)
    assert (facts["zone"], new["ZoneId"], new["Status"]) == (OTHER, OTHER, "Running")
    assert new["InstanceId"] != old["InstanceId"]
    assert one.outputs["PublicIp"] == outputs["PublicIp"]
    assert one.outputs["InstanceId"] == new["InstanceId"] == facts["instance_id"]
    assert new["EipAddress"] == outputs["PublicIp"]
    assert sorted(house.exists()) == ["disk", "eip", "instance"]
    assert house.cloud_house.store.find("image") == []
    plan = one.plan or {}
    assert (plan["zone"], plan["placed"]["zone"], plan["spec"]["zone"], plan["side"]) == (OTHER, OTHER, HOME, "B")
    assert "ecs:StopInstance" in plan["template"]
    told = "\n".join(listener.lines)
    for words in ("moving to another zone", "both disks are billed", f"trying {TYPE} in {OTHER}", "and the image"):
        assert words in told
    for said in ({}, {"zone": HOME}, {"zone": OTHER}):
        assert house.deploy(**said)["changed"] is False
    assert house.update(bandwidth_mbps=20)["changed"]
    rate = cost(house.roles(), one).running_per_hour
    assert rate == pytest.approx(sum(house.billed().values()))
    assert machine(house)["InstanceId"] == new["InstanceId"]


def test_there_and_back_again(house: LightHouse) -> None:
    """A second move takes the names that the first one left, and leaves nothing either."""
    sold_out(house, zone=HOME)
    begin(house, any_zone=True)
    stop(house.roles(HastyClock()), house.deployment(), Listener(), Crash())
    house.cloud_house.own("DELETE", "/_garret/faults", {})
    sold_out(house, zone=OTHER)
    facts = begin(house, zones=(HOME,))
    assert (facts["zone"], (house.deployment().plan or {})["side"]) == (HOME, "")
    assert machine(house)["ZoneId"] == HOME
    assert sorted(house.exists()) == ["disk", "eip", "instance"]


def test_a_zone_that_only_seems_to_have_one(house: LightHouse) -> None:
    """The stack takes the attempt back; then everything is as it was, with the address where it was."""
    sold_out(house, shown=True)
    old, listener = machine(house), Listener()
    with pytest.raises(OperationError, match="nothing is lost") as refused:
        begin(house, listener=listener, any_zone=True, types=(LARGER,))
    assert f"{TYPE} in {OTHER}" in refused.value.message
    assert f"{LARGER} in {OTHER}" in refused.value.message
    now = machine(house)
    assert (now["InstanceId"], now["Status"], now["EipAddress"]) == (old["InstanceId"], "Stopped", old["EipAddress"])
    assert sorted(house.exists()) == ["disk", "eip", "instance"]
    house.cloud_house.own("DELETE", "/_garret/faults", {})
    assert begin(house)["zone"] == HOME


def test_a_new_node_that_does_not_come_up_costs_nothing(house: LightHouse) -> None:
    """Its own word is told, it goes, and the old one starts when there is one again."""
    sold_out(house, zone=HOME)
    house.driver.says = "ensure_gpu: no GPU"
    old = machine(house)
    try:
        with pytest.raises(OperationError, match=r"no GPU.*as they were"):
            begin(house, any_zone=True)
    finally:
        house.driver.says = ""
    now = machine(house)
    assert (now["InstanceId"], now["EipAddress"]) == (old["InstanceId"], old["EipAddress"])
    assert sorted(house.exists()) == ["disk", "eip", "instance"]


MOVING = ("move.journaled", "move.sent", "move.imaged", "update.sent", "move.unbound", "move.made", "move.settled")


def test_killed_anywhere_the_same_again_ends_it(house: LightHouse) -> None:
    """Killed at every point of one move, one after the other: one machine, disk and address; no image or snapshot."""
    sold_out(house, zone=HOME)
    address = house.deployment().outputs["PublicIp"]
    for point in MOVING:
        with pytest.raises(Killed):
            begin(house, at=point, any_zone=True)
        if point == "move.unbound":
            with pytest.raises(UsageError, match="on its way to another zone"):
                house.update(bandwidth_mbps=20)
    facts = begin(house, any_zone=True)
    assert (facts["zone"], house.deployment().outputs["PublicIp"]) == (OTHER, address)
    assert machine(house)["ZoneId"] == OTHER
    assert sorted(house.exists()) == ["disk", "eip", "instance"]
    assert house.cloud_house.store.find("image") == []


def test_a_machine_that_a_cut_off_move_has_made_is_not_taken_back(house: LightHouse) -> None:
    """It may have been used since: sold out where it is now, it is waited for, and nothing on its disk is lost."""
    sold_out(house, zone=HOME)
    with pytest.raises(Killed):
        begin(house, at="move.made", any_zone=True)
    made = house.deployment().outputs["InstanceId"]
    found = status(house.roles(), house.deployment(), REGION)
    assert (found.state, "a second disk" in found.why) == ("running", True)
    assert "(ends the move)" in str(found.next)
    stop(house.roles(HastyClock()), house.deployment(), Listener(), Crash())
    house.cloud_house.own("DELETE", "/_garret/faults", {})
    sold_out(house, zone=OTHER)
    with pytest.raises(OperationError, match="nothing is lost"):
        begin(house, any_zone=True, types=(LARGER,))
    house.settle()
    assert made in house.exists()["instance"]
    house.cloud_house.own("DELETE", "/_garret/faults", {})
    assert (begin(house)["instance_id"], machine(house)["InstanceId"]) == (made, made)


@pytest.mark.parametrize("point", ["move.sent", "move.unbound"])
def test_killed_before_the_new_machine_a_plain_start_goes_back(house: LightHouse, point: str) -> None:
    """Who no longer wants to move has everything as before."""
    sold_out(house, zone=HOME)
    old = machine(house)
    with pytest.raises(Killed):
        begin(house, at=point, any_zone=True)
    house.cloud_house.own("DELETE", "/_garret/faults", {})
    assert begin(house)["zone"] == HOME
    now = machine(house)
    assert (now["InstanceId"], now["EipAddress"]) == (old["InstanceId"], old["EipAddress"])
    assert sorted(house.exists()) == ["disk", "eip", "instance"]


def test_the_cloud_goes_on_trying_and_takes_it_when_there_is_one(house: LightHouse) -> None:
    """Nothing of ours runs meanwhile; it says why, what is billed, and who tries for how long."""
    sold_out(house, zone=HOME)
    facts = start(
        house.roles(HastyClock()), house.deployment(), Listener(), Crash(), allowed=Allowed(types=(LARGER,)),
        keep_trying_min=30,
    )  # fmt: skip
    assert (facts["state"], facts["minutes"], facts["changed"]) == ("trying", 30, True)
    assert facts["tried"] == [f"{TYPE} in {HOME}", f"{LARGER} in {HOME}"]
    assert machine(house)["Status"] == "Stopped"
    house.cloud_house.own("DELETE", "/_garret/faults", {})

    # Minute by minute: a try that had begun when the clock was moved waits for its next one from there.
    for _ in range(15):
        house.cloud_house.own("POST", "/_garret/clock", {"advance_s": 60})
        with suppress(AssertionError):
            until(lambda: machine(house)["Status"] == "Running", 2)
            break
    assert machine(house)["Status"] == "Running"
    assert begin(house)["state"] == "running"


@pytest.mark.parametrize("point", ["move.sent", "move.made"])
def test_deleted_in_the_middle_of_a_move_nothing_is_left(house: LightHouse, point: str) -> None:
    """Both machines, the image and its snapshot go; then there is a deployment again, for the next test to delete."""
    sold_out(house, zone=HOME)
    with pytest.raises(Killed):
        begin(house, at=point, any_zone=True)
    house.delete()
    house.settle()
    assert (house.exists(), house.stacks(), house.cloud_house.store.find("image")) == ({}, [], [])
