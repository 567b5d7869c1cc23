"""ALIYUN::ECS::Disk, DiskAttachment and Snapshot: data disks, where they hang, and their copies."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from garret.local_cloud import prices
from garret.local_cloud.core import ACCOUNT_ID, ApiError
from garret.local_cloud.ros.resources.base import (
    FailedError,
    ResourceType,
    Work,
    changed,
    delete_until_free,
    given,
    gone,
    sync_tags,
    tags_drift,
    whole,
)

_DISK = ("ZoneId", "DiskCategory", "DiskName", "Description", "Encrypted", "PerformanceLevel", "Size", "SnapshotId",
         "ResourceGroupId")  # fmt: skip
_SNAPSHOT = ("DiskId", "SnapshotName", "Description", "RetentionDays", "ResourceGroupId")


def describe_disk(work: Work, disk_id: str) -> dict[str, Any]:
    """DescribeDisks for one disk; an empty map when it is gone."""
    found = work.call("Ecs", "DescribeDisks", DiskIds=json.dumps([disk_id]))["Disks"]["Disk"]
    return found[0] if found else {}


class Disk(ResourceType):
    """A data disk, made by CreateDisk."""

    name = "ALIYUN::ECS::Disk"
    attributes = ("DiskId", "Status")
    carried = frozenset({*_DISK, "Tags"})
    harmless = frozenset({"DeleteAutoSnapshot"})
    only: ClassVar[Mapping[str, tuple[str, ...]]] = {"MultiAttach": ("Disabled",)}
    updatable = frozenset({"DiskName", "Description", "Size", "Tags"})

    def create(self, work: Work) -> str:
        """Makes the disk."""
        reply = work.call("Ecs", "CreateDisk", ClientToken=work.token, Tag=work.tag_list(), **given(work, *_DISK))
        return str(reply["DiskId"])

    def read(self, work: Work) -> dict[str, Any]:
        """DiskId, Status."""
        return {"DiskId": work.physical_id, "Status": describe_disk(work, work.physical_id).get("Status", "")}

    def update(self, work: Work, before: Mapping[str, Any]) -> None:
        """Names, tags, and a larger size: online where its machine runs."""
        if fields := changed(work, before, "DiskName", "Description"):
            work.call("Ecs", "ModifyDiskAttribute", DiskId=work.physical_id, **fields)
        size, now = whole(work.properties.get("Size")), describe_disk(work, work.physical_id)
        if size and size != whole(before.get("Size")) and size != now.get("Size"):
            how = "online" if _runs(work, now.get("InstanceId", "")) else "offline"
            work.call("Ecs", "ResizeDisk", DiskId=work.physical_id, NewSize=size, Type=how)
        sync_tags(work, before, "Ecs", "disk", work.physical_id)

    def drift(self, work: Work) -> dict[str, Any] | None:
        """Place, category, size, names and tags."""
        found = describe_disk(work, work.physical_id)
        if not found:
            return None
        keys = ("ZoneId", "DiskName", "Description", "Encrypted", "PerformanceLevel", "Size", "ResourceGroupId")
        same = {key: found[key] for key in keys}
        return {**same, "DiskCategory": found["Category"], "Tags": tags_drift(work, found["Tags"])}

    def delete(self, work: Work) -> None:
        """Removes the disk as soon as nothing has it."""
        delete_until_free(work, "Ecs", "DeleteDisk", DiskId=work.physical_id)

    def estimate(self, work: Work) -> dict[str, Any] | None:
        """One hour of the disk."""
        price = prices.disk_price(whole(work.properties.get("Size"), 20))
        return {"Currency": prices.CURRENCY, "OriginalPrice": price, "TradePrice": price}


def _runs(work: Work, instance_id: str) -> bool:
    if not instance_id:
        return False
    reply = work.call("Ecs", "DescribeInstances", InstanceIds=json.dumps([instance_id]))
    return [one["Status"] for one in reply["Instances"]["Instance"]] == ["Running"]


class DiskAttachment(ResourceType):
    """A disk on a machine, attached by AttachDisk."""

    name = "ALIYUN::ECS::DiskAttachment"
    attributes = ("DiskId", "Device", "Status")
    carried = frozenset({"DiskId", "InstanceId", "Device", "DeleteWithInstance"})
    harmless = frozenset({"DeleteAutoSnapshot"})
    only: ClassVar[Mapping[str, tuple[str, ...]]] = {"InstanceType": ("ECS",), "Bootable": ("false",)}
    updatable = frozenset({"DeleteWithInstance"})

    def create(self, work: Work) -> str:
        """Attaches the disk, unless a crash came after that."""
        disk_id, instance_id = str(work.properties["DiskId"]), str(work.properties["InstanceId"])
        if describe_disk(work, disk_id).get("InstanceId") != instance_id:
            asked = given(work, "DiskId", "InstanceId", "Device", "DeleteWithInstance")
            work.call("Ecs", "AttachDisk", **asked)
        work.made(disk_id)
        while (status := describe_disk(work, disk_id).get("Status")) != "In_use":
            if status not in ("Attaching", "In_use"):
                raise FailedError("ResourceInError", f"the disk {disk_id} is {status or 'gone'}")
            work.pause(0.1)
        return disk_id

    def read(self, work: Work) -> dict[str, Any]:
        """DiskId, Device, Status."""
        found = describe_disk(work, work.physical_id)
        return {"DiskId": work.physical_id, "Device": found.get("Device", ""), "Status": found.get("Status", "")}

    def update(self, work: Work, before: Mapping[str, Any]) -> None:
        """Whether the disk goes with the machine."""
        del before
        goes = work.properties.get("DeleteWithInstance") or False
        work.call("Ecs", "ModifyDiskAttribute", DiskId=work.physical_id, DeleteWithInstance=goes)

    def drift(self, work: Work) -> dict[str, Any] | None:
        """What the disk is attached to now."""
        found = describe_disk(work, work.physical_id)
        keys = ("InstanceId", "Device", "DeleteWithInstance")
        return {key: found[key] for key in keys} if found.get("InstanceId") else None

    def delete(self, work: Work) -> None:
        """Detaches the disk, unless it hangs elsewhere by now or went with its machine."""
        instance_id = str(work.properties["InstanceId"])
        if describe_disk(work, work.physical_id).get("InstanceId") != instance_id:
            return
        try:
            work.call("Ecs", "DetachDisk", DiskId=work.physical_id, InstanceId=instance_id)
        except ApiError as problem:
            if not gone(problem):
                raise


class Snapshot(ResourceType):
    """A snapshot of a disk, made by CreateSnapshot."""

    name = "ALIYUN::ECS::Snapshot"
    attributes = ("SnapshotId", "Arn")
    carried = frozenset({*_SNAPSHOT, "Tags"})
    harmless = frozenset({"Timeout", "InstantAccess", "InstantAccessRetentionDays"})
    updatable = frozenset({"Tags", "Timeout"})

    def create(self, work: Work) -> str:
        """Makes the snapshot and waits until it is accomplished."""
        asked = given(work, *_SNAPSHOT)
        reply = work.call("Ecs", "CreateSnapshot", ClientToken=work.token, Tag=work.tag_list(), **asked)
        work.made(str(reply["SnapshotId"]))
        while self._describe(work, str(reply["SnapshotId"])).get("Status") == "progressing":
            work.pause(0.2)
        return str(reply["SnapshotId"])

    def _describe(self, work: Work, snapshot_id: str) -> dict[str, Any]:
        reply = work.call("Ecs", "DescribeSnapshots", SnapshotIds=json.dumps([snapshot_id]))
        found = reply["Snapshots"]["Snapshot"]
        return found[0] if found else {}

    def read(self, work: Work) -> dict[str, Any]:
        """SnapshotId, Arn."""
        arn = f"acs:ecs:{work.region}:{ACCOUNT_ID}:snapshot/{work.physical_id}"
        return {"SnapshotId": work.physical_id, "Arn": arn}

    def update(self, work: Work, before: Mapping[str, Any]) -> None:
        """Changes the tags."""
        sync_tags(work, before, "Ecs", "snapshot", work.physical_id)

    def drift(self, work: Work) -> dict[str, Any] | None:
        """Its names, disk and tags."""
        found = self._describe(work, work.physical_id)
        if not found:
            return None
        same = {key: found[key] for key in ("SnapshotName", "Description", "ResourceGroupId")}
        return {**same, "DiskId": found["SourceDiskId"], "Tags": tags_drift(work, found["Tags"])}

    def delete(self, work: Work) -> None:
        """Removes the snapshot."""
        delete_until_free(work, "Ecs", "DeleteSnapshot", SnapshotId=work.physical_id)
