"""Images through the real SDK and the signed reader: what is sent, and what becomes of the replies."""

from __future__ import annotations

from typing import Any

import pytest

from garret.errors import CloudError
from garret.ops.aliyun.images import EcsImages
from garret.ops.aliyun.session import Session
from garret.ops.records import Image
from tests.ops.aliyun.vendor import Vendor


def raw(number: int, status: str = "Available") -> dict[str, Any]:
    """One image as DescribeImages tells it."""
    return {
        "ImageId": f"m-{number}",
        "ImageName": f"garret-{number}",
        "Status": status,
        "Progress": "100%",
        "Size": 100,
        "CreationTime": f"2026-11-{number:02d}T10:00:00Z",
        "Tags": {"Tag": [{"TagKey": "garret:image", "TagValue": "0123"}]},
        "DiskDeviceMappings": {"DiskDeviceMapping": [{"SnapshotId": f"s-{number}", "Type": "system"}]},
    }


def test_own_images_are_found_by_tag_the_newest_first(vendor: Vendor, session: Session) -> None:
    """All pages, all statuses, only the account's own."""
    vendor.says(
        "DescribeImages",
        {"Images": {"Image": [raw(number) for number in range(1, 11)]}, "TotalCount": 11},
        {"Images": {"Image": [raw(11, "Creating")]}, "TotalCount": 11},
    )
    found = EcsImages(session).own()
    assert [one.id for one in found] == [f"m-{number}" for number in range(11, 0, -1)]
    made = Image(
        "m-1", "garret-1", "Available", "100%", 100, "2026-11-01T10:00:00Z", {"garret:image": "0123"}, ("s-1",)
    )
    assert found[-1] == made
    sent = vendor.sent[0].parameters
    assert (sent["ImageOwnerAlias"], sent["Tag.1.Key"]) == ("self", "garret:image")
    assert {"Creating", "CreateFailed"} <= set(sent["Status"].split(","))


def test_an_image_is_asked_for_once(vendor: Vendor, session: Session) -> None:
    """A lost reply is asked for again with the same token; the tags travel with it."""
    vendor.breaks("CreateImage")
    vendor.says("CreateImage", {"ImageId": "m-1"})
    assert EcsImages(session).create("i-1", "garret-1", {"garret:image": "0123"}, token="token") == "m-1"
    first, second = (sent.parameters for sent in vendor.of("CreateImage"))
    assert first == second
    assert (first["InstanceId"], first["ImageName"], first["ClientToken"]) == ("i-1", "garret-1", "token")
    assert (first["Tag.1.Key"], first["Tag.1.Value"]) == ("garret:image", "0123")


def test_an_image_that_is_gone_is_deleted(vendor: Vendor, session: Session) -> None:
    """Not found is as good as deleted; one that is used is told with what to do."""
    vendor.refuses("DeleteImage", "InvalidImageId.NotFound", status=404)
    EcsImages(session).delete("m-1")
    vendor.answers.clear()
    vendor.refuses("DeleteImage", "ImageUsingByInstance", status=403)
    with pytest.raises(CloudError) as told:
        EcsImages(session).delete("m-1")
    assert "--force" in told.value.hint
    vendor.says("DescribeImages", {"Images": {"Image": []}})
    assert EcsImages(session).get("m-1") is None
