"""Stop ends the bill, or says that it does not; start ends with a picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from garret.errors import CloudError, OperationError, UsageError
from garret.ops.cloud import Billed
from garret.ops.crash import Crash
from garret.ops.start import start
from garret.ops.stop import stop
from tests.ops.fake import PICTURE, Killed, Listener, World, cloud_of, deployment_in, killed
from tests.ops.test_status import deployed


def test_stop_stops_paying_and_says_what_is_left(world: World, tmp_path: Path) -> None:
    """The economical stop is asked for, read back, and disk and address are named as billed."""
    deployed(world, tmp_path)
    world.billed = [Billed("address", "eip-1"), Billed("disk", "d-1")]
    facts = stop(cloud_of(world), deployment_in(tmp_path), Listener(), Crash())
    assert facts["stopped_mode"] == "StopCharging"
    assert facts["billed"] == ["address eip-1", "disk d-1"]
    assert [one.status for one in world.instances.values()] == ["Stopped"]


def test_a_cloud_that_goes_on_charging_is_an_error(world: World, tmp_path: Path) -> None:
    """The cloud may stop a machine, keep its bill and call that success; garret does not."""
    deployed(world, tmp_path)
    world.stopped_mode = "KeepCharging"
    with pytest.raises(OperationError, match="KeepCharging") as charged:
        stop(cloud_of(world), deployment_in(tmp_path), Listener(), Crash())
    assert next(iter(world.instances)) in charged.value.billed


def test_charging_is_kept_when_that_is_said(world: World, tmp_path: Path) -> None:
    """With --keep-charging the machine is in the list of what is billed."""
    deployed(world, tmp_path)
    facts = stop(cloud_of(world), deployment_in(tmp_path), Listener(), Crash(), economical=False)
    assert facts["billed"] == [f"instance {next(iter(world.instances))}"]


def test_stop_and_start_twice_change_nothing(world: World, tmp_path: Path) -> None:
    """What is so already is said, and the cloud is not written to."""
    deployed(world, tmp_path)
    cloud, one = cloud_of(world), deployment_in(tmp_path)
    assert start(cloud, one, Listener(), Crash())["changed"] is False
    assert "StartInstance" not in world.writes
    stop(cloud, one, Listener(), Crash())
    assert stop(cloud, one, Listener(), Crash())["changed"] is False
    assert world.writes.count("StopInstance") == 1


def test_start_ends_with_a_picture(world: World, tmp_path: Path) -> None:
    """The machine runs again, and a picture proves it."""
    deployed(world, tmp_path)
    cloud, one = cloud_of(world), deployment_in(tmp_path)
    stop(cloud, one, Listener(), Crash())
    facts = start(cloud, one, Listener(), Crash(), tmp_path / "again.png")
    assert facts["state"] == "running"
    assert facts["endpoint"] == world.endpoint
    assert (tmp_path / "again.png").read_bytes() == PICTURE


@pytest.mark.parametrize(("code", "word"), [("OperationDenied.NoStock", "ecs.gn7i"), ("InsufficientBalance", "top up")])
def test_a_start_that_is_refused_says_what_to_do(world: World, tmp_path: Path, code: str, word: str) -> None:
    """No stock and no money are told as such, with what is billed meanwhile."""
    deployed(world, tmp_path)
    cloud, one = cloud_of(world), deployment_in(tmp_path)
    stop(cloud, one, Listener(), Crash())
    world.refusals["StartInstance"] = CloudError("StartInstance", code, "sorry")
    with pytest.raises(OperationError) as refused:
        start(cloud, one, Listener(), Crash())
    assert word in refused.value.message + refused.value.hint
    assert refused.value.billed


def test_killed_stop_and_start_are_finished_by_the_next(world: World, tmp_path: Path) -> None:
    """A kill after the call was taken leaves nothing that the same command does not finish."""
    deployed(world, tmp_path)
    cloud, one = cloud_of(world), deployment_in(tmp_path)
    with pytest.raises(Killed):
        stop(cloud, one, Listener(), Crash("stop.sent", killed))
    assert stop(cloud, one, Listener(), Crash())["state"] == "stopped"
    with pytest.raises(Killed):
        start(cloud, one, Listener(), Crash("start.sent", killed))
    assert start(cloud, one, Listener(), Crash())["state"] == "running"
    assert world.writes.count("StopInstance") == world.writes.count("StartInstance") == 1


def test_nothing_to_stop_or_start_is_said(world: World, tmp_path: Path) -> None:
    """Without a machine, or without its token, the way to one is named."""
    with pytest.raises(UsageError, match="no machine"):
        stop(cloud_of(world), deployment_in(tmp_path), Listener(), Crash())
    with pytest.raises(OperationError, match="no token"):
        start(cloud_of(world), deployment_in(tmp_path), Listener(), Crash())
