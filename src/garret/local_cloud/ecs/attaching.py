"""What happens to a disk on an instance: attached, detached, grown."""

from __future__ import annotations

from typing import Any

from garret.local_cloud.core import ApiError, Call, Cloud
from garret.local_cloud.ecs import lifecycle
from garret.local_cloud.ecs.disks import DATA_DISKS, LIMIT_GIB, find_disk, next_device
from garret.local_cloud.ecs.instance_types import DISK_CATEGORIES
from garret.local_cloud.params import Reply, flag, number, once


def attach_disk(call: Call, cloud: Cloud) -> Reply:
    """Give an available data disk to an instance of its zone; In_use at once."""
    id, instance_id = call.params["DiskId"], call.params["InstanceId"]
    with cloud.store.transaction():
        disk, instance = find_disk(cloud, id), lifecycle.find_instance(cloud, instance_id)
        _check_attach(cloud, disk, instance)
        used = [one["Device"] for one in cloud.store.find("disk", InstanceId=instance_id)]
        device = call.params.get("Device", "") or next_device(used)
        if device in used:
            raise ApiError("InvalidDevice.InUse", f"{device} of {instance_id} is in use.", 403)
        cloud.store.update(
            "disk",
            id,
            InstanceId=instance_id,
            Status="In_use",
            Device=device,
            AttachedTime=cloud.clock.stamp(),
            DeleteWithInstance=flag(call.params, "DeleteWithInstance"),
        )
    return {}


def _check_attach(cloud: Cloud, disk: dict[str, Any], instance: dict[str, Any]) -> None:
    id, instance_id = disk["DiskId"], instance["InstanceId"]
    if disk["Status"] != "Available":
        raise ApiError("IncorrectDiskStatus", f"{id} is {disk['Status']}, not Available.", 403)
    _settled(instance)
    if disk["ZoneId"] != instance["ZoneId"]:
        text = f"{id} is in {disk['ZoneId']}, {instance_id} in {instance['ZoneId']}."
        raise ApiError("ResourcesNotInSameZone", text, 403)
    if disk["Category"] not in DISK_CATEGORIES:
        text = f"{instance['InstanceType']} takes {', '.join(DISK_CATEGORIES)}, not {disk['Category']}."
        raise ApiError("InvalidDiskCategory.NotSupported", text, 403)
    if len(cloud.store.find("disk", InstanceId=instance_id, Type="data")) >= DATA_DISKS:
        raise ApiError("InstanceDiskLimitExceeded", f"{instance_id} has {DATA_DISKS} data disks already.", 403)


def detach_disk(call: Call, cloud: Cloud) -> Reply:
    """Take a data disk from its instance; Available at once."""
    id, instance_id = call.params["DiskId"], call.params["InstanceId"]
    with cloud.store.transaction():
        disk = find_disk(cloud, id)
        _settled(lifecycle.find_instance(cloud, instance_id))
        if disk["Type"] == "system":
            raise ApiError("DiskNotPortable", f"{id} is a system disk: the local cloud detaches data disks.", 403)
        if disk["InstanceId"] != instance_id:
            text = f"{id} is {disk['Status']} and not attached to {instance_id}."
            raise ApiError("DependencyViolation" if disk["InstanceId"] else "IncorrectDiskStatus", text, 403)
        now = cloud.clock.stamp()
        cloud.store.update("disk", id, InstanceId="", Status="Available", Device="", DetachedTime=now)
    return {}


def resize_disk(call: Call, cloud: Cloud) -> Reply:
    """Make a disk larger: offline (seen by the system after a restart) or online."""
    return once(call, cloud, lambda: _resize(call, cloud))


def _resize(call: Call, cloud: Cloud) -> Reply:
    id, kind = call.params["DiskId"], call.params.get("Type", "") or "offline"
    if kind not in ("offline", "online"):
        raise ApiError("InvalidParam.Type", f"Type {kind!r} is neither offline nor online.")
    disk = find_disk(cloud, id)
    size = number(call.params, "NewSize", 0, -1_000_000, 1_000_000_000)
    if size <= disk["Size"]:
        raise ApiError(
            "InvalidDiskSize.TooSmall", f"{id} has {disk['Size']} GiB; a disk grows only, not to {size}.", 403
        )
    if size > LIMIT_GIB:
        raise ApiError("InvalidDiskSize.TooLarge", f"A disk has at most {LIMIT_GIB} GiB, not {size}.", 403)
    if disk["InstanceId"]:
        instance = lifecycle.find_instance(cloud, disk["InstanceId"])
        _settled(instance)
        if kind == "online" and instance["Status"] != lifecycle.RUNNING:
            text = f"{disk['InstanceId']} is {instance['Status']}: a disk grows online while its instance runs."
            raise ApiError("InvalidInstanceStatus.NotRunning", text, 403)
    elif kind == "online":
        raise ApiError("IncorrectDiskStatus", f"{id} is attached to nothing: resize it offline.", 403)
    cloud.store.update("disk", id, Size=size)
    return {"OrderId": ""}


def _settled(instance: dict[str, Any]) -> None:
    if instance["Status"] not in (lifecycle.RUNNING, lifecycle.STOPPED):
        text = f"{instance['InstanceId']} is {instance['Status']}; this needs Running or Stopped."
        raise ApiError("IncorrectInstanceStatus", text, 403)
