"""An image that no GPU node can be made of is refused before anything is made, and the plan says what is expected."""

from __future__ import annotations

from dataclasses import replace

import pytest

from garret.errors import CloudError, SpecError
from garret.ops.cloud import IMAGE_TAG, Cloud
from garret.ops.gpu_image import look_at
from garret.ops.records import Image
from garret.spec import DeploymentSpec, parse_spec
from tests.ops.fake import World, cloud_of

GPU = Image(
    "ubuntu_24_04_x64_100G_with_gpu_driver_and_cuda_alibase_20260519.vhd", "", "Available", size_gib=100,
    family="acs:ubuntu_24_04_x64_with_nvidia_gpu_driver_and_cuda",
)  # fmt: skip
PLAIN = Image("ubuntu_24_04_x64_20G_alibase_20260501.vhd", "", "Available", size_gib=20, family="acs:ubuntu_24_04_x64")
OLD = replace(GPU, id="ubuntu_22_04_x64_100G_with_gpu_driver_and_cuda_alibase_20260520.vhd", family="")
OWN = Image("m-bp1own", "studio", "Available", size_gib=40)


def spec(**said: object) -> DeploymentSpec:
    """A wish."""
    return parse_spec({"name": "x", "region": "cn-hangzhou", "allow_cidr": ["10.0.0.0/8"], "model": "demo"} | said)


def cloud_with(world: World, image: Image, kind: str = "aliyun") -> Cloud:
    """A cloud that knows one image."""
    world.images[image.id] = image
    return replace(cloud_of(world), kind=kind)


def test_the_family_s_image_is_told_with_the_driver_that_is_expected(world: World) -> None:
    """The version itself is seen on the node only."""
    note = look_at(GPU.id, spec(), cloud_with(world, GPU))
    assert note == (
        "with NVIDIA driver and CUDA; torch for CUDA 13.0 needs NVIDIA driver 580.65.06 or newer, which the node checks"
    )


@pytest.mark.parametrize(
    ("image", "said", "reason"),
    [
        (PLAIN, {}, "its name tells of no NVIDIA driver with CUDA"),
        (OLD, {}, "Ubuntu 22.04 brings Python 3.10"),
        (replace(GPU, status="Deprecated"), {}, "is Deprecated, not Available"),
        (replace(GPU, size_gib=200), {"disk_size_gib": 120}, "needs 200 GiB, and the disk has 120"),
    ],
)
def test_an_image_that_would_fail_is_refused(world: World, image: Image, said: dict[str, object], reason: str) -> None:
    """A machine of it would be paid for until its bootstrap stops."""
    with pytest.raises(SpecError, match=reason):
        look_at(image.id, spec(**said), cloud_with(world, image))


def test_an_own_image_that_tells_nothing_is_allowed_with_a_warning(world: World) -> None:
    """Its name is free, so only the node can know; what garret baked is known to do."""
    note = look_at(OWN.id, spec(), cloud_with(world, OWN))
    assert note.startswith("its name tells of no NVIDIA driver with CUDA: torch for CUDA 13.0")
    assert look_at(OWN.id, spec(), cloud_with(world, replace(OWN, tags={IMAGE_TAG: "abc"}))) == ""


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"status": "Creating"}, "is Creating, not Available"), ({"size_gib": 900}, "needs 900 GiB, and the disk has")],
)
def test_an_own_image_is_refused_when_it_is_not_there_or_too_large(
    world: World, changes: dict[str, object], reason: str
) -> None:
    """That garret baked it makes it neither whole nor small."""
    image = replace(OWN, tags={IMAGE_TAG: "abc"}, **changes)  # type: ignore[arg-type]
    with pytest.raises(SpecError, match=reason):
        look_at(image.id, spec(), cloud_with(world, image))


def test_on_the_local_cloud_any_image_draws_on_the_cpu(world: World) -> None:
    """All public images are the same base there."""
    assert look_at(PLAIN.id, spec(), cloud_with(world, PLAIN, "local")).endswith("no matter here, where the CPU draws")


def test_without_the_right_to_look_the_node_looks_for_itself(world: World) -> None:
    """A policy of an earlier garret does not stand in the way, and the plan says that nobody looked, and why."""

    class Closed:
        def get(self, image_id: str) -> Image | None:
            raise CloudError("DescribeImages", "Forbidden.RAM", image_id)

    note = look_at(GPU.id, spec(), replace(cloud_of(world), images=Closed()))  # type: ignore[arg-type]
    assert note == f"image not checked: DescribeImages: Forbidden.RAM: {GPU.id}"
