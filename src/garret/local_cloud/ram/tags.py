"""Tags of roles and policies, which RAM names by their names."""

from __future__ import annotations

from collections.abc import Callable

from garret.local_cloud import params, tagging
from garret.local_cloud.core import ApiError, Call, Cloud
from garret.local_cloud.params import Reply, Tags, flag, missing_tags, numbered

_KINDS = {"role": "ram_role", "policy": "ram_policy"}


def tag_resources(call: Call, cloud: Cloud) -> Reply:
    """Put tags on roles or policies, all or none."""
    wanted = params.tags(call.params)
    if not wanted:
        raise missing_tags()
    return _change(call, cloud, lambda tags: tagging.merge(tags, wanted))


def untag_resources(call: Call, cloud: Cloud) -> Reply:
    """Take tags away by key, or all of them with All."""
    keys, everything = numbered(call.params, "TagKeys"), flag(call.params, "All")
    return _change(call, cloud, lambda tags: [tag for tag in tags if not everything and tag["Key"] not in keys])


def _change(call: Call, cloud: Cloud, change: Callable[[Tags], Tags]) -> Reply:
    kind = _KINDS[call.params["ResourceType"]]
    with cloud.store.transaction():
        for name in numbered(call.params, "ResourceNames"):
            body = cloud.store.get(kind, name.lower())
            if body is None:
                what = call.params["ResourceType"].capitalize()
                raise ApiError(f"EntityNotExist.{what}", f"The {what.lower()} {name} does not exist.", 404)
            cloud.store.update(kind, name.lower(), Tags=change(body["Tags"]))
    return {}
