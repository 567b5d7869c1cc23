"""Images of the account's own: made of a machine, found by tag, deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from garret.errors import CloudError
from garret.ops.aliyun.instances import EcsInstances
from garret.ops.aliyun.pages import by_number, rows
from garret.ops.aliyun.session import Session
from garret.ops.cloud import IMAGE_TAG, Instance
from garret.ops.records import Image

_ALL = "Creating,Waiting,Available,UnAvailable,CreateFailed,Deprecated"
"""Asked for by name: without it, only those that are Available are told."""
_GONE = ("InvalidImageId.NotFound",)


class EcsImages:
    """Images of one region."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def own(self) -> list[Image]:
        """The account's images that garret made, whatever their status, the newest first."""
        wanted = {"ImageOwnerAlias": "self", "Status": _ALL, "Tag": [{"Key": IMAGE_TAG}]}
        found = [_image(raw) for raw in by_number(self._session, "ecs", "DescribeImages", wanted, "Images.Image")]
        return sorted(found, key=lambda one: one.created_at, reverse=True)

    def get(self, image_id: str) -> Image | None:
        """An image by its id, whoever made it; None when there is none."""
        reply = self._session.read("ecs", "DescribeImages", {"ImageId": image_id, "Status": _ALL})
        return next((_image(raw) for raw in rows(reply, "Images.Image")), None)

    def users(self, image_id: str) -> list[Instance]:
        """The machines that were made of an image and exist."""
        return EcsInstances(self._session).made_of(image_id)

    def create(self, instance_id: str, name: str, tags: Mapping[str, str], *, token: str) -> str:
        """Begin an image of a machine, or get the one this token began before; its id."""
        models = _models()
        request = models.CreateImageRequest(
            region_id=self._session.region,
            instance_id=instance_id,
            image_name=name,
            description="What a node of garret needs, installed; without anything of a deployment.",
            tag=[models.CreateImageRequestTag(key=key, value=value) for key, value in tags.items()],
            client_token=token,
        )
        reply = self._session.call("CreateImage", lambda: self._session.ecs.create_image(request))
        return str(reply.body.image_id)

    def mark(self, snapshot_ids: Sequence[str], tags: Mapping[str, str]) -> None:
        """Put tags on snapshots: those of an image get none with it."""
        models = _models()
        request = models.TagResourcesRequest(
            region_id=self._session.region,
            resource_type="snapshot",
            resource_id=list(snapshot_ids),
            tag=[models.TagResourcesRequestTag(key=key, value=value) for key, value in tags.items()],
        )
        self._session.call("TagResources", lambda: self._session.ecs.tag_resources(request))

    def delete(self, image_id: str, *, force: bool = False) -> None:
        """Delete an image, its snapshots not; one that is gone already is no error."""
        request = _models().DeleteImageRequest(region_id=self._session.region, image_id=image_id, force=force)
        try:
            self._session.call("DeleteImage", lambda: self._session.ecs.delete_image(request))
        except CloudError as error:
            if error.code not in _GONE:
                raise


def _image(raw: Mapping[str, Any]) -> Image:
    return Image(
        id=str(raw["ImageId"]),
        name=str(raw.get("ImageName") or ""),
        status=str(raw.get("Status") or ""),
        progress=str(raw.get("Progress") or ""),
        size_gib=int(raw.get("Size") or 0),
        family=str(raw.get("ImageFamily") or ""),
        os_name=str(raw.get("OSNameEn") or raw.get("OSName") or ""),
        created_at=str(raw.get("CreationTime") or ""),
        tags={str(tag["TagKey"]): str(tag.get("TagValue") or "") for tag in rows(raw, "Tags.Tag")},
        snapshot_ids=tuple(
            str(disk["SnapshotId"])
            for disk in rows(raw, "DiskDeviceMappings.DiskDeviceMapping")
            if disk.get("SnapshotId")
        ),
    )


def _models() -> Any:
    from alibabacloud_ecs20140526 import models

    return models
