"""Another type for the node that is there: shown, carried out, taken back where it does not start, killed and ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from garret.errors import OperationError, SpecError
from garret.ops.crash import Crash
from garret.ops.records import ChangeSet
from garret.ops.resize import Resize
from garret.ops.start import start
from garret.ops.stop import stop
from tests.light.clock import HastyClock
from tests.light.house import LightHouse, light_house
from tests.light.test_start_elsewhere import HOME, LARGER, machine, sold_out
from tests.local_cloud.house import TYPE
from tests.ops.fake import Killed, Listener, killed

RESIZING = ("resize.stopped", "resize.changed")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LightHouse]:
    """One cloud for all of these."""
    with light_house(tmp_path_factory.mktemp("resize")) as one:
        yield one


@pytest.fixture
def house(shared: LightHouse) -> Iterator[LightHouse]:
    """The cloud with full shelves, and one deployment that runs."""
    shared.deploy(zone=HOME)
    try:
        yield shared
    finally:
        shared.cloud_house.own("DELETE", "/_garret/faults", {})
        shared.delete()


def resize_of(house: LightHouse, wanted: str = LARGER, *, at: str = "") -> Resize:
    """One run of resize."""
    return Resize(house.roles(HastyClock()), house.deployment(), Listener(), wanted, Crash(at, killed))


def state(house: LightHouse) -> tuple[Any, ...]:
    """Whether the machine runs, and as what."""
    found = machine(house)
    return found["Status"], found["InstanceType"]


def test_the_node_is_another_type_afterwards(house: LightHouse) -> None:
    """Shown with both prices; the same machine and disk; neither the next deploy nor the next resize changes it."""
    before = machine(house)
    shown = resize_of(house).proposal() or {}
    assert (shown["before"], shown["after"], shown["running"]) == (TYPE, LARGER, True)
    assert shown["prices"]["running_per_hour"]["amount"] > shown["price_before"]["amount"]
    facts = resize_of(house).run()
    assert (facts["changed"], facts["before"], facts["instance_type"], facts["state"]) == (
        True,
        TYPE,
        LARGER,
        "running",
    )
    assert state(house) == ("Running", LARGER)
    assert machine(house)["InstanceId"] == before["InstanceId"]
    assert house.deploy(instance_type=LARGER)["changed"] is False
    assert resize_of(house).proposal() is None
    assert resize_of(house).run()["changed"] is False


def test_a_stopped_node_stays_stopped(house: LightHouse) -> None:
    """Nobody asked for it to run, and to be paid."""
    stop(house.roles(HastyClock()), house.deployment(), Listener(), Crash())
    assert resize_of(house).run()["state"] == "stopped"
    assert state(house) == ("Stopped", LARGER)
    assert start(house.roles(HastyClock()), house.deployment(), Listener(), Crash())["instance_type"] == LARGER


def test_what_is_not_there_is_said_before_anything_stops(house: LightHouse) -> None:
    """No stock, no such type: the node runs on."""
    sold_out(house, zone=HOME, type=LARGER)
    with pytest.raises(SpecError, match="zones that have: cn-hangzhou-j"):
        resize_of(house).run()
    with pytest.raises(SpecError, match="does not sell"):
        resize_of(house, "ecs.gn7i-c1g1.small").run()
    assert state(house) == ("Running", TYPE)


def test_a_type_that_only_seems_to_be_there_goes_back(house: LightHouse) -> None:
    """The stack takes its change back, and the node runs again as it was."""
    sold_out(house, zone=HOME, type=LARGER, shown=True)
    with pytest.raises(OperationError, match=f"{LARGER} is sold out; garret runs again as {TYPE}"):
        resize_of(house).run()
    assert state(house) == ("Running", TYPE)
    assert house.deploy()["changed"] is False


@dataclass
class Unwilling:
    """Changes of a cloud that works a change out and then does not take it."""

    changes: Any

    def propose(self, *said: Any, **more: Any) -> ChangeSet:
        """One that cannot be carried out."""
        return replace(self.changes.propose(*said, **more), status="CREATE_FAILED", reason="not now")

    def __getattr__(self, name: str) -> Any:
        """All else is as it is."""
        return getattr(self.changes, name)


def test_a_change_that_the_cloud_does_not_take_leaves_the_node_running(house: LightHouse) -> None:
    """It was stopped for this alone, and its place is paid for: it runs again, as it was."""
    one = resize_of(house)
    one.cloud = replace(one.cloud, changes=Unwilling(one.cloud.changes))
    with pytest.raises(OperationError, match=f"does not take this change: not now.*runs again as {TYPE}"):
        one.run()
    assert state(house) == ("Running", TYPE)


def test_killed_anywhere_the_same_again_ends_it(house: LightHouse) -> None:
    """Killed at each point, one after the other: it runs in the end, for it ran in the beginning."""
    for point in (RESIZING[0], "update.sent", RESIZING[1]):
        with pytest.raises(Killed):
            resize_of(house, at=point).run()
    assert resize_of(house).run()["state"] == "running"
    assert state(house) == ("Running", LARGER)


def test_another_type_after_one_that_was_cut_off_leaves_the_node_running(house: LightHouse) -> None:
    """It ran before the first of them: stopped with its place kept it would be paid for, and used by nobody."""
    with pytest.raises(Killed):
        resize_of(house, at="resize.stopped").run()
    assert resize_of(house, "ecs.gn7i-c8g1.2xlarge").run()["state"] == "running"
    assert state(house) == ("Running", "ecs.gn7i-c8g1.2xlarge")
