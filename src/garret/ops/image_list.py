"""The account's own images, as a person asks for them."""

from __future__ import annotations

from typing import Any

from garret.image_bootstrap.bundle import Bundle
from garret.ops.cloud import Cloud
from garret.ops.image_delete import users_of
from garret.ops.own_images import contents_on, lock_digits


def list_images(cloud: Cloud, bundle: Bundle | None = None) -> list[dict[str, Any]]:
    """Each image with what is on it and who uses it, the newest first; `runtime` is against this garret's `bundle`."""
    lock, found = lock_digits(), []
    for image in cloud.images.own():
        there = contents_on(image)
        same = bundle is not None and there.runtime == bundle.sha256[: len(there.runtime)] and bool(there.runtime)
        found.append(
            {
                "image_id": image.id,
                "name": image.name,
                "status": image.status,
                "progress": image.progress,
                "created_at": image.created_at,
                "size_gib": image.size_gib,
                "models": there.models,
                "runtime": there.runtime,
                "is_this_runtime": same,
                "has_these_packages": there.lock == lock,
                "used_by": users_of(cloud, image.id),
                "snapshots": list(image.snapshot_ids),
                "region": cloud.region,
            }
        )
    return found
