"""The disk kept and brought back: once over a kill, the newest N of them, with what was there before kept as well."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from garret.errors import OperationError, UsageError
from garret.local_cloud.nodes.driver import RunResult
from garret.ops.autostop import change
from garret.ops.backup import backup, backups
from garret.ops.cost import cost
from garret.ops.crash import Crash
from garret.ops.deployment import Login
from garret.ops.restore import Restore
from garret.ops.stop import stop
from tests.light.clock import HastyClock
from tests.light.house import LightHouse, light_house
from tests.light.test_start_elsewhere import HOME, begin, machine, sold_out
from tests.ops.fake import Killed, Listener, killed

KEEPING = ("backup.journaled", "backup.sent", "restore.stopped", "restore.reset")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LightHouse]:
    """One cloud for all of these."""
    with light_house(tmp_path_factory.mktemp("backup")) as one:
        yield one


@pytest.fixture
def house(shared: LightHouse) -> Iterator[LightHouse]:
    """One deployment that runs; what it leaves goes with its backups."""
    shared.deploy(zone=HOME)
    try:
        yield shared
    finally:
        shared.cloud_house.own("DELETE", "/_garret/faults", {})
        shared.delete(drop_kept=True)
        shared.settle()
        assert (shared.exists(), shared.driver.images) == ({}, set())


def keep(house: LightHouse, *, at: str = "", keep: int = 0) -> dict[str, Any]:
    """One backup."""
    return backup(house.roles(HastyClock()), house.deployment(), Listener(), Crash(at, killed), keep=keep)


def restore(house: LightHouse, wanted: str = "", *, at: str = "", **more: Any) -> dict[str, Any]:
    """One restore."""
    return Restore(
        house.roles(HastyClock()), house.deployment(), Listener(), wanted, Crash(at, killed), **more
    ).run()  # fmt: skip


def test_the_newest_are_kept_and_said_with_what_they_cost(house: LightHouse) -> None:
    """Three are made and two kept; the bill knows them, and a delete leaves them unless it is told otherwise."""
    made = [keep(house, keep=2)["backup"]["id"] for _ in range(3)]
    last = backups(house.roles(), house.deployment())
    assert len(last) == 2
    assert {one.id for one in last} < set(made)
    assert all(one.is_backup for one in last)
    assert machine(house)["Status"] == "Running"
    house.cloud_house.own("POST", "/_garret/clock", {"advance_s": 3600 * 10})
    facts = keep(house, keep=2)
    # 0.0002 per GiB and hour in the local cloud's made-up list.
    assert facts["billed_per_month"]["amount"] == pytest.approx(2 * 100 * 0.0002 * 730, rel=0.02)
    bill = {line.kind for line in cost(house.roles(), house.deployment(), house.cloud_house.cloud.clock.now()).lines}
    assert "snapshot" in bill
    assert len(house.delete()["snapshots"]) == 2
    assert sorted(house.exists()) == ["snapshot"]


def test_killed_anywhere_there_is_one_backup(house: LightHouse) -> None:
    """The same command again ends what was begun, and begins nothing beside it."""
    for point in KEEPING[:2]:
        with pytest.raises(Killed):
            keep(house, at=point)
    keep(house)
    assert len(backups(house.roles(), house.deployment())) == 1


def test_the_disk_goes_back_and_what_was_there_is_kept(house: LightHouse) -> None:
    """Killed at each point on the way: the node runs again with the backup, and what was before is one, too."""
    first = keep(house)["backup"]["id"]
    for point in KEEPING[2:]:
        with pytest.raises(Killed):
            restore(house, first, at=point)
    facts = restore(house, first)
    assert (facts["state"], facts["restored"]["id"]) == ("running", first)
    assert facts["safety"]["id"] != first
    node = machine(house)
    assert node["Status"] == "Running"
    assert set(house.driver.thawed) >= {(node["InstanceId"], first)}
    assert len(backups(house.roles(), house.deployment())) == 2
    house.driver.thawed.clear()


def test_a_stopped_node_stays_stopped(house: LightHouse) -> None:
    """Nobody asked for it to run."""
    keep(house)
    stop(house.roles(HastyClock()), house.deployment(), Listener(), Crash())
    assert restore(house, safety=False)["state"] == "stopped"
    assert machine(house)["Status"] == "Stopped"
    assert len(backups(house.roles(), house.deployment())) == 1


def test_another_restore_after_one_that_was_cut_off_leaves_the_node_running(house: LightHouse) -> None:
    """It ran before the first of them: stopped with its place kept it would be paid for, and used by nobody."""
    first, second = keep(house)["backup"]["id"], keep(house)["backup"]["id"]
    with pytest.raises(Killed):
        restore(house, first, at="restore.stopped")
    assert restore(house, second, safety=False)["state"] == "running"
    assert machine(house)["Status"] == "Running"


@pytest.mark.parametrize("call", ["ResetDisk", "CreateSnapshot"])
def test_a_restore_that_the_cloud_refuses_leaves_the_node_running(house: LightHouse, call: str) -> None:
    """The disk is as it was, and the node, which was stopped for this alone, runs again; it says so."""
    first = keep(house)["backup"]["id"]
    refused = {"action": call, "code": "OperationDenied", "status": 403}
    house.cloud_house.own("POST", "/_garret/faults", {"faults": [refused]})
    with pytest.raises(OperationError, match="the disk is as it was, and garret runs again"):
        restore(house, first)
    assert machine(house)["Status"] == "Running"


def test_what_is_kept_before_a_restore_is_of_now(house: LightHouse) -> None:
    """A backup that a kill cut off earlier lacks what came since: it is no safety."""
    first = keep(house)["backup"]["id"]
    with pytest.raises(Killed):
        keep(house, at="backup.sent")
    before = {id for id, _ in house.cloud_house.store.pairs("snapshot")}
    assert restore(house, first)["safety"]["id"] not in before
    assert len(backups(house.roles(), house.deployment())) == 3


@pytest.mark.parametrize("runs", [True, False])
def test_login_and_autostop_stay_what_they_are_now(house: LightHouse, runs: bool) -> None:
    """The node knows what it knew at the backup: a password that was taken back must not open it again."""
    driver = house.driver
    keep(house)
    change(house.roles(), house.deployment(), {"stop_by": "02:00"})
    if not runs:
        stop(house.roles(HastyClock()), house.deployment(), Listener(), Crash())
    driver.told.clear()

    def take(command: bytes) -> RunResult:
        driver.shut = driver.shut and b"garret-node login" not in command
        return RunResult(0, b"{}")

    driver.shut, before, driver.answers = True, driver.answers, take
    try:
        restore(house, safety=False, now=True)
        if not runs:
            begin(house)
    finally:
        driver.shut, driver.answers = False, before
    assert not driver.shut
    assert [one["stop_by"] for one in driver.told] == ["02:00"]
    hashes = [json.loads(content) for (_, path), (content, *_) in driver.files.items() if "/requests/" in path]
    assert hashes[-1]["parameters"]["password_hash"] == (house.deployment().login or Login("", "", "")).password_hash


def test_a_login_that_was_changed_elsewhere_is_not_overwritten(house: LightHouse) -> None:
    """Without a restore, a service that does not know this machine's token has another by somebody's will."""
    stop(house.roles(HastyClock()), house.deployment(), Listener(), Crash())
    house.driver.shut = True
    try:
        with pytest.raises(OperationError, match="does not take this deployment's token"):
            begin(house)
    finally:
        house.driver.shut = False


def test_a_backup_of_another_disk_is_refused_before_anything_stops(house: LightHouse) -> None:
    """The cloud resets a disk to its own snapshots only, and a node that has moved has another disk."""
    with pytest.raises(UsageError, match="has no backup"):
        restore(house)
    first = keep(house)["backup"]["id"]
    with pytest.raises(UsageError, match="has no backup s-nobody; there are: s-"):
        restore(house, "s-nobody")
    stop(house.roles(HastyClock()), house.deployment(), Listener(), Crash())
    sold_out(house, zone=HOME)
    begin(house, any_zone=True)
    with pytest.raises(UsageError, match="since it was moved"):
        restore(house, first)
    assert machine(house)["Status"] == "Running"
