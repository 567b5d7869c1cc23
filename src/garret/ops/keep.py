"""Keep a deployment's disks as snapshots before they go with it: each one once, also over a kill, and whole."""

from __future__ import annotations

import uuid
from typing import Any

from garret.errors import NotReady, OperationError, UsageError
from garret.ops.cloud import Cloud
from garret.ops.crash import Crash
from garret.ops.deployment import Deployment
from garret.ops.records import Disk, Snapshot
from garret.ops.tell import Teller

SNAPSHOT_S = 7200.0
WHOLE, BROKEN = "accomplished", "failed"
_BUSY = ("Pending", "Starting", "Stopping")
BUSY_S = 600.0


def is_keeping(deployment: Deployment) -> bool:
    """Say whether an earlier delete has begun to keep the disks and was cut off."""
    return deployment.journal.last("keeping") is not None


def keep_disks(cloud: Cloud, deployment: Deployment, tell: Teller, crash: Crash) -> list[Snapshot]:
    """Make a snapshot of every disk of the deployment and wait until each is whole.

    Raises:
        UsageError: there is no disk, and none was kept.
        OperationError: a snapshot failed; nothing was deleted.
    """
    disks = cloud.snapshots.disks(deployment.name)
    if not disks and not cloud.snapshots.kept(deployment.name):
        raise UsageError(f"{deployment.name} has no disk to keep", f"without one: garret delete {deployment.name}")
    _wait_while_busy(cloud, deployment)
    made = {_begin(cloud, deployment, disk, crash): disk for disk in disks}
    for snapshot_id, disk in made.items():
        tell.stage("snapshot", "running", f"{snapshot_id} of disk {disk.id}, {disk.size_gib} GiB")
    return _wait(cloud, deployment, set(made), tell, crash)


def _begin(cloud: Cloud, deployment: Deployment, disk: Disk, crash: Crash) -> str:
    """Ask for the snapshot with the token that is on disk, so that asking again after a kill makes no second one."""
    journal = deployment.journal
    mine = [entry for entry in journal.entries() if entry.get("disk_id") == disk.id]
    last = mine[-1] if mine else {"event": "unkept"}
    if last["event"] == "kept":
        return str(last["snapshot_id"])
    token = str(last["token"]) if last["event"] == "keeping" else uuid.uuid4().hex
    if last["event"] != "keeping":
        journal.append("keeping", disk_id=disk.id, size_gib=disk.size_gib, token=token)
        crash.point("snapshot.journaled")
    snapshot_id = cloud.snapshots.create(disk.id, deployment.name, token=token)
    crash.point("snapshot.sent")
    journal.append("kept", disk_id=disk.id, snapshot_id=snapshot_id, size_gib=disk.size_gib)
    return snapshot_id


def _wait(cloud: Cloud, deployment: Deployment, wanted: set[str], tell: Teller, crash: Crash) -> list[Snapshot]:
    deadline = cloud.clock.monotonic() + SNAPSHOT_S
    while True:
        found = {one.id: one for one in cloud.snapshots.kept(deployment.name)}
        if broken := [id for id in wanted if id in found and found[id].status == BROKEN]:
            raise _broken(cloud, deployment, broken)
        if all(id in found and found[id].status == WHOLE for id in wanted):
            tell.stage("snapshot", "done", ", ".join(sorted(wanted)))
            crash.point("snapshot.done")
            return list(found.values())
        if cloud.clock.monotonic() > deadline:
            raise NotReady(
                f"the snapshot of {deployment.name} is not whole after {SNAPSHOT_S:.0f} s; nothing was deleted",
                f"garret delete {deployment.name} --keep-disk   (goes on waiting)",
            )
        cloud.clock.sleep(cloud.poll_s)


def _broken(cloud: Cloud, deployment: Deployment, broken: list[str]) -> OperationError:
    """Take the broken ones away, so that the next try makes new ones."""
    for snapshot_id in broken:
        cloud.snapshots.delete(snapshot_id)
    for disk in cloud.snapshots.disks(deployment.name):
        deployment.journal.append("unkept", disk_id=disk.id)
    return OperationError(
        f"the cloud could not make the snapshot {', '.join(broken)}; nothing was deleted",
        f"garret delete {deployment.name} --keep-disk   (tries again), or without --keep-disk",
    )


def _wait_while_busy(cloud: Cloud, deployment: Deployment) -> None:
    """A machine on its way up or down gives no snapshot of its disk."""
    deadline = cloud.clock.monotonic() + BUSY_S
    while any(one.status in _BUSY for one in cloud.instances.tagged(deployment.name)):
        if cloud.clock.monotonic() > deadline:
            raise NotReady(f"the machine of {deployment.name} is neither up nor down", "garret status")
        cloud.clock.sleep(cloud.poll_s)


def kept_facts(snapshots: list[Snapshot]) -> list[dict[str, Any]]:
    """The `--json` form of what was kept."""
    return [{"id": one.id, "disk_id": one.disk_id, "size_gib": one.size_gib} for one in snapshots]
