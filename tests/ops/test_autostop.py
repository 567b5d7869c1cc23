"""Autostop from here: told to the node that runs, remembered for the one that does not, and what is deleted later."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from garret.errors import CloudError, GarretError, UsageError
from garret.ops.autostop import known, run, shown
from garret.ops.crash import Crash
from garret.ops.deploy import Deploy, Wish
from garret.ops.release import when
from garret.ops.start import start
from garret.ops.status import status
from garret.ops.stop import stop
from garret.ops.work import Work
from tests.ops.fake import Listener, World, cloud_of, deployment_in, small_bundle

DAY = 86_400.0


def deployed(world: World, folder: Path, **said: Any) -> None:
    """Deploy to the end."""
    Deploy(
        cloud_of(world), deployment_in(folder), Wish("cn-hangzhou", said), Listener(), lambda *_: True,
        pack=small_bundle,
    ).run()  # fmt: skip


def again(world: World, folder: Path, **said: Any) -> dict[str, Any]:
    """Deploy once more, with other fields."""
    return Deploy(
        cloud_of(world), deployment_in(folder), Wish("cn-hangzhou", said), Listener(), lambda *_: True,
        pack=small_bundle, confirm_update=lambda _: True,
    ).run()  # fmt: skip


def autostop(world: World, folder: Path, **wanted: Any) -> dict[str, Any]:
    """Carry the verb out."""
    return run(Work(cloud_of(world), deployment_in(folder), Listener(), Crash(), wanted))


def told(world: World) -> list[dict[str, Any]]:
    """What the node was told, without the pictures and the rest that it was asked for."""
    return [body for body in world.asked if not {"prompt", "seconds", "running_per_hour"} & set(body)]


def the_machine(world: World) -> Any:
    """The only one."""
    (machine,) = world.instances.values()
    return machine


def off_by(text: str, seconds: float) -> float:
    """How far a time is from so many seconds ahead of now, in seconds."""
    return abs((when(text) - datetime.now(UTC) - timedelta(seconds=seconds)).total_seconds())


def test_a_running_node_is_told_and_the_deployment_says_the_same(world: World, tmp_path: Path) -> None:
    """Only what changes is sent; a deploy afterwards changes nothing back."""
    deployed(world, tmp_path)
    facts = autostop(world, tmp_path, idle_s=7200.0)
    assert told(world) == [{"idle_s": 7200.0}]
    assert facts["settings"]["idle_s"] == 7200.0
    one = deployment_in(tmp_path)
    assert (one.spec.autostop_min if one.spec else None) == 120
    assert again(world, tmp_path)["changed"] is False
    autostop(world, tmp_path, stop_by="02:00", time_zone="Asia/Shanghai")
    assert known(one) == {"idle_s": 7200.0, "learn": False, "stop_by": "02:00", "time_zone": "Asia/Shanghai",
                          "delete_after_s": 0.0}  # fmt: skip
    assert shown(cloud_of(world), one)["autostop"]["stops_in_s"] == 3000.0


def test_deploy_and_update_change_it_in_place(world: World, tmp_path: Path) -> None:
    """--autostop 2h on what is deployed needs no new node, and --no-autostop none either; the stack is left alone."""
    deployed(world, tmp_path)
    written = list(world.writes)
    assert again(world, tmp_path, autostop_min=120)["changed"] is True
    assert again(world, tmp_path, autostop_min=0)["changed"] is True
    assert told(world) == [{"idle_s": 7200.0}, {"idle_s": 0.0}]
    assert world.writes == written
    before = deployment_in(tmp_path).plan
    assert before is not None
    again(world, tmp_path, autostop_min=90, bandwidth_mbps=20)
    after = deployment_in(tmp_path).plan
    assert after is not None
    assert (after["spec"]["autostop_min"], after["spec"]["bandwidth_mbps"]) == (90, 20)
    assert "NodeRole" in after["template"], "off for a while takes no role away"


def test_a_stopped_node_is_told_when_it_is_started(world: World, tmp_path: Path) -> None:
    """What was asked for meanwhile is not lost, and it is not sent twice."""
    deployed(world, tmp_path)
    stop(cloud_of(world), deployment_in(tmp_path), Listener(), Crash())
    facts = autostop(world, tmp_path, idle_s=600.0)
    assert (facts["state"], facts["autostop"], told(world)) == ("stopped", None, [])
    for _ in range(2):
        start(cloud_of(world), deployment_in(tmp_path), Listener(), Crash())
    assert [body["idle_s"] for body in told(world)] == [600.0]


def test_a_stop_sets_the_time_of_the_release_and_a_start_takes_it_back(world: World, tmp_path: Path) -> None:
    """The cloud itself deletes it; a stop that is given again does not put that off."""
    deployed(world, tmp_path)
    autostop(world, tmp_path, delete_after_s=14 * DAY)
    facts = stop(cloud_of(world), deployment_in(tmp_path), Listener(), Crash())
    assert off_by(facts["release_at"], 14 * DAY) < 5
    assert stop(cloud_of(world), deployment_in(tmp_path), Listener(), Crash())["release_at"] == facts["release_at"]
    seen = status(cloud_of(world), deployment_in(tmp_path), "cn-hangzhou")
    assert seen.release_at == facts["release_at"]
    assert "unless it is started, the cloud deletes it" in seen.why
    start(cloud_of(world), deployment_in(tmp_path), Listener(), Crash())
    assert the_machine(world).release_at == ""


def test_a_start_that_is_refused_sets_the_release_again(world: World, tmp_path: Path) -> None:
    """It is taken back before the start is asked for: a needed machine must not go; a stopped one is to go still."""
    deployed(world, tmp_path)
    autostop(world, tmp_path, delete_after_s=14 * DAY)
    at = stop(cloud_of(world), deployment_in(tmp_path), Listener(), Crash())["release_at"]
    world.refusals["StartInstance"] = CloudError("StartInstance", "OperationDenied.NoStock", "sold out")
    with pytest.raises(GarretError, match="has no"):
        start(cloud_of(world), deployment_in(tmp_path), Listener(), Crash())
    assert the_machine(world).release_at == at


def test_a_stopped_node_gets_and_loses_its_release_at_once(world: World, tmp_path: Path) -> None:
    """No start is needed for that: the time is the cloud's."""
    deployed(world, tmp_path)
    stop(cloud_of(world), deployment_in(tmp_path), Listener(), Crash())
    at = autostop(world, tmp_path, delete_after_s=DAY)["release_at"]
    assert off_by(at, DAY) < 5
    assert the_machine(world).release_at == at
    assert autostop(world, tmp_path, delete_after_s=0.0)["release_at"] == ""
    assert the_machine(world).release_at == ""


def test_what_was_to_be_deleted_and_will_not_be_is_said(world: World, tmp_path: Path) -> None:
    """A node that stopped itself and could not set the time: its disk costs money until somebody looks."""
    deployed(world, tmp_path)
    autostop(world, tmp_path, delete_after_s=DAY)
    machine = the_machine(world)
    world.instances[machine.id] = replace(machine, status="Stopped", stopped_mode="StopCharging")
    found = status(cloud_of(world), deployment_in(tmp_path), "cn-hangzhou")
    assert "the cloud has no time for that: garret ops stop sets it" in found.why
    world.instances.clear()
    gone = status(cloud_of(world), deployment_in(tmp_path), "cn-hangzhou")
    assert "1 days after a stop; the address is still there, and billed" in gone.why


@pytest.mark.parametrize(
    ("born", "wanted", "word"),
    [
        ({"autostop_min": 0}, {"idle_s": 3600.0}, "gives it no ecs:StopInstance"),
        ({"autostop_min": 0}, {"stop_by": "02:00"}, "gives it no ecs:StopInstance"),
        ({"charge_type": "Subscription"}, {"idle_s": 3600.0}, "paid for in advance"),
        ({"charge_type": "Subscription"}, {"delete_after_s": DAY}, "paid for in advance"),
    ],
)
def test_what_a_node_may_not_do_is_refused_before_anything(
    world: World, tmp_path: Path, born: dict[str, Any], wanted: dict[str, Any], word: str
) -> None:
    """Otherwise it would be believed, and the bill would go on."""
    deployed(world, tmp_path, **born)
    with pytest.raises(UsageError, match=word):
        autostop(world, tmp_path, **wanted)
    assert told(world) == []
    assert deployment_in(tmp_path).journal.last("autostop") is None


def test_one_without_a_role_is_deleted_after_a_stop_from_here(world: World, tmp_path: Path) -> None:
    """That takes no role: whoever stops it sets the time."""
    deployed(world, tmp_path, autostop_min=0)
    autostop(world, tmp_path, delete_after_s=DAY)
    assert stop(cloud_of(world), deployment_in(tmp_path), Listener(), Crash())["release_at"]
