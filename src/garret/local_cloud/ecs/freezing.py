"""Images that are being made: the driver keeps an instance's disk, on the instance's own thread and in its turn."""

from __future__ import annotations

import sys

from garret.local_cloud.core import Cloud
from garret.local_cloud.nodes.driver import DriverError

CREATING, AVAILABLE, FAILED = "Creating", "Available", "CreateFailed"


def freeze_next(cloud: Cloud, instance_id: str) -> bool:
    """Keep the disk for the oldest image that waits for it; False when none does. What fails is the image's alone."""
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


def drop(cloud: Cloud, image_id: str) -> None:
    """Have the driver forget an image."""
    try:
        cloud.driver.drop_image(image_id)
    except (DriverError, OSError) as error:
        sys.stderr.write(f"{image_id}: {error}\n")


def recover(cloud: Cloud) -> None:
    """Fail the images whose instance is gone; the others are made when their instance is settled."""
    for body in cloud.store.find("image", Status=CREATING):
        if cloud.store.get("instance", body["SourceInstanceId"]) is None:
            cloud.store.update("image", body["ImageId"], Status=FAILED)
