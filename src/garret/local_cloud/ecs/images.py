"""Images: the vendor's public ones, by the names under which they were seen, and the account's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from garret.local_cloud import tagging
from garret.local_cloud.core import ApiError, Call, Cloud
from garret.local_cloud.params import Reply, has_tags, names, page, tags


@dataclass(frozen=True)
class Image:
    """An image, public or own; `size_gib` is the smallest system disk it fits on."""

    id: str
    family: str
    os_name: str
    size_gib: int
    created: str


IMAGES: dict[str, Image] = {
    image.id: image
    for image in (
        Image(
            "ubuntu_24_04_x64_100G_with_gpu_driver_and_cuda_alibase_20260519.vhd",
            "acs:ubuntu_24_04_x64_with_nvidia_gpu_driver_and_cuda",
            "Ubuntu 24.04 64 bit with NVIDIA GPU driver and CUDA",
            100,
            "2026-05-19T08:00:00Z",
        ),
        Image(
            "ubuntu_22_04_x64_100G_with_gpu_driver_and_cuda_alibase_20260520.vhd",
            "acs:ubuntu_22_04_x64_with_nvidia_gpu_driver_and_cuda",
            "Ubuntu 22.04 64 bit with NVIDIA GPU driver and CUDA",
            100,
            "2026-05-20T08:00:00Z",
        ),
        Image(
            "ubuntu_24_04_x64_20G_alibase_20260501.vhd",
            "acs:ubuntu_24_04_x64",
            "Ubuntu 24.04 64 bit",
            20,
            "2026-05-01T08:00:00Z",
        ),
    )
}


OWNERS = ("system", "self", "others", "marketplace")


def find_image(cloud: Cloud, image_id: str, region: str) -> Image:
    """The image of this id that instances can be made of; ApiError InvalidImageId.NotFound otherwise."""
    body = cloud.store.get("image", image_id)
    if body is None or body["RegionId"] != region:
        image = IMAGES.get(image_id)
        if image is None:
            raise ApiError("InvalidImageId.NotFound", f"The ImageId {image_id!r} does not exist in {region}.", 404)
        return image
    if body["Status"] != "Available":
        raise ApiError("OperationDenied.ImageNotValid", f"The image {image_id} is {body['Status']}.", 403)
    return _own(body)


def newest_of_family(cloud: Cloud, family: str, region: str) -> str:
    """The id of the newest image of a family, public or own; empty when there is none."""
    own = [_own(body) for body in cloud.store.find("image", region, ImageFamily=family, Status="Available")]
    public = [image for image in IMAGES.values() if image.family == family]
    found = [*own, *public] if family else []
    return max(found, key=lambda image: image.created).id if found else ""


def describe_image_from_family(call: Call, cloud: Cloud) -> Reply:
    """The newest image of a family; an unknown family has none, and that is no error."""
    id = newest_of_family(cloud, call.params["ImageFamily"], call.region)
    body = cloud.store.get("image", id)
    return {} if not id else {"Image": _own_view(cloud, body) if body else _public_view(IMAGES[id])}


def describe_images(call: Call, cloud: Cloud) -> Reply:
    """Images by id, family, name (with * at the ends), status, owner, use, snapshot or tag, the newest first."""
    owner = call.params.get("ImageOwnerAlias", "")
    if owner not in ("", *OWNERS):
        text = f"ImageOwnerAlias {owner!r} is none of {', '.join(OWNERS)}."
        raise ApiError("InvalidImageOwnerAlias.ValueNotSupported", text)
    own = [_own_view(cloud, body) for body in cloud.store.find("image", call.region)] if owner in ("", "self") else []
    public = [_public_view(image) for image in IMAGES.values()] if owner in ("", "system") else []
    matching = _matches(call)
    found = sorted((one for one in (*own, *public) if matching(one)), key=lambda one: str(one["CreationTime"]))
    some, counts = page(call, found[::-1])
    return {"Images": {"Image": some}, "RegionId": call.region, **counts}


def _matches(call: Call) -> Callable[[dict[str, Any]], bool]:
    params, ids, wanted = call.params, names(call.params, "ImageId"), tags(call.params)
    statuses = params.get("Status", "Available").split(",")
    same = {name: params[name] for name in ("ImageFamily", "Architecture", "Usage") if params.get(name)}
    name, system = params.get("ImageName", "*").strip("*"), params.get("OSType", "linux").lower()
    snapshot, group = params.get("SnapshotId", ""), params.get("ResourceGroupId", "")

    def matches(image: dict[str, Any]) -> bool:
        mine = {"Tags": [{"Key": tag["TagKey"], "Value": tag["TagValue"]} for tag in image["Tags"]["Tag"]]}
        disks = [disk["SnapshotId"] for disk in image["DiskDeviceMappings"]["DiskDeviceMapping"]]
        return (
            (not ids or image["ImageId"] in ids)
            and image["Status"] in statuses
            and all(image[key] == value for key, value in same.items())
            and name in image["ImageName"]
            and system == "linux"
            and (not snapshot or snapshot in disks)
            and group in ("", image.get("ResourceGroupId", ""))
            and has_tags(mine, wanted)
        )

    return matches


def _own(body: Mapping[str, Any]) -> Image:
    return Image(body["ImageId"], body["ImageFamily"], body["OSName"], body["Size"], body["CreationTime"])


def _own_view(cloud: Cloud, body: Mapping[str, Any]) -> dict[str, Any]:
    hidden = ("Tags", "RegionId", "SnapshotId", "SourceInstanceId", "Bytes")
    disk = {
        "Device": "/dev/xvda",
        "Type": "system",
        "Size": str(body["Size"]),
        "SnapshotId": body["SnapshotId"],
        "Format": "",
        "Progress": body["Progress"],
        "RemainTime": 0,
        "ImportOSSBucket": "",
        "ImportOSSObject": "",
    }
    return {
        **_SHARED,
        **{name: value for name, value in body.items() if name not in hidden},
        "ImageOwnerAlias": "self",
        "OSNameEn": body["OSName"],
        "IsPublic": False,
        "Usage": "instance" if cloud.store.find("instance", ImageId=body["ImageId"]) else "none",
        "Tags": tagging.view(body),
        "DiskDeviceMappings": {"DiskDeviceMapping": [disk]},
    }


def _public_view(image: Image) -> dict[str, Any]:
    return {
        **_SHARED,
        "ImageId": image.id,
        "ImageName": image.id,
        "ImageFamily": image.family,
        "ImageOwnerAlias": "system",
        "OSName": image.os_name,
        "OSNameEn": image.os_name,
        "Size": image.size_gib,
        "Status": "Available",
        "Progress": "100%",
        "CreationTime": image.created,
        "IsPublic": True,
        "Usage": "none",
        "Description": "",
        "Tags": {"Tag": []},
        "DiskDeviceMappings": {"DiskDeviceMapping": []},
    }


_SHARED = {
    "OSType": "linux",
    "Platform": "Ubuntu",
    "Architecture": "x86_64",
    "IsSupportCloudinit": True,
    "IsSupportIoOptimized": True,
}
