"""Whether an image brings what a GPU node needs: the NVIDIA driver with CUDA, room on the disk, a Python we can use."""

from __future__ import annotations

import re

from garret.errors import CloudError, SpecError
from garret.image_bootstrap.cuda import GPU_FAMILY, TORCH_CUDA, driver_for
from garret.ops.cloud import IMAGE_TAG, Cloud
from garret.ops.records import Image
from garret.spec import DeploymentSpec

NEEDS = f"torch for CUDA {TORCH_CUDA} needs NVIDIA driver {driver_for(TORCH_CUDA)} or newer"
_DRIVER = re.compile(r"(gpu|nvidia)[ _]+(gpu[ _]+)?driver", re.IGNORECASE)
_CUDA = re.compile(r"cuda", re.IGNORECASE)
# What the locks serve is Python 3.11 to 3.13; this one brings 3.10.
_OLD = re.compile(r"ubuntu[ _]22[._]04", re.IGNORECASE)
_AGAIN = f"leave --image-id out, or name one of family {GPU_FAMILY}"


def look_at(image_id: str, spec: DeploymentSpec, cloud: Cloud) -> str:
    """A word on an image for the plan: what it is expected to bring, and what the node will check.

    Raises:
        SpecError: the cloud's own words about it say that a GPU node of it would fail.
    """
    try:
        image = cloud.images.get(image_id)
    except CloudError as error:  # such as rights that a policy of an earlier garret lacks: the node looks for itself
        return f"image not checked: {error}"
    if image is None:
        return ""
    _check_whole(image, spec)
    if IMAGE_TAG in image.tags:  # what garret baked was a GPU node of garret's
        return ""
    faults = _faults(image)
    if not faults:
        return f"with NVIDIA driver and CUDA; {NEEDS}, which the node checks"
    own = image.id.startswith("m-")  # its name is free, and tells nothing
    if cloud.kind == "local":
        return "" if own else f"{'; '.join(faults)}: no matter here, where the CPU draws"
    if own:
        return f"{'; '.join(faults)}: {NEEDS}, and the node stops without it"
    raise SpecError("image_id", f"{image.id}: {'; '.join(faults)}; {NEEDS}", _AGAIN)


def _faults(image: Image) -> list[str]:
    """What the image's names do not promise, or promise and we cannot use."""
    said = f"{image.id} {image.name} {image.family} {image.os_name}"
    found = []
    if not (_DRIVER.search(said) and _CUDA.search(said)):
        found.append("its name tells of no NVIDIA driver with CUDA")
    if _OLD.search(said):
        found.append("Ubuntu 22.04 brings Python 3.10, and the runtime is for 3.11 to 3.13")
    return found


def _check_whole(image: Image, spec: DeploymentSpec) -> None:
    if image.status and image.status != "Available":
        raise SpecError("image_id", f"{image.id} is {image.status}, not Available", _AGAIN)
    if image.size_gib > spec.disk_size_gib:
        reason = f"{image.id} needs {image.size_gib} GiB, and the disk has {spec.disk_size_gib}"
        raise SpecError("disk_size_gib", reason, f"--disk-size {image.size_gib}, or another image")
