"""Custom images: made of an instance's system disk, with a snapshot that is billed, and deleted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from garret.local_cloud.core import ApiError, Call, Cloud, missing
from garret.local_cloud.ecs import freezing, lifecycle
from garret.local_cloud.ids import new_id
from garret.local_cloud.params import Reply, dry_run, flag, groups, once, tags
from garret.local_cloud.quotas import limits

_NAME = re.compile(r"(?!https?://)[A-Za-z][A-Za-z0-9:._-]{1,127}")
_FAMILY = re.compile(r"(?!acs:|aliyun|https?://)[A-Za-z][A-Za-z0-9:._-]{1,127}")


def create_image(call: Call, cloud: Cloud) -> Reply:
    """Begin an image of an instance, which runs or is stopped; it is Available once the disk was kept."""
    _refuse_unknown(call.params)

    def create() -> Reply:
        instance = lifecycle.find_instance(cloud, call.params["InstanceId"])
        _check(call, cloud, instance)
        dry_run(call)
        image = _put(call, cloud, instance)
        lifecycle.settle_soon(cloud, instance["InstanceId"])
        return {"ImageId": image}

    return once(call, cloud, create)


def delete_image(call: Call, cloud: Cloud) -> Reply:
    """Remove an image; one that instances were made of goes with Force only. Its snapshot stays, and is billed."""
    id = call.params["ImageId"]
    with cloud.store.transaction():
        body = cloud.store.get("image", id)
        if body is None or body["RegionId"] != call.region:
            raise ApiError("InvalidImageId.NotFound", f"The account has no image {id!r} in {call.region}.", 404)
        if cloud.store.find("instance", ImageId=id) and not flag(call.params, "Force"):
            raise ApiError("ImageUsingByInstance", f"Instances were made of {id}; Force deletes it all the same.", 403)
        dry_run(call)
        cloud.store.delete("image", id)
    if body["Status"] != freezing.CREATING:  # else it is dropped as soon as it is made
        cloud.background.start(f"image {id}", lambda: freezing.drop(cloud, id))
    return {}


def _refuse_unknown(params: Mapping[str, str]) -> None:
    """Refuse what a real cloud can make an image of and this one cannot."""
    if params.get("SnapshotId") or groups(params, "DiskDeviceMapping"):
        text = "SnapshotId, DiskDeviceMapping: the local cloud makes images of instances; name one by InstanceId."
        raise ApiError("InvalidParameter.NotSupported", text)
    if not params.get("InstanceId"):
        raise missing("InstanceId")
    name, family, about = (params.get(key, "") for key in ("ImageName", "ImageFamily", "Description"))
    if name and not _NAME.fullmatch(name):
        raise ApiError("InvalidImageName.Malformed", "The specified Image name is wrongly formed.")
    if family and not _FAMILY.fullmatch(family):
        raise ApiError("InvalidImageFamily.Malformed", "The specified ImageFamily is wrongly formed.")
    if about and (not 2 <= len(about) <= 256 or about.startswith(("http://", "https://"))):
        raise ApiError("InvalidDescription.Malformed", "The specified description is wrongly formed.")


def _check(call: Call, cloud: Cloud, instance: Mapping[str, Any]) -> None:
    id, name = instance["InstanceId"], call.params.get("ImageName", "")
    if instance["RegionId"] != call.region:
        raise ApiError("InvalidInstanceId.NotFound", f"The instance {id} is in {instance['RegionId']}.", 404)
    if instance["Status"] not in (lifecycle.RUNNING, lifecycle.STOPPED) or instance["Status"] != instance["Goal"]:
        raise ApiError("IncorrectInstanceStatus", f"{id} is {instance['Status']}: neither running nor stopped.")
    if name and cloud.store.find("image", call.region, ImageName=name):
        raise ApiError("InvalidImageName.Duplicated", f"The specified Image name {name!r} has already been used.")
    limits.check(cloud, "image", call.region)


def _put(call: Call, cloud: Cloud, instance: Mapping[str, Any]) -> str:
    params, id, now = call.params, new_id("m"), cloud.clock.stamp()
    disk = cloud.store.find("disk", InstanceId=instance["InstanceId"], Type="system")[0]
    shared = {"RegionId": call.region, "CreationTime": now, "Tags": tags(params)}
    shared |= {"ResourceGroupId": params.get("ResourceGroupId", ""), "Description": params.get("Description", "")}
    snapshot = {
        **shared,
        "SnapshotId": new_id("s"),
        "SnapshotName": f"CreatedForImage_{id}",
        "SourceDiskId": disk["DiskId"],
        "SourceDiskSize": disk["Size"],
        "SourceDiskType": disk["Type"],
        "SourceDiskCategory": disk["Category"],
        "InstanceId": instance["InstanceId"],
        "Encrypted": disk["Encrypted"],
        "LastModifiedTime": now,
        "RetentionDays": 0,
        "Tags": [],  # the tags of the call are the image's
    }
    image = {
        **shared,
        "ImageId": id,
        "ImageName": params.get("ImageName", "") or id,
        "ImageFamily": params.get("ImageFamily", ""),
        "ImageVersion": params.get("ImageVersion", ""),
        "Status": freezing.CREATING,
        "Progress": "0%",
        "Size": disk["Size"],
        "OSName": instance.get("OSName", ""),
        "SnapshotId": snapshot["SnapshotId"],
        "SourceInstanceId": instance["InstanceId"],
        "Bytes": 0,
    }
    cloud.store.put("snapshot", str(snapshot["SnapshotId"]), snapshot, call.region)
    cloud.store.put("image", id, image, call.region)
    return id
