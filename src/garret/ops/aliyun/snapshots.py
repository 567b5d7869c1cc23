"""Disks and their snapshots: what can be kept of a deployment."""

from __future__ import annotations

from typing import Any

from garret.errors import CloudError
from garret.ops.aliyun.pages import by_token, rows
from garret.ops.aliyun.session import Session
from garret.ops.cloud import BACKUP_TAG, DEPLOYMENT_TAG, SNAPSHOT_TAG
from garret.ops.records import Disk, Snapshot

_GONE = ("InvalidSnapshotId.NotFound",)


class EcsSnapshots:
    """Disks and snapshots of one region."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def disks(self, deployment: str) -> list[Disk]:
        """The disks of a deployment that exist."""
        wanted = {"Tag": [{"Key": DEPLOYMENT_TAG, "Value": deployment}]}
        found = by_token(self._session, "ecs", "DescribeDisks", wanted, "Disks.Disk")
        return [
            Disk(
                str(raw["DiskId"]),
                int(raw.get("Size") or 0),
                str(raw.get("Category") or ""),
                str(raw.get("Type") or ""),
                str(raw.get("Status") or ""),
                str(raw.get("InstanceId") or ""),
            )
            for raw in found
        ]

    def create(self, disk_id: str, deployment: str, *, token: str, backup: bool = False) -> str:
        """Begin a snapshot of a disk, or get the one this token began before; its id."""
        models = _models()
        tags = {SNAPSHOT_TAG: deployment} | ({BACKUP_TAG: deployment} if backup else {})
        why = "A backup of a garret deployment." if backup else "The disk of a garret deployment that was deleted."
        request = models.CreateSnapshotRequest(
            disk_id=disk_id,
            snapshot_name=f"garret-{deployment}",
            description=why,
            tag=[models.CreateSnapshotRequestTag(key=key, value=value) for key, value in tags.items()],
            client_token=token,
        )
        reply = self._session.call("CreateSnapshot", lambda: self._session.ecs.create_snapshot(request))
        return str(reply.body.snapshot_id)

    def kept(self, deployment: str) -> list[Snapshot]:
        """The snapshots that were kept of a deployment's disks."""
        wanted = {"Tag": [{"Key": SNAPSHOT_TAG, "Value": deployment}]}
        found = by_token(self._session, "ecs", "DescribeSnapshots", wanted, "Snapshots.Snapshot")
        return [_snapshot(raw) for raw in found]

    def reset(self, disk_id: str, snapshot_id: str) -> None:
        """Ask for a disk of a stopped machine to become again what it was when this snapshot of it was made."""
        request = _models().ResetDiskRequest(disk_id=disk_id, snapshot_id=snapshot_id)
        # Sent twice, the second may say that the disk is busy: the caller looks at the disk.
        self._session.call("ResetDisk", lambda: self._session.ecs.reset_disk(request), again=False)

    def delete(self, snapshot_id: str) -> None:
        """Delete a snapshot; one that is gone already is no error."""
        request = _models().DeleteSnapshotRequest(snapshot_id=snapshot_id)
        try:
            self._session.call("DeleteSnapshot", lambda: self._session.ecs.delete_snapshot(request))
        except CloudError as error:
            if error.code not in _GONE:
                raise


def _snapshot(raw: dict[str, Any]) -> Snapshot:
    return Snapshot(
        id=str(raw["SnapshotId"]),
        disk_id=str(raw.get("SourceDiskId") or ""),
        size_gib=int(raw.get("SourceDiskSize") or 0),
        status=str(raw.get("Status") or ""),
        progress=str(raw.get("Progress") or ""),
        created_at=str(raw.get("CreationTime") or ""),
        is_backup=any(tag.get("TagKey") == BACKUP_TAG for tag in rows(raw, "Tags.Tag")),
    )


def _models() -> Any:
    from alibabacloud_ecs20140526 import models

    return models
