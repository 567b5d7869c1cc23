"""Delete leaves nothing that costs, or says what does."""

from __future__ import annotations

from pathlib import Path

import pytest

from garret.errors import CloudError, OperationError, UsageError
from garret.ops.cloud import DEPLOYMENT_TAG, Billed, Stack
from garret.ops.crash import Crash
from garret.ops.delete import Delete
from garret.ops.records import Disk
from tests.ops.fake import Killed, Listener, World, cloud_of, deployment_in, killed
from tests.ops.test_status import deployed, look


def delete(world: World, folder: Path, *, yes: bool = True, at: str = "", **more: bool) -> Delete:
    """A run of delete."""
    return Delete(cloud_of(world), deployment_in(folder), Listener(), lambda _: yes, Crash(at, killed), **more)


def test_delete_leaves_nothing(world: World, tmp_path: Path) -> None:
    """Stack and machine go, and so do token, password and runtime on this machine."""
    deployed(world, tmp_path)
    facts = delete(world, tmp_path).run()
    assert facts == {"name": "garret", "state": "absent", "changed": True, "region": "cn-hangzhou", "snapshots": []}
    assert world.stacks == {}
    assert world.instances == {}
    assert deployment_in(tmp_path).plan is None
    assert deployment_in(tmp_path).login is None
    assert not (deployment_in(tmp_path).journal.folder / "bundle.tar.xz").exists()


def test_a_second_delete_has_nothing_to_do(world: World, tmp_path: Path) -> None:
    """What is gone can be deleted again, and nothing happens."""
    deployed(world, tmp_path)
    delete(world, tmp_path).run()
    writes = list(world.writes)
    assert delete(world, tmp_path).run()["changed"] is False
    assert world.writes == writes


def test_what_is_left_is_an_error(world: World, tmp_path: Path) -> None:
    """While the cloud still bills something with our tag, delete fails and names it."""
    deployed(world, tmp_path)
    world.billed = [Billed("address", "eip-1", "127.0.0.1")]
    with pytest.raises(OperationError) as left:
        delete(world, tmp_path).run()
    assert left.value.exit_code == 1
    assert "eip-1" in left.value.billed
    assert "ReleaseEipAddress --AllocationId eip-1 --RegionId cn-hangzhou" in left.value.hint
    world.billed = []
    assert delete(world, tmp_path).run()["state"] == "absent"


def test_a_no_deletes_nothing(world: World, tmp_path: Path) -> None:
    """The person is shown what would go, and a no leaves it."""
    deployed(world, tmp_path)
    shown: list[str] = []
    work = delete(world, tmp_path)
    work.confirm = lambda parts: bool(shown.extend(parts))
    with pytest.raises(UsageError, match="nothing was deleted"):
        work.run()
    assert next(iter(world.instances)) in shown[0]
    assert "DeleteStack" not in world.writes


@pytest.mark.parametrize("point", ["deploy.journaled", "deploy.created", "deploy.waiting", "deploy.signalled"])
def test_a_killed_deploy_can_be_deleted(world: World, tmp_path: Path, point: str) -> None:
    """Whatever a killed deploy left, delete takes it away."""
    deployed(world, tmp_path, point)
    delete(world, tmp_path).run()
    assert world.stacks == {}
    assert world.instances == {}


def test_a_killed_delete_is_finished_by_the_next(world: World, tmp_path: Path) -> None:
    """DeleteStack is sent once; the next delete waits for the end and makes sure."""
    deployed(world, tmp_path)
    with pytest.raises(Killed):
        delete(world, tmp_path, at="delete.sent").run()
    assert look(world, tmp_path).state == "deleting"
    world.stacks.clear()
    found = look(world, tmp_path)
    assert (found.state, found.next.split("   ")[0]) == ("absent", "garret delete garret")
    assert delete(world, tmp_path).run()["state"] == "absent"
    assert world.writes.count("DeleteStack") == 1


def test_a_busy_stack_is_asked_again(world: World, tmp_path: Path) -> None:
    """A stack that is in the middle of something is deleted when it has ended that."""
    deployed(world, tmp_path)
    world.refusals["DeleteStack"] = CloudError("DeleteStack", "ActionInProgress", "busy")
    assert delete(world, tmp_path).run()["changed"] is True


@pytest.mark.parametrize("tags", [{}, {"owner": "someone"}, {DEPLOYMENT_TAG: "another"}])
def test_a_foreign_stack_is_left_alone(world: World, tmp_path: Path, tags: dict[str, str]) -> None:
    """A stack of our name without our tag is not ours to delete."""
    world.stacks["theirs"] = Stack("theirs", "garret-garret", "CREATE_COMPLETE", tags=tags)
    with pytest.raises(UsageError, match="not made by garret"):
        delete(world, tmp_path).run()
    assert world.writes == []


SYSTEM_DISK = Disk("d-1", 100, "cloud_essd")


def test_a_disk_is_kept_before_anything_goes(world: World, tmp_path: Path) -> None:
    """The snapshot is whole before DeleteStack is sent; what is kept is told, and is no leftover."""
    deployed(world, tmp_path)
    world.disks = [SYSTEM_DISK]
    shown: list[str] = []
    work = delete(world, tmp_path, keep_disk=True)
    work.confirm = lambda parts: not shown.extend(parts)
    facts = work.run()
    assert facts["snapshots"] == [{"id": next(iter(world.snapshots)), "disk_id": "d-1", "size_gib": 100}]
    assert world.writes[-2:] == ["CreateSnapshot", "DeleteStack"]
    assert any("kept" in line and "d-1" in line for line in shown)
    assert delete(world, tmp_path).run()["changed"] is False
    dropped = delete(world, tmp_path, drop_kept=True).run()
    assert (dropped["changed"], dropped["snapshots"], world.snapshots) == (True, [], {})


@pytest.mark.parametrize("point", ["snapshot.journaled", "snapshot.sent", "snapshot.done", "delete.asked"])
def test_a_killed_delete_keeps_the_disk_once(world: World, tmp_path: Path, point: str) -> None:
    """Killed anywhere and typed again, also without the flag, delete makes one snapshot and no second."""
    deployed(world, tmp_path)
    world.disks = [SYSTEM_DISK]
    with pytest.raises(Killed):
        delete(world, tmp_path, at=point, keep_disk=True).run()
    assert "DeleteStack" not in world.writes
    facts = delete(world, tmp_path).run()
    assert [one["disk_id"] for one in facts["snapshots"]] == ["d-1"]
    assert len(world.snapshots) == 1
    assert world.writes[-1] == "DeleteStack"


def test_a_snapshot_that_breaks_deletes_nothing(world: World, tmp_path: Path) -> None:
    """The broken one is taken away, and the next try makes another."""
    deployed(world, tmp_path)
    world.disks = [SYSTEM_DISK]
    world.snapshot_breaks = True
    with pytest.raises(OperationError, match="nothing was deleted"):
        delete(world, tmp_path, keep_disk=True).run()
    assert "DeleteStack" not in world.writes
    assert world.snapshots == {}
    world.snapshot_breaks = False
    assert len(delete(world, tmp_path, keep_disk=True).run()["snapshots"]) == 1


def test_keeping_needs_a_disk(world: World, tmp_path: Path) -> None:
    """Without any disk there is nothing to keep, and nothing is deleted."""
    deployed(world, tmp_path)
    with pytest.raises(UsageError, match="no disk"):
        delete(world, tmp_path, keep_disk=True).run()
    assert "DeleteStack" not in world.writes
    with pytest.raises(UsageError, match="contradict"):
        delete(world, tmp_path, keep_disk=True, drop_kept=True).run()


def test_a_disk_that_went_meanwhile_holds_nothing_up(world: World, tmp_path: Path) -> None:
    """Keeping was begun and killed, then somebody deleted the machine with its disk: delete deletes the rest."""
    deployed(world, tmp_path)
    world.disks = [SYSTEM_DISK]
    with pytest.raises(Killed):
        delete(world, tmp_path, at="snapshot.journaled", keep_disk=True).run()
    world.instances.clear()
    assert delete(world, tmp_path).run()["snapshots"] == []


def test_what_holds_the_stack_is_told(world: World, tmp_path: Path) -> None:
    """A DELETE_FAILED stack names the resource that failed, in the cloud's words, and what is billed."""
    deployed(world, tmp_path)
    world.delete_fails = ("Network", "ResponseException: code: DependencyViolation, message: vpc-1 is in use")
    with pytest.raises(OperationError, match=r"VPC: .*DependencyViolation") as told:
        delete(world, tmp_path).run()
    assert "garret delete garret" in told.value.hint
    assert next(iter(world.instances)) in told.value.billed


def test_a_protected_stack_says_how_to_take_the_protection_away(world: World, tmp_path: Path) -> None:
    """Deletion protection is somebody's will: told, not worked around."""
    deployed(world, tmp_path)
    refusal = CloudError("DeleteStack", "StackValidationFailed", "The stack has deletion protection enabled.")
    world.refusals["DeleteStack"] = refusal
    with pytest.raises(OperationError, match="protected") as told:
        delete(world, tmp_path).run()
    assert "SetDeletionProtection" in told.value.hint
