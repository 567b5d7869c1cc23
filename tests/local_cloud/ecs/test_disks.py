"""Disks and snapshots: made, attached, grown, copied, and what is left of them when the instance goes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.local_cloud.house import REGION, House, PaperDriver, until
from tests.local_cloud.machines import ZONE, describe, running

TAG = [{"Key": "garret:deployment", "Value": "demo"}]


def disk(house: House, id: str = "", **filters: Any) -> dict[str, Any]:
    """Return one disk as the cloud describes it."""
    asked = {"DiskIds": f'["{id}"]'} if id else {}
    found = house.call("DescribeDisks", RegionId=REGION, **asked, **filters)["Disks"]["Disk"]
    return dict(found[0]) if found else {}


def made(house: House, **fields: Any) -> str:
    """Make a data disk and return its id."""
    asked = {"RegionId": REGION, "ZoneId": ZONE, "DiskCategory": "cloud_essd", "Size": 40, **fields}
    return str(house.call("CreateDisk", **asked)["DiskId"])


def test_a_data_disk_lives(house: House) -> None:
    """It is attached under the next device name, survives its instance when it is to, and is deleted when free."""
    instance = running(house, DataDisk=[{"Category": "cloud_essd", "Size": 50, "DiskName": "first"}])
    assert disk(house, DiskName="first")["Device"] == "/dev/xvdb"
    id = made(house, DiskName="second", Tag=TAG, ClientToken="t")
    assert made(house, DiskName="second", Tag=TAG, ClientToken="t") == id
    house.call("AttachDisk", InstanceId=instance, DiskId=id)
    seen = disk(house, id)
    assert (seen["Status"], seen["Device"], seen["InstanceId"]) == ("In_use", "/dev/xvdc", instance)
    for action in ("DeleteDisk", "AttachDisk"):
        with pytest.raises(Exception, match="IncorrectDiskStatus"):
            house.call(action, DiskId=id, **({"InstanceId": instance} if action == "AttachDisk" else {}))
    house.call("DeleteInstance", InstanceId=instance, Force=True)
    until(lambda: describe(house, instance) == {})
    assert [one["DiskId"] for one in house.store.find("disk")] == [id]
    assert disk(house, id)["Status"] == "Available"
    house.call("DeleteDisk", DiskId=id)
    with pytest.raises(Exception, match=r"InvalidDiskId\.NotFound"):
        house.call("DeleteDisk", DiskId=id)


def test_what_does_not_fit_is_refused(house: House) -> None:
    """Other zones, categories of other types, used device names, and disks of sizes that do not exist."""
    instance = running(house)
    elsewhere, plain, good = made(house, ZoneId="cn-hangzhou-j"), made(house, DiskCategory="cloud_ssd"), made(house)
    for id, code in ((elsewhere, "ResourcesNotInSameZone"), (plain, "InvalidDiskCategory"), ("d-x", "NotFound")):
        with pytest.raises(Exception, match=code):
            house.call("AttachDisk", InstanceId=instance, DiskId=id)
    with pytest.raises(Exception, match=r"InvalidDevice\.InUse"):
        house.call("AttachDisk", InstanceId=instance, DiskId=good, Device="/dev/xvda")
    house.call("AttachDisk", InstanceId=instance, DiskId=good)
    house.call("DetachDisk", InstanceId=instance, DiskId=good)
    assert disk(house, good)["Status"] == "Available"
    with pytest.raises(Exception, match="IncorrectDiskStatus"):
        house.call("DetachDisk", InstanceId=instance, DiskId=good)
    system = disk(house, InstanceId=instance)["DiskId"]
    with pytest.raises(Exception, match="DiskNotPortable"):
        house.call("DetachDisk", InstanceId=instance, DiskId=system)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"Size": 0}, "InvalidParameter"),
        ({"ZoneId": "cn-hangzhou-z"}, "InvalidZoneId"),
        ({"DiskCategory": "floppy"}, "InvalidDiskCategory"),
        ({"PerformanceLevel": "PL3"}, "InvalidDiskSize"),
        ({"Size": None, "SnapshotId": "s-none"}, "InvalidSnapshotId"),
    ]
    for fields, code in wrong:
        with pytest.raises(Exception, match=code):
            made(house, **fields)


def test_a_disk_grows_and_never_shrinks(house: House) -> None:
    """Online while it runs, offline always; smaller, equal, too large or of another kind is refused."""
    instance = running(house)
    id = disk(house, InstanceId=instance)["DiskId"]
    house.call("ResizeDisk", DiskId=id, NewSize=150, Type="online")
    assert disk(house, id)["Size"] == 150
    for size, code in ((150, "TooSmall"), (100, "TooSmall"), (99999, "TooLarge")):
        with pytest.raises(Exception, match=f"InvalidDiskSize.{code}"):
            house.call("ResizeDisk", DiskId=id, NewSize=size)
    house.call("StopInstance", InstanceId=instance)
    until(lambda: describe(house, instance)["Status"] == "Stopped")
    with pytest.raises(Exception, match=r"InvalidInstanceStatus\.NotRunning"):
        house.call("ResizeDisk", DiskId=id, NewSize=200, Type="online")
    house.call("ResizeDisk", DiskId=id, NewSize=200)
    house.call("ModifyDiskAttribute", DiskId=id, DiskName="large")
    assert (disk(house, id)["Size"], disk(house, id)["DiskName"]) == (200, "large")


def test_a_snapshot_outlives_its_disk_and_is_billed(house: House) -> None:
    """It is found by tag, costs something, makes a new disk, and goes when nothing was made of it."""
    instance = running(house)
    system = disk(house, InstanceId=instance)["DiskId"]
    never = made(house)
    with pytest.raises(Exception, match=r"IncorrectDiskStatus\.NeverAttached"):
        house.call("CreateSnapshot", DiskId=never)
    fields = {"DiskId": system, "SnapshotName": "kept", "Tag": TAG, "ClientToken": "t"}
    id = house.call("CreateSnapshot", **fields)["SnapshotId"]
    assert house.call("CreateSnapshot", **fields)["SnapshotId"] == id
    house.call("DeleteInstance", InstanceId=instance, Force=True)
    until(lambda: disk(house, system) == {})
    seen = house.call("DescribeSnapshots", RegionId=REGION, Tag=TAG)["Snapshots"]["Snapshot"]
    assert [(one["SnapshotId"], one["Status"], one["SourceDiskSize"]) for one in seen] == [(id, "accomplished", "100")]
    lines = house.own("GET", "/_garret/bill")["lines"]
    assert [line["kind"] for line in lines if line["per_hour"] > 0] == ["disk", "snapshot"]
    with pytest.raises(Exception, match=r"InvalidDiskSize\.TooSmall"):
        made(house, SnapshotId=id, Size=60)
    copy = made(house, SnapshotId=id, Size=None)
    assert disk(house, copy)["Size"] == 100
    with pytest.raises(Exception, match="SnapshotCreatedDisk"):
        house.call("DeleteSnapshot", SnapshotId=id)
    house.call("DeleteDisk", DiskId=copy)
    house.call("DeleteSnapshot", SnapshotId=id)
    assert house.call("DescribeSnapshots", RegionId=REGION)["TotalCount"] == 0


def test_a_disk_goes_back_to_a_snapshot_of_its_own(house: House) -> None:
    """While its instance is stopped, to a snapshot that is whole; the driver brings the content back."""
    instance = running(house)
    system = disk(house, InstanceId=instance)["DiskId"]
    id = house.call("CreateSnapshot", DiskId=system)["SnapshotId"]
    driver = house.cloud.driver
    assert isinstance(driver, PaperDriver)
    until(lambda: id in driver.images)
    until(lambda: house.call("DescribeSnapshots", RegionId=REGION)["Snapshots"]["Snapshot"][0]["Available"])
    with pytest.raises(Exception, match="IncorrectInstanceStatus"):
        house.call("ResetDisk", DiskId=system, SnapshotId=id)
    house.call("StopInstance", InstanceId=instance)
    until(lambda: house.store.get("instance", instance)["Status"] == "Stopped")
    other = disk(house, InstanceId=running(house))["DiskId"]
    with pytest.raises(Exception, match=r"InvalidParameter\.Conflict"):
        house.call("ResetDisk", DiskId=other, SnapshotId=id)
    with pytest.raises(Exception, match=r"InvalidSnapshotId\.NotFound"):
        house.call("ResetDisk", DiskId=system, SnapshotId="s-nobody")
    house.call("ResetDisk", DiskId=system, SnapshotId=id)
    until(lambda: disk(house, system)["Status"] == "In_use")
    assert driver.thawed == [(instance, id)]
    house.call("DeleteSnapshot", SnapshotId=id)
    until(lambda: id not in driver.images)
