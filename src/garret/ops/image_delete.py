"""Delete an image of one's own, with the snapshots that it lies on; or what a bake that failed left of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from garret.errors import UsageError
from garret.ops.cloud import DEPLOYMENT_TAG, IMAGE_TAG, SNAPSHOT_TAG, Cloud
from garret.ops.crash import Crash
from garret.ops.own_images import AVAILABLE, BAKE_TAG
from garret.ops.records import Image
from garret.ops.tell import Teller


def delete_image(
    cloud: Cloud,
    image_id: str,
    tell: Teller,
    confirm: Callable[[list[str]], bool],
    crash: Crash,
    *,
    force: bool = False,
) -> dict[str, Any]:
    """Delete an image and its snapshots; of one that is gone, what an earlier run left. `changed` says if anything was.

    Raises:
        UsageError: deployments use it and `force` was not said; it is not garret's; or nobody agreed.
    """
    image = cloud.images.get(image_id)
    kept = [one.id for one in cloud.snapshots.kept(image_id)]
    facts: dict[str, Any] = {"image_id": image_id, "region": cloud.region, "changed": False, "snapshots": []}
    if image is None and not kept:
        return facts
    if image is not None:
        _check(cloud, image, force=force)
    snapshots = sorted({*kept, *(image.snapshot_ids if image else ())})
    lines = [f"{'image':<12} {image.id}   {image.name}"] if image else []
    if not confirm([*lines, *(f"{'snapshot':<12} {one}" for one in snapshots)]):
        raise UsageError("not confirmed; nothing was deleted")
    if image is not None:
        _drop(cloud, image, tell, crash, force=force)
    for one in snapshots:
        cloud.snapshots.delete(one)
        tell.stage("snapshot", "done", f"{one} deleted")
    return {**facts, "changed": True, "snapshots": snapshots}


def drop_unfinished(cloud: Cloud, deployment: str, tell: Teller, name: str = "") -> None:
    """Delete what a bake left of an image that it did not finish: by its tag, and by the name that it was to have."""
    for image in cloud.images.own():
        if image.tags.get(BAKE_TAG) == deployment and (image.status != AVAILABLE or image.name == name):
            cloud.images.delete(image.id, force=True)
            for one in image.snapshot_ids:
                cloud.snapshots.delete(one)
            tell.stage("image", "done", f"{image.id} deleted: it was not finished")


def users_of(cloud: Cloud, image_id: str) -> list[str]:
    """The deployments whose machines were made of an image; a machine that is none of garret's by its id."""
    return sorted({one.tags.get(DEPLOYMENT_TAG) or one.id for one in cloud.images.users(image_id)})


def _check(cloud: Cloud, image: Image, *, force: bool) -> None:
    if IMAGE_TAG not in image.tags:
        raise UsageError(f"image {image.id} was not made by garret; it is left alone", "garret image list")
    users = users_of(cloud, image.id)
    if users and not force:
        raise UsageError(
            f"image {image.id} is used by {', '.join(users)}",
            f"garret delete {users[0]} first; or garret image delete {image.id} --force   (they run on without it)",
        )


def _drop(cloud: Cloud, image: Image, tell: Teller, crash: Crash, *, force: bool) -> None:
    # So that a run after this one finds them when the image no longer tells of them.
    if image.snapshot_ids:
        cloud.images.mark(image.snapshot_ids, {SNAPSHOT_TAG: image.id, IMAGE_TAG: image.tags[IMAGE_TAG]})
    cloud.images.delete(image.id, force=force)
    crash.point("image.deleted")
    tell.stage("image", "done", f"{image.id} deleted")
