"""Snapshots of disks: they outlive their disk, carry tags, and are billed until they are deleted."""

from __future__ import annotations

from typing import Any

from garret.local_cloud import tagging
from garret.local_cloud.core import ApiError, Call, Cloud
from garret.local_cloud.ecs import freezing, lifecycle
from garret.local_cloud.ecs.disks import find_disk
from garret.local_cloud.ids import new_id
from garret.local_cloud.params import Reply, flag, has_tags, names, number, once, page, tags


def create_snapshot(call: Call, cloud: Cloud) -> Reply:
    """Begin a snapshot of a disk that was attached once: of a system disk in use with its content, else a record."""
    params, wanted = call.params, tags(call.params)
    days = number(params, "RetentionDays", 0, 1, 65536)

    def create() -> Reply:
        disk = find_disk(cloud, params["DiskId"])
        _check(cloud, disk)
        id, now = new_id("s"), cloud.clock.stamp()
        body = {
            "SnapshotId": id,
            "RegionId": disk["RegionId"],
            "SnapshotName": params.get("SnapshotName", ""),
            "Description": params.get("Description", ""),
            "SourceDiskId": disk["DiskId"],
            "SourceDiskSize": disk["Size"],
            "SourceDiskType": disk["Type"],
            "SourceDiskCategory": disk["Category"],
            "InstanceId": disk["InstanceId"],
            "Encrypted": disk["Encrypted"],
            "CreationTime": now,
            "LastModifiedTime": now,
            "RetentionDays": days,
            "Status": freezing.PROGRESSING if _has_content(cloud, disk) else freezing.ACCOMPLISHED,
            "ResourceGroupId": params.get("ResourceGroupId", ""),
            "Tags": wanted,
        }
        cloud.store.put("snapshot", id, body, disk["RegionId"])
        if body["Status"] == freezing.PROGRESSING:
            lifecycle.settle_soon(cloud, disk["InstanceId"])
        return {"SnapshotId": id}

    return once(call, cloud, create)


def _has_content(cloud: Cloud, disk: dict[str, Any]) -> bool:
    """Whether there is a node's disk behind the record."""
    instance = cloud.store.get("instance", disk["InstanceId"]) if disk["Type"] == "system" else None
    return instance is not None and bool(instance["Made"])


def _check(cloud: Cloud, disk: dict[str, Any]) -> None:
    instance = cloud.store.get("instance", disk["InstanceId"]) if disk["InstanceId"] else None
    if instance is not None and instance["Status"] not in ("Running", "Stopped"):
        raise ApiError("IncorrectInstanceStatus", f"{disk['InstanceId']} is {instance['Status']}.")
    if disk["Type"] == "data" and not disk["InstanceId"] and not disk.get("AttachedTime"):
        raise ApiError("IncorrectDiskStatus.NeverAttached", f"{disk['DiskId']} was never attached to anything.", 403)


def describe_snapshots(call: Call, cloud: Cloud) -> Reply:
    """Snapshots by id, disk, instance, name, type of disk or tag."""
    params, wanted = call.params, tags(call.params)
    ids, usage = names(params, "SnapshotIds"), params.get("Usage", "")
    disk, instance, name = params.get("DiskId", ""), params.get("InstanceId", ""), params.get("SnapshotName", "")
    kind, status = params.get("SourceDiskType", "").lower(), params.get("Status", "all")
    found = [
        body
        for body in cloud.store.find("snapshot", call.region)
        if (not ids or body["SnapshotId"] in ids)
        and disk in ("", body["SourceDiskId"])
        and instance in ("", body["InstanceId"])
        and name in ("", body["SnapshotName"])
        and kind in ("", body["SourceDiskType"])
        and status in ("all", body.get("Status", freezing.ACCOMPLISHED))
        and params.get("SnapshotType", "all") in ("all", "user")
        and usage in ("", _usage(cloud, body))
        and has_tags(body, wanted)
    ]
    some, counts = page(call, found)
    return {"Snapshots": {"Snapshot": [_view(cloud, body) for body in some]}, "NextToken": "", **counts}


def delete_snapshot(call: Call, cloud: Cloud) -> Reply:
    """Remove a snapshot; one that disks were made of goes with Force only."""
    id = call.params["SnapshotId"]
    with cloud.store.transaction():
        body = cloud.store.get("snapshot", id)
        if body is None:
            raise ApiError("InvalidSnapshotId.NotFound", f"The snapshot {id!r} does not exist.", 404)
        if cloud.store.find("image", SnapshotId=id):
            raise ApiError("SnapshotCreatedImage", f"An image was made of {id}: delete that first.", 403)
        if _usage(cloud, body) != "none" and not flag(call.params, "Force"):
            raise ApiError("SnapshotCreatedDisk", f"Disks were made of {id}; Force deletes it all the same.", 403)
        cloud.store.delete("snapshot", id)
    if cloud.driver.has_image(id):
        cloud.background.start(f"snapshot {id}", lambda: freezing.drop(cloud, id))
    return {}


def _usage(cloud: Cloud, body: dict[str, Any]) -> str:
    id = body["SnapshotId"]
    made = [
        kind for kind, name in (("image", "SnapshotId"), ("disk", "SourceSnapshotId")) if _of(cloud, kind, name, id)
    ]
    return "_".join(made) or "none"


def _of(cloud: Cloud, kind: str, name: str, id: str) -> bool:
    return bool(cloud.store.find(kind, **{name: id}))


def _view(cloud: Cloud, body: dict[str, Any]) -> dict[str, Any]:
    hidden = ("Tags", "RegionId", "InstanceId", "SourceDiskCategory")
    status = body.get("Status", freezing.ACCOMPLISHED)
    shown = {name: value for name, value in body.items() if name not in hidden}
    return {
        **shown,
        "SourceDiskSize": str(body["SourceDiskSize"]),
        "SnapshotType": "user",
        "SnapshotSN": body["SnapshotId"],
        "Status": status,
        "Progress": "100%" if status == freezing.ACCOMPLISHED else "0%",
        "Available": status == freezing.ACCOMPLISHED,
        "RemainTime": 0,
        "Category": "standard",
        "SourceStorageType": "disk",
        "InstantAccess": False,
        "Usage": _usage(cloud, body),
        "Tags": tagging.view(body),
    }
