"""ResetDisk: a disk becomes again what it was when a snapshot of it was made."""

from __future__ import annotations

from garret.local_cloud.core import ApiError, Call, Cloud
from garret.local_cloud.ecs import freezing, lifecycle
from garret.local_cloud.ecs.disks import find_disk
from garret.local_cloud.params import Reply, dry_run


def reset_disk(call: Call, cloud: Cloud) -> Reply:
    """Begin it, for the system disk of a stopped instance; the disk is ReIniting until it is done."""
    id, snapshot_id = call.params["DiskId"], call.params["SnapshotId"]
    with cloud.store.transaction():
        disk, snapshot = find_disk(cloud, id), cloud.store.get("snapshot", snapshot_id)
        if snapshot is None:
            raise ApiError("InvalidSnapshotId.NotFound", f"The snapshot {snapshot_id!r} does not exist.", 404)
        if snapshot["SourceDiskId"] != id:
            text = f"The snapshot {snapshot_id} is of the disk {snapshot['SourceDiskId']}, not of {id}."
            raise ApiError("InvalidParameter.Conflict", text, 400)
        if snapshot.get("Status", freezing.ACCOMPLISHED) != freezing.ACCOMPLISHED:
            raise ApiError("InvalidSnapshot.NotReady", f"The snapshot {snapshot_id} is not accomplished.", 400)
        if disk["Type"] != "system" or not disk["InstanceId"]:
            raise ApiError("InvalidParameter.NotSupported", "DiskId: the local cloud resets system disks in use only.")
        instance = lifecycle.find_instance(cloud, disk["InstanceId"])
        if (instance["Status"], instance["Goal"]) != (lifecycle.STOPPED, lifecycle.STOPPED):
            text = f"{instance['InstanceId']} is {instance['Status']}; its disk is reset while it is Stopped."
            raise ApiError("IncorrectInstanceStatus", text, 403)
        if disk["Status"] != "In_use":
            raise ApiError("IncorrectDiskStatus", f"{id} is {disk['Status']}.", 403)
        if not cloud.driver.has_image(snapshot_id):
            raise ApiError("InvalidParameter.NotSupported", f"{snapshot_id} was made without the disk's content.")
        dry_run(call)
        cloud.store.update("disk", id, Status=freezing.GOING_BACK, ResetTo=snapshot_id)
    lifecycle.settle_soon(cloud, disk["InstanceId"])
    return {}
