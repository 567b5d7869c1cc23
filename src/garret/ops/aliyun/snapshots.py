"""Disks and their snapshots: what can be kept of a deployment."""

from __future__ import annotations

from typing import Any

from garret.errors import CloudError
from garret.ops.aliyun.pages import by_token
from garret.ops.aliyun.session import Session
from garret.ops.cloud import DEPLOYMENT_TAG, SNAPSHOT_TAG
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
            )
            for raw in found
        ]

    def create(self, disk_id: str, deployment: str, *, token: str) -> str:
        """Begin a snapshot of a disk, or get the one this token began before; its id."""
        models = _models()
        request = models.CreateSnapshotRequest(
            disk_id=disk_id,
            snapshot_name=f"garret-{deployment}",
            description="The disk of a garret deployment that was deleted.",
            tag=[models.CreateSnapshotRequestTag(key=SNAPSHOT_TAG, value=deployment)],
            client_token=token,
        )
        reply = self._session.call("CreateSnapshot", lambda: self._session.ecs.create_snapshot(request))
        return str(reply.body.snapshot_id)

    def kept(self, deployment: str) -> list[Snapshot]:
        """The snapshots that were kept of a deployment's disks."""
        wanted = {"Tag": [{"Key": SNAPSHOT_TAG, "Value": deployment}]}
        found = by_token(self._session, "ecs", "DescribeSnapshots", wanted, "Snapshots.Snapshot")
        return [_snapshot(raw) for raw in found]

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
    )


def _models() -> Any:
    from alibabacloud_ecs20140526 import models

    return models
