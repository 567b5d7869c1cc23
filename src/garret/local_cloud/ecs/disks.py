"""Disks: each instance's system disk, and data disks, which are records only (a process node has no block devices)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from garret.local_cloud import tagging
from garret.local_cloud.core import ApiError, Call, Cloud, invalid, missing
from garret.local_cloud.ecs import catalog
from garret.local_cloud.ids import new_id
from garret.local_cloud.params import Reply, Tags, flag, groups, has_tags, names, number, once, page, tags

CATEGORIES = ("cloud_essd", "cloud_auto", "cloud_efficiency", "cloud_ssd", "cloud_essd_entry")
LIMIT_GIB = 32768
DATA_DISKS = 16  # of one instance


def describe_disks(call: Call, cloud: Cloud) -> Reply:
    """Disks by id, instance, status, type or tag."""
    params, wanted = call.params, tags(call.params)
    ids = names(params, "DiskIds")
    instance, status, kind = params.get("InstanceId", ""), params.get("Status", "All"), params.get("DiskType", "all")
    same = ("DiskName", "Category", "ZoneId", "ResourceGroupId")
    filters = {name: params[name] for name in same if params.get(name)}
    found = [
        body
        for body in cloud.store.find("disk", call.region, **filters)
        if (not ids or body["DiskId"] in ids)
        and instance in ("", body["InstanceId"])
        and status in ("All", body["Status"])
        and kind in ("all", body["Type"])
        and has_tags(body, wanted)
    ]
    some, counts = page(call, found)
    return {"Disks": {"Disk": [_view(body) for body in some]}, "NextToken": "", **counts}


def create_disk(call: Call, cloud: Cloud) -> Reply:
    """Make a data disk in a zone: of a size, or of a snapshot."""
    params, wanted = call.params, tags(call.params)
    if params.get("InstanceId"):
        raise ApiError("InvalidParameter.NotSupported", "InstanceId: a disk is made in a zone here, then attached.")
    if not params.get("ZoneId"):
        raise missing("ZoneId")
    catalog.check_zone(params["ZoneId"], call.region)
    category = params.get("DiskCategory", "cloud_efficiency")
    if category not in CATEGORIES:
        raise ApiError("InvalidDiskCategory.NotSupported", f"DiskCategory {category!r}: {', '.join(CATEGORIES)}.", 403)
    fields = _fields(cloud, {**params, "Category": category})

    def create() -> Reply:
        place = {"RegionId": call.region, "ZoneId": params["ZoneId"], "InstanceId": "", "Status": "Available"}
        body = put_disk(cloud, {**fields, **place}, wanted)
        return {"DiskId": body["DiskId"], "OrderId": ""}

    return once(call, cloud, create)


def delete_disk(call: Call, cloud: Cloud) -> Reply:
    """Remove a disk that no instance has; its snapshots stay."""
    id = call.params["DiskId"]
    with cloud.store.transaction():
        body = find_disk(cloud, id)
        if body["Status"] != "Available":
            raise ApiError("IncorrectDiskStatus", f"{id} is {body['Status']}, not Available: detach it first.", 403)
        cloud.store.delete("disk", id)
    return {}


def modify_disk_attribute(call: Call, cloud: Cloud) -> Reply:
    """Change a disk's name, description, or whether it goes with its instance."""
    names_of_it = names(call.params, "DiskIds") or [call.params.get("DiskId", "")]
    if not names_of_it[0]:
        raise missing("DiskId")
    changes: dict[str, object] = {
        name: call.params[name] for name in ("DiskName", "Description") if name in call.params
    }
    if call.params.get("DeleteWithInstance"):
        changes["DeleteWithInstance"] = flag(call.params, "DeleteWithInstance")
    with cloud.store.transaction():
        for id in names_of_it:
            find_disk(cloud, id)
        for id in names_of_it:
            cloud.store.update("disk", id, **changes)
    return {}


def data_disks(cloud: Cloud, params: Mapping[str, str], categories: tuple[str, ...]) -> list[dict[str, Any]]:
    """The data disks that RunInstances asks for."""
    wanted = groups(params, "DataDisk")
    if len(wanted) > DATA_DISKS:
        raise ApiError("InstanceDiskNumber.LimitExceed", f"An instance has at most {DATA_DISKS} data disks.")
    found: list[dict[str, Any]] = []
    for one in wanted:
        category = one.get("Category", "cloud_essd")
        if category not in categories:
            text = f"DataDisk.N.Category {category!r}: the type takes {', '.join(categories)}."
            raise ApiError("InvalidDataDiskCategory.ValueNotSupported", text)
        device = one.get("Device", "") or next_device([disk["Device"] for disk in found])
        with_instance = flag(one, "DeleteWithInstance", True)
        found.append({**_fields(cloud, {**one, "Category": category}), "Device": device, "Status": "In_use"})
        found[-1]["DeleteWithInstance"] = with_instance
    return found


def put_disk(cloud: Cloud, fields: Mapping[str, Any], wanted: Tags) -> dict[str, Any]:
    """Write a new disk down and return it."""
    body = {
        "DiskId": new_id("d"),
        "ImageId": "",
        "Type": "data",
        "Device": "",
        "DeleteWithInstance": False,
        "AttachedTime": "",
        "DetachedTime": "",
        "SourceSnapshotId": "",
        "ResourceGroupId": "",
        **fields,
        "CreationTime": cloud.clock.stamp(),
        "Tags": wanted,
    }
    cloud.store.put("disk", body["DiskId"], body, str(body["RegionId"]))
    return body


def find_disk(cloud: Cloud, id: str) -> dict[str, Any]:
    """The disk of this id; ApiError InvalidDiskId.NotFound otherwise."""
    body = cloud.store.get("disk", id)
    if body is None:
        raise ApiError("InvalidDiskId.NotFound", f"The specified disk {id!r} does not exist.", 404)
    return body


def next_device(used: list[str]) -> str:
    """The first device name that is free: /dev/xvdb and on."""
    return next(f"/dev/xvd{letter}" for letter in "bcdefghijklmnopqrstuvwxyz" if f"/dev/xvd{letter}" not in used)


def check_performance(category: str, level: str, size: int, name: str) -> str:
    """An ESSD's performance level, PL1 when none is asked for; the higher ones need large disks."""
    if category != "cloud_essd":
        return ""
    least = {"PL0": 1, "PL1": 20, "PL2": 461, "PL3": 1261}
    level = level or "PL1"
    if level not in least:
        raise invalid(name, f"{level!r} is none of {', '.join(least)}")
    if size < least[level]:
        text = f"{name} {level} needs at least {least[level]} GiB, not {size}."
        raise ApiError("InvalidDiskSize.NotSupported", text, 403)
    return level


def _fields(cloud: Cloud, wanted: Mapping[str, str]) -> dict[str, Any]:
    snapshot = wanted.get("SnapshotId", "")
    least = 1
    if snapshot:
        source = cloud.store.get("snapshot", snapshot)
        if source is None:
            raise ApiError("InvalidSnapshotId.NotFound", f"The snapshot {snapshot!r} does not exist.", 404)
        least = int(source["SourceDiskSize"])
    elif not wanted.get("Size"):
        raise missing("Size")
    size = number(wanted, "Size", least, 1, LIMIT_GIB)
    if size < least:
        text = f"A disk of the snapshot {snapshot} has at least {least} GiB, not {size}."
        raise ApiError("InvalidDiskSize.TooSmall", text, 403)
    category = wanted["Category"]
    return {
        "Category": category,
        "Size": size,
        "PerformanceLevel": check_performance(category, wanted.get("PerformanceLevel", ""), size, "PerformanceLevel"),
        "Encrypted": flag(wanted, "Encrypted"),
        "DiskName": wanted.get("DiskName", ""),
        "Description": wanted.get("Description", ""),
        "SourceSnapshotId": snapshot,
        "ResourceGroupId": wanted.get("ResourceGroupId", ""),
    }


def _view(body: dict[str, Any]) -> dict[str, Any]:
    return {
        "AttachedTime": "",
        "DetachedTime": "",
        "SourceSnapshotId": "",
        "ResourceGroupId": "",
        **{name: value for name, value in body.items() if name != "Tags"},
        "DiskChargeType": "PostPaid",
        "ExpiredTime": "2999-09-08T16:00Z",
        "Portable": body["Type"] == "data",
        "EnableAutoSnapshot": False,
        "DeleteAutoSnapshot": True,
        "OperationLocks": {"OperationLock": []},
        "MountInstances": {"MountInstance": []},
        "Tags": tagging.view(body),
    }
