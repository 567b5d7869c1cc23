"""Backup: the node's disk kept as a snapshot, with its models and pictures; the newest N of them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from garret.errors import NotReady, OperationError, UsageError
from garret.ops.cloud import Cloud
from garret.ops.crash import Crash
from garret.ops.deployment import Deployment, flag
from garret.ops.keep import BROKEN, SNAPSHOT_S, WHOLE
from garret.ops.power import machine_of
from garret.ops.prices import HOURS_PER_MONTH
from garret.ops.records import BillItem, Disk, Snapshot
from garret.ops.tell import Teller
from garret.ops.work import Work

_ENDS = ("backed up", "not backed up")


def run(work: Work) -> dict[str, Any]:
    """The verb `backup`: `keep` is how many of its backups stay, 0 for all."""
    return backup(work.cloud, work.deployment, work.tell, work.crash, keep=int(work.parameters.get("keep") or 0))


def backup(cloud: Cloud, deployment: Deployment, tell: Teller, crash: Crash, *, keep: int = 0) -> dict[str, Any]:
    """Make a snapshot of the node's disk, wait until it is whole, and delete the oldest beyond `keep`.

    Raises:
        OperationError: the cloud could not make it; the earlier ones are all there.
    """
    with deployment.journal.locked():
        made = take(cloud, deployment, tell, crash)
        dropped = _drop_old(cloud, deployment, tell, keep)
        left = backups(cloud, deployment)
        return {
            "name": deployment.name,
            "changed": True,
            "backup": fact_of(made),
            "dropped": dropped,
            "backups": [fact_of(one) for one in left],
            "billed_per_month": per_month(cloud, left),
        }


def backups(cloud: Cloud, deployment: Deployment) -> list[Snapshot]:
    """What there is to restore, the newest first: backups, and disks that an earlier delete kept."""
    found = [one for one in cloud.snapshots.kept(deployment.name) if one.status == WHOLE]
    return sorted(found, key=lambda one: (one.created_at, one.id), reverse=True)


def fact_of(one: Snapshot) -> dict[str, Any]:
    """The `--json` form of a backup."""
    return {
        "id": one.id,
        "created_at": one.created_at,
        "disk_id": one.disk_id,
        "size_gib": one.size_gib,
        "kind": "backup" if one.is_backup else "kept by delete",
    }


def per_month(cloud: Cloud, some: Sequence[Snapshot]) -> dict[str, Any] | None:
    """What these cost a month, by what the cloud has billed for them so far; None where it has not billed any yet."""
    lines: list[tuple[int, BillItem]] = []
    for one in some:
        month = one.created_at[:7]
        lines += [(one.size_gib, line) for line in cloud.bills.items(one.id, month)] if month else []
    used = [(gib, line) for gib, line in lines if line.usage > 0 and line.amount > 0 and line.unit.lower() == "hour"]
    if not used:
        return None
    gib, line = used[-1]
    amount = line.amount / line.usage * HOURS_PER_MONTH * sum(one.size_gib for one in some) / max(gib, 1)
    price = cloud.price((amount, line.currency))
    return price.to_dict() if price else None


def disk_of(cloud: Cloud, deployment: Deployment) -> Disk:
    """The disk of the deployment's machine, with all that it keeps.

    Raises:
        UsageError: there is no machine, or no disk of it.
    """
    machine = machine_of(cloud, deployment)
    disks = [one for one in cloud.snapshots.disks(deployment.name) if one.kind != "data"]
    mine = [one for one in disks if one.instance_id in ("", machine.id)]
    if not mine:
        raise UsageError(f"{deployment.name} has no disk", f"garret status {deployment.name}")
    return mine[0]


def take(cloud: Cloud, deployment: Deployment, tell: Teller, crash: Crash, *, after: str = "") -> Snapshot:
    """One snapshot of the node's disk, whole; one that was just begun and cut off is finished instead of begun again.

    Not one of long ago, or from before the journal's last line of the kind `after`: it lacks what came since.
    """
    journal = deployment.journal
    begun = _begun(deployment, after)
    if begun is None:
        journal.append("backing up", disk_id=disk_of(cloud, deployment).id, token=uuid.uuid4().hex)
        begun = journal.last("backing up") or {}
        crash.point("backup.journaled")
    snapshot_id = cloud.snapshots.create(
        str(begun["disk_id"]), deployment.name, token=str(begun["token"]), backup=True
    )  # fmt: skip
    crash.point("backup.sent")
    made = _whole(cloud, deployment, snapshot_id, tell)
    journal.append("backed up", snapshot_id=made.id, size_gib=made.size_gib)
    return made


def _begun(deployment: Deployment, after: str) -> dict[str, Any] | None:
    lines = [one for one in deployment.journal.entries() if one["event"] in ("backing up", *_ENDS, after)]
    last = lines[-1] if lines else {"event": ""}
    if last["event"] != "backing up":
        return None
    age = datetime.now(UTC) - datetime.fromisoformat(last["at"])
    return last if age.total_seconds() < SNAPSHOT_S else None


def _whole(cloud: Cloud, deployment: Deployment, snapshot_id: str, tell: Teller) -> Snapshot:
    started, told = cloud.clock.monotonic(), ""
    while True:
        found = next((one for one in cloud.snapshots.kept(deployment.name) if one.id == snapshot_id), None)
        if found is not None and found.status == WHOLE:
            waited = cloud.clock.monotonic() - started
            tell.stage("backup", "done", f"{found.id}, of {found.size_gib} GiB", waited)
            return found
        if found is not None and found.status == BROKEN:
            cloud.snapshots.delete(snapshot_id)
            deployment.journal.append("not backed up", why=f"{snapshot_id} failed")
            raise OperationError(
                f"the cloud could not make the backup {snapshot_id}; it is deleted, and earlier ones are all there",
                f"garret ops backup{flag(deployment.name)}   (tries again)",
            )
        waited = cloud.clock.monotonic() - started
        if waited > SNAPSHOT_S:
            raise NotReady(
                f"the backup {snapshot_id} is not whole after {SNAPSHOT_S:.0f} s; the cloud goes on with it",
                f"garret ops backup{flag(deployment.name)}   (goes on waiting)",
            )
        if found is not None and found.progress != told:
            told = found.progress
            tell.stage("backup", "running", f"{snapshot_id} {told}".strip())
        cloud.clock.sleep(cloud.pause(waited))


def _drop_old(cloud: Cloud, deployment: Deployment, tell: Teller, keep: int) -> list[str]:
    """Delete the oldest backups beyond `keep`; what a delete kept is nobody's routine, and stays."""
    if not keep:
        return []
    old = [one for one in backups(cloud, deployment) if one.is_backup][keep:]
    for one in old:
        cloud.snapshots.delete(one.id)
        tell.say(f"{one.id} of {one.created_at[:10]} is deleted: {keep} are kept")
    return [one.id for one in old]
