"""Public images: the GPU images of the vendor's families, by the names under which they were seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from garret.local_cloud.core import ApiError, Call, Cloud
from garret.local_cloud.params import Reply, names, page


@dataclass(frozen=True)
class Image:
    """A public image; `size_gib` is the smallest system disk it fits on."""

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


def find_image(image_id: str, region: str) -> Image:
    """The image of this id; ApiError InvalidImageId.NotFound otherwise."""
    image = IMAGES.get(image_id)
    if image is None:
        raise ApiError("InvalidImageId.NotFound", f"The ImageId {image_id!r} does not exist in {region}.", 404)
    return image


def describe_image_from_family(call: Call, _cloud: Cloud) -> Reply:
    """The newest image of a family; an unknown family has none, and that is no error."""
    family = call.params["ImageFamily"]
    images = [image for image in IMAGES.values() if image.family == family]
    return {"Image": _view(max(images, key=lambda image: image.created))} if images else {}


def describe_images(call: Call, _cloud: Cloud) -> Reply:
    """Images by id, family, name (with * at the ends), OS type or owner."""
    wanted = names(call.params, "ImageId")
    images = [image for image in IMAGES.values() if _matches(image, call, wanted)]
    images.sort(key=lambda image: image.created, reverse=True)
    some, counts = page(call, images)
    return {"Images": {"Image": [_view(image) for image in some]}, "RegionId": call.region, **counts}


def _matches(image: Image, call: Call, wanted: list[str]) -> bool:
    params = call.params
    name = params.get("ImageName", "*").strip("*")
    return (
        (not wanted or image.id in wanted)
        and params.get("ImageFamily", image.family) == image.family
        and name in image.id
        and params.get("OSType", "linux").lower() == "linux"
        and params.get("ImageOwnerAlias", "system") == "system"
        and "Available" in params.get("Status", "Available").split(",")
        and params.get("Architecture", "x86_64") == "x86_64"
    )


def _view(image: Image) -> dict[str, Any]:
    return {
        "ImageId": image.id,
        "ImageName": image.id,
        "ImageFamily": image.family,
        "ImageOwnerAlias": "system",
        "OSName": image.os_name,
        "OSNameEn": image.os_name,
        "OSType": "linux",
        "Platform": "Ubuntu",
        "Architecture": "x86_64",
        "Size": image.size_gib,
        "Status": "Available",
        "Progress": "100%",
        "CreationTime": image.created,
        "IsPublic": True,
        "IsSupportCloudinit": True,
        "IsSupportIoOptimized": True,
        "Usage": "none",
        "Description": "",
        "Tags": {"Tag": []},
        "DiskDeviceMappings": {"DiskDeviceMapping": []},
    }
