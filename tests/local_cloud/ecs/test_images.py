"""Custom images: made of instances, found, started from, billed by their snapshot, and deleted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from garret.local_cloud.ecs import recovery
from garret.local_cloud.nodes.driver import DriverError
from tests.local_cloud.house import REGION, TYPE, House, PaperDriver, until
from tests.local_cloud.machines import describe, order, running, status

TAG = [{"Key": "garret:image", "Value": "0123"}]
FIELDS: dict[str, Any] = {"ImageName": "garret-one", "Tag": TAG, "ClientToken": "t"}


@dataclass
class Forgetful(PaperDriver):
    """A driver that cannot keep a disk, as told."""

    freeze_error: str = ""
    frozen: list[str] = field(default_factory=list)

    def freeze(self, instance_id: str, image_id: str) -> int:
        """Note the image, or refuse."""
        if self.freeze_error:
            raise DriverError(self.freeze_error)
        self.frozen.append(instance_id)
        return super().freeze(instance_id, image_id)


@pytest.fixture
def driver() -> Forgetful:
    """Take the place of the room's driver."""
    return Forgetful()


def image(house: House, id: str = "", **filters: Any) -> dict[str, Any]:
    """Return one image as the cloud describes it, whatever its status."""
    asked = {"ImageOwnerAlias": "self", "Status": "Creating,Available,CreateFailed", **filters}
    found = house.call("DescribeImages", RegionId=REGION, **asked, **({"ImageId": id} if id else {}))
    return dict(found["Images"]["Image"][0]) if found["Images"]["Image"] else {}


def made(house: House, instance: str, **fields: Any) -> str:
    """Make an image and wait until it is there."""
    id = str(house.call("CreateImage", RegionId=REGION, InstanceId=instance, **{**FIELDS, **fields})["ImageId"])
    until(lambda: image(house, id)["Status"] != "Creating")
    return id


def test_an_image_lives(house: House, driver: Forgetful) -> None:
    """Made once per token, found by tag, started from, billed by its snapshot, deleted when nothing uses it."""
    source = running(house)
    id = made(house, source)
    assert made(house, source) == id
    assert driver.frozen == [source]
    seen = image(house, Tag=TAG)
    assert (seen["ImageId"], seen["Status"], seen["Progress"], seen["Size"]) == (id, "Available", "100%", 100)
    snapshot = seen["DiskDeviceMappings"]["DiskDeviceMapping"][0]["SnapshotId"]
    assert image(house, Tag=[{"Key": "garret:image", "Value": "else"}]) == {}
    house.call("DeleteInstance", InstanceId=source, Force=True)
    until(lambda: describe(house, source) == {})
    lines = house.own("GET", "/_garret/bill")["lines"]
    assert [line["kind"] for line in lines if line["per_hour"] > 0] == ["snapshot"]

    started = running(house, ImageId=id)
    assert driver.nodes[started].image_id == id
    assert describe(house, started)["OSName"].startswith("Ubuntu 24.04")
    assert image(house, id)["Usage"] == "instance"
    with pytest.raises(Exception, match="SnapshotCreatedImage"):
        house.call("DeleteSnapshot", SnapshotId=snapshot, Force=True)
    with pytest.raises(Exception, match="ImageUsingByInstance"):
        house.call("DeleteImage", RegionId=REGION, ImageId=id)
    house.call("DeleteImage", RegionId=REGION, ImageId=id, Force=True)
    until(lambda: not driver.has_image(id))
    assert describe(house, started)["OSName"].startswith("Ubuntu 24.04"), "its image is gone, and it runs on"
    house.call("DeleteSnapshot", SnapshotId=snapshot)
    with pytest.raises(Exception, match=r"InvalidImageId\.NotFound"):
        house.call("DeleteImage", RegionId=REGION, ImageId=id)
    with pytest.raises(Exception, match=r"InvalidImageId\.NotFound"):
        house.call("RunInstances", **order(house, ImageId=id))


def test_an_image_of_an_instance_that_is_deleted_is_made_first(house: House, driver: Forgetful) -> None:
    """What was asked for before the instance went is not lost with it."""
    source = running(house)
    house.call("StopInstance", InstanceId=source)
    until(lambda: status(house, source) == "Stopped")
    id = str(house.call("CreateImage", RegionId=REGION, InstanceId=source, ImageName="last")["ImageId"])
    house.call("DeleteInstance", InstanceId=source)
    until(lambda: describe(house, source) == {})
    assert (image(house, id)["Status"], driver.has_image(id)) == ("Available", True)


def test_what_cannot_be_made_is_refused(house: House) -> None:
    """Snapshots, wrong names, names that are taken, instances on their way, more than the quota, other regions."""
    source = running(house)
    made(house, source)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"InstanceId": "", "SnapshotId": "s-1"}, r"InvalidParameter\.NotSupported.*SnapshotId"),
        ({"InstanceId": ""}, "MissingParameter"),
        ({"InstanceId": "i-none"}, r"InvalidInstanceId\.NotFound"),
        ({"ImageName": "1"}, r"InvalidImageName\.Malformed"),
        ({"ImageName": "garret-one"}, r"InvalidImageName\.Duplicated"),
        ({"ImageFamily": "acs:mine"}, r"InvalidImageFamily\.Malformed"),
        ({"Description": "x"}, r"InvalidDescription\.Malformed"),
        ({"RegionId": "cn-shanghai"}, r"InvalidInstanceId\.NotFound"),
        ({"DryRun": True}, "DryRunOperation"),
    ]
    for fields, code in wrong:
        with pytest.raises(Exception, match=code):
            house.call("CreateImage", **{"RegionId": REGION, "InstanceId": source, **fields})
    house.own("POST", "/_garret/quotas", {"max-images": 1})
    with pytest.raises(Exception, match=r"QuotaExceed\.Image"):
        house.call("CreateImage", RegionId=REGION, InstanceId=source)
    with pytest.raises(Exception, match=r"InvalidImageOwnerAlias\.ValueNotSupported"):
        image(house, ImageOwnerAlias="mine")
    with pytest.raises(Exception, match=r"InvalidImageId\.NotFound"):
        house.call("DescribePrice", RegionId=REGION, InstanceType=TYPE, ImageId="m-none")


def test_an_image_that_fails_says_so_and_leaves_its_instance_alone(house: House, driver: Forgetful) -> None:
    """The disk could not be kept: CreateFailed, nothing starts from it, and the instance runs on."""
    source = running(house)
    driver.freeze_error = "no room"
    id = made(house, source)
    assert image(house, id)["Status"] == "CreateFailed"
    assert house.call("DescribeImages", RegionId=REGION, ImageId=id)["Images"]["Image"] == [], "Available by default"
    assert status(house, source) == "Running"
    with pytest.raises(Exception, match="CreateFailed"):
        house.call("RunInstances", **order(house, ImageId=id))


def test_images_are_tagged_and_belong_to_families(house: House) -> None:
    """TagResources takes images; the newest of a family of one's own is found by it."""
    source = running(house)
    first = made(house, source, ImageFamily="mine")
    house.call("TagResources", RegionId=REGION, ResourceType="image", ResourceId=[first], Tag=TAG)
    listed = house.call("ListTagResources", RegionId=REGION, ResourceType="image", Tag=TAG)
    assert [one["ResourceId"] for one in listed["TagResources"]["TagResource"]] == [first]
    found = house.call("DescribeImageFromFamily", RegionId=REGION, ImageFamily="mine")["Image"]
    assert (found["ImageId"], found["ImageOwnerAlias"]) == (first, "self")
    price = house.call("DescribePrice", RegionId=REGION, InstanceType=TYPE, ImageId=first)
    assert price["PriceInfo"]["Price"]["TradePrice"] > 0
    assert describe(house, running(house, ImageId=None, ImageFamily="mine"))["ImageId"] == first


def test_a_server_that_was_killed_takes_up_its_images(house: House, driver: Forgetful) -> None:
    """One whose instance is there is made now; one whose instance is gone has failed."""
    source = running(house)
    kept, lost = made(house, source), made(house, source, ImageName="two", ClientToken="u")
    driver.images.clear()
    house.store.update("image", kept, Status="Creating")
    house.store.update("image", lost, Status="Creating", SourceInstanceId="i-gone")
    recovery.recover(house.cloud)
    until(lambda: image(house, kept)["Status"] == "Available")
    assert driver.has_image(kept)
    assert image(house, lost)["Status"] == "CreateFailed"
