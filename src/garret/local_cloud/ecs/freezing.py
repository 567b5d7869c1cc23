"""Copies of disks: images and snapshots that are being made, and disks that go back to a snapshot.

The driver does it, on the instance's own thread and in its turn. What fails is the copy's failure alone.
"""

from __future__ import annotations

import sys
from typing import Any

from garret.local_cloud.core import Cloud
from garret.local_cloud.nodes.driver import DriverError

CREATING, AVAILABLE, FAILED = "Creating", "Available", "CreateFailed"
PROGRESSING, ACCOMPLISHED, BROKEN = "progressing", "accomplished", "failed"
GOING_BACK = "ReIniting"


def freeze_next(cloud: Cloud, instance_id: str) -> bool:
    """Make the oldest copy that waits for this instance's disk, or bring the disk back; False when nothing waits."""
    for body in cloud.store.find("disk", InstanceId=instance_id, Status=GOING_BACK):
        _thaw(cloud, instance_id, body)
        return True
    for body in cloud.store.find("snapshot", InstanceId=instance_id, Status=PROGRESSING):
        _keep(cloud, instance_id, body)
        return True
    waiting = cloud.store.find("image", SourceInstanceId=instance_id, Status=CREATING)
    if not waiting:
        return False
    id = waiting[0]["ImageId"]
    try:
        size = 0 if cloud.driver.has_image(id) else cloud.driver.freeze(instance_id, id)
    except (DriverError, OSError) as error:
        sys.stderr.write(f"{id}: {error}\n")
        cloud.store.update("image", id, Status=FAILED)
        return True
    if cloud.store.update("image", id, Status=AVAILABLE, Progress="100%", Bytes=size) is None:
        drop(cloud, id)  # it was deleted meanwhile
    return True


def _keep(cloud: Cloud, instance_id: str, body: dict[str, Any]) -> None:
    id = body["SnapshotId"]
    try:
        if not cloud.driver.has_image(id):
            cloud.driver.freeze(instance_id, id)
    except (DriverError, OSError) as error:
        sys.stderr.write(f"{id}: {error}\n")
        cloud.store.update("snapshot", id, Status=BROKEN)
        return
    if cloud.store.update("snapshot", id, Status=ACCOMPLISHED, LastModifiedTime=cloud.clock.stamp()) is None:
        drop(cloud, id)


def _thaw(cloud: Cloud, instance_id: str, body: dict[str, Any]) -> None:
    id = body["ResetTo"]
    try:
        cloud.driver.thaw(instance_id, id)
    except (DriverError, OSError) as error:  # the disk stays what it was
        sys.stderr.write(f"{body['DiskId']}: {error}\n")
    cloud.store.update("disk", body["DiskId"], Status="In_use", ResetTo="")


def drop(cloud: Cloud, image_id: str) -> None:
    """Have the driver forget an image or a snapshot."""
    try:
        cloud.driver.drop_image(image_id)
    except (DriverError, OSError) as error:
        sys.stderr.write(f"{image_id}: {error}\n")


def recover(cloud: Cloud) -> None:
    """Fail the copies whose instance is gone; the others are made when their instance is settled."""
    for body in cloud.store.find("image", Status=CREATING):
        if cloud.store.get("instance", body["SourceInstanceId"]) is None:
            cloud.store.update("image", body["ImageId"], Status=FAILED)
    for body in cloud.store.find("snapshot", Status=PROGRESSING):
        if cloud.store.get("instance", body["InstanceId"]) is None:
            cloud.store.update("snapshot", body["SnapshotId"], Status=BROKEN)
