"""A deployment changes in place: shown first, carried out once, taken up after a kill, and refused where it must be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from garret.errors import CloudError, OperationError, SpecError, UsageError
from garret.ops.crash import Crash
from garret.ops.deploy import Deploy, Wish
from garret.ops.update import Proposal
from garret.ops.update_text import proposal_lines
from tests.ops.fake import TYPE, Killed, Listener, World, cloud_of, deployment_in, killed, small_bundle

OTHER = "ecs.gn7i-c16g1.4xlarge"


def run(
    world: World, folder: Path, *, at: str = "", yes: bool = True, shown: list[Proposal] | None = None,
    dry_run: bool = False, **said: Any,
) -> dict[str, Any]:  # fmt: skip
    """Deploy with these fields said; proposals that were shown are kept in `shown`."""

    def agree(proposal: Proposal) -> bool:
        if shown is not None:
            shown.append(proposal)
        return yes

    work = Deploy(
        cloud_of(world), deployment_in(folder), Wish("cn-hangzhou", said, dry_run=dry_run), Listener(),
        lambda *_: True, Crash(at, killed), small_bundle, agree,
    )  # fmt: skip
    return work.run()


def test_a_change_is_shown_carried_out_and_remembered(world: World, tmp_path: Path) -> None:
    """The parameter reaches the stack; the next deploy changes nothing."""
    run(world, tmp_path)
    shown: list[Proposal] = []
    facts = run(world, tmp_path, shown=shown, bandwidth_mbps=50)
    assert facts["changed"]
    stack = next(iter(world.stacks.values()))
    assert (stack.status, stack.parameters["Bandwidth"]) == ("UPDATE_COMPLETE", "50")
    lines = "\n".join(proposal_lines(shown[0]))
    assert "bandwidth_mbps: 100 → 50" in lines
    assert "nobody notices" in lines
    assert "9.50 CNY per hour (before: 9.50 per hour)" in lines
    writes = len(world.writes)
    assert not run(world, tmp_path)["changed"]
    assert len(world.writes) == writes


def test_the_node_is_told_nothing_new(world: World, tmp_path: Path) -> None:
    """The user-data stays to the byte what it was: a changed one would make the node anew."""
    run(world, tmp_path)
    before = next(iter(world.templates.values()))
    run(world, tmp_path, allow_cidr=("203.0.113.7/32",), tags={"team": "studio"})
    after = next(iter(world.templates.values()))
    assert before != after
    parts = [yaml.safe_load(text)["Resources"]["Node"]["Properties"]["UserData"] for text in (before, after)]
    assert parts[0] == parts[1]
    assert "203.0.113.7/32" in after


def test_a_disk_that_grows_says_when_its_room_can_be_used(world: World, tmp_path: Path) -> None:
    """The disk is larger at once, what is on it only later."""
    run(world, tmp_path)
    shown: list[Proposal] = []
    run(world, tmp_path, shown=shown, disk_size_gib=200)
    assert "the file system on it when the node starts next" in "\n".join(proposal_lines(shown[0]))


def test_a_no_leaves_everything_as_it_is(world: World, tmp_path: Path) -> None:
    """The change set is dropped, and nothing is remembered."""
    run(world, tmp_path)
    with pytest.raises(UsageError, match="nothing was changed"):
        run(world, tmp_path, yes=False, bandwidth_mbps=50)
    assert world.change_sets == {}
    assert not run(world, tmp_path)["changed"]


def test_a_dry_run_writes_nothing(world: World, tmp_path: Path) -> None:
    """Neither of a deployment that is not there nor of a change."""
    facts = run(world, tmp_path, dry_run=True)
    assert facts["dry_run"]
    assert facts["prices"]["stopped_per_month"]["amount"] == 365
    assert world.writes == []
    assert not tmp_path.joinpath("deployments").exists()
    run(world, tmp_path)
    writes = len(world.writes)
    facts = run(world, tmp_path, dry_run=True, instance_type=TYPE, bandwidth_mbps=50)
    assert [change["field"] for change in facts["changes"]] == ["bandwidth_mbps"]
    assert len(world.writes) == writes


def test_a_dry_run_of_what_is_half_made_says_so(world: World, tmp_path: Path) -> None:
    """It is not as it was asked for, whatever the fields say."""
    with pytest.raises(Killed):
        run(world, tmp_path, at="deploy.created")
    facts = run(world, tmp_path, dry_run=True)
    assert (facts["changed"], facts["changes"]) == (True, [])
    assert world.writes == ["CreateStack"]


def test_what_needs_a_new_node_is_refused(world: World, tmp_path: Path) -> None:
    """By the fields first, and by the cloud's own word on the change."""
    run(world, tmp_path, disk_size_gib=200)
    with pytest.raises(UsageError, match="disk_size_gib: 200 → 100"):
        run(world, tmp_path, disk_size_gib=100)
    world.replaces = True
    with pytest.raises(UsageError, match="make anew, and with it lose: machine"):
        run(world, tmp_path, disk_size_gib=300)
    assert "ExecuteChangeSet" not in world.writes
    assert world.change_sets == {}


def test_another_type_needs_stock_where_the_disk_is(world: World, tmp_path: Path) -> None:
    """Zones that have it are named, and nothing is written."""
    run(world, tmp_path)
    world.shelves = {TYPE: {"cn-hangzhou-i": "WithStock"}, OTHER: {"cn-hangzhou-k": "WithStock"}}
    writes = len(world.writes)
    with pytest.raises(SpecError, match=r"cn-hangzhou-i has no ecs\.gn7i-c16g1\.4xlarge now.*cn-hangzhou-k"):
        run(world, tmp_path, instance_type=OTHER)
    assert len(world.writes) == writes


def test_a_failed_update_says_that_it_was_taken_back(world: World, tmp_path: Path) -> None:
    """And the deployment is what it was; the next deploy tries nothing by itself."""
    run(world, tmp_path)
    world.update_says = "InvalidParameter: no"
    with pytest.raises(OperationError, match="everything is as it was before") as failed:
        run(world, tmp_path, bandwidth_mbps=50)
    assert "instance" in failed.value.billed
    world.update_says = ""
    assert not run(world, tmp_path)["changed"]


@pytest.mark.parametrize("point", ["update.journaled", "update.sent", "update.waiting"])
def test_a_killed_update_is_finished_by_the_next_command(world: World, tmp_path: Path, point: str) -> None:
    """Whichever it is; carried out once."""
    run(world, tmp_path)
    with pytest.raises(Killed):
        run(world, tmp_path, at=point, bandwidth_mbps=50)
    facts = run(world, tmp_path)
    assert facts["changed"]
    assert world.writes.count("ExecuteChangeSet") == 1
    assert next(iter(world.stacks.values())).parameters["Bandwidth"] == "50"
    spec = deployment_in(tmp_path).spec
    assert spec is not None
    assert spec.bandwidth_mbps == 50
    assert not run(world, tmp_path)["changed"]


def test_a_stack_that_is_busy_is_told(world: World, tmp_path: Path) -> None:
    """The cloud's refusal is heard, and the update is not taken for done."""
    run(world, tmp_path)
    world.refusals["ExecuteChangeSet"] = CloudError("ExecuteChangeSet", "ActionInProgress", "busy")
    with pytest.raises(CloudError, match="busy"):
        run(world, tmp_path, bandwidth_mbps=50)
    assert not run(world, tmp_path)["changed"]


def test_what_the_cloud_need_not_know_is_only_remembered(world: World, tmp_path: Path) -> None:
    """A limit of the price is for the next plan."""
    run(world, tmp_path)
    writes = len(world.writes)
    assert run(world, tmp_path, max_price_per_hour=20.0)["changed"]
    assert len(world.writes) == writes
    assert not run(world, tmp_path)["changed"]


def test_an_update_that_begins_late_is_not_taken_for_done(world: World, tmp_path: Path) -> None:
    """Right after ExecuteChangeSet the stack may still show that the update before it is complete."""
    run(world, tmp_path)
    run(world, tmp_path, bandwidth_mbps=50)
    world.begins_late = True
    world.update_says = "InvalidParameter: no"
    with pytest.raises(OperationError, match="everything is as it was before"):
        run(world, tmp_path, bandwidth_mbps=60)
    spec = deployment_in(tmp_path).spec
    assert spec is not None
    assert spec.bandwidth_mbps == 50


@pytest.mark.parametrize(("point", "mbps"), [("update.journaled", 100), ("update.waiting", 50)])
def test_a_change_set_that_is_gone_is_judged_by_the_stack(world: World, tmp_path: Path, point: str, mbps: int) -> None:
    """Carried out before it went, or not: the cloud's preview of the same change knows."""
    run(world, tmp_path)
    with pytest.raises(Killed):
        run(world, tmp_path, at=point, bandwidth_mbps=50)
    world.change_sets.clear()
    writes = len(world.writes)
    assert run(world, tmp_path)["changed"] == (mbps == 50)
    assert len(world.writes) == writes
    spec = deployment_in(tmp_path).spec
    assert spec is not None
    assert spec.bandwidth_mbps == mbps


def test_a_change_set_that_is_out_of_date_is_not_carried_out(world: World, tmp_path: Path) -> None:
    """Somebody else has updated the stack since."""
    run(world, tmp_path)
    with pytest.raises(Killed):
        run(world, tmp_path, at="update.journaled", bandwidth_mbps=50)
    ((identity, known),) = world.change_sets.items()
    world.change_sets[identity] = replace(known, execution="OBSOLETE")
    assert not run(world, tmp_path)["changed"]
    assert "ExecuteChangeSet" not in world.writes


def test_a_stopped_deployment_is_changed_and_stays_stopped(world: World, tmp_path: Path) -> None:
    """No picture can be made of it; what needs a running machine is refused with what to type."""
    run(world, tmp_path)
    ((identity, machine),) = world.instances.items()
    world.instances[identity] = replace(machine, status="Stopped", stopped_mode="StopCharging")
    stack = next(iter(world.stacks.values()))
    world.stacks[stack.id] = stack = replace(stack, outputs={**stack.outputs, "EndPoint": "http://127.0.0.1:9"})
    deployment_in(tmp_path).journal.append("complete", outputs=dict(stack.outputs))
    facts = run(world, tmp_path, bandwidth_mbps=50)
    assert (facts["state"], facts["changed"], facts["price_per_hour"]["amount"]) == ("stopped", True, 0.5)
    assert "picture" not in facts
    with pytest.raises(UsageError, match="is stopped; its type changes while it runs") as refused:
        run(world, tmp_path, instance_type=OTHER)
    assert "garret ops start" in refused.value.hint
