"""Tags on any resource: ECS and VPC keep them in the bodies of what they tag."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from garret.local_cloud.core import ApiError, Call, Cloud
from garret.local_cloud.params import Reply, Tags, flag, has_tags, missing_tags, names, tags

Kinds = Mapping[str, str]


def view(body: Mapping[str, Any]) -> dict[str, list[dict[str, str]]]:
    """A body's tags in ECS's form (TagKey, TagValue)."""
    return {"Tag": [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in body.get("Tags", [])]}


def plain_view(body: Mapping[str, Any]) -> dict[str, list[dict[str, str]]]:
    """A body's tags in VPC's form (Key, Value)."""
    return {"Tag": [dict(tag) for tag in body.get("Tags", [])]}


def tag_resources(call: Call, cloud: Cloud, kinds: Kinds) -> Reply:
    """Put tags on resources, all or none; `kinds` maps ResourceType (lower case) to the store's kind."""
    kind = _kind(call, kinds)
    wanted = tags(call.params)
    if not wanted:
        raise missing_tags()
    with cloud.store.transaction():
        for id in names(call.params, "ResourceId"):
            body = cloud.store.get(kind, id)
            if body is None:
                raise ApiError("InvalidResourceId.NotFound", f"The {kind} {id!r} does not exist.", 404)
            cloud.store.update(kind, id, Tags=merge(body.get("Tags", []), wanted))
    return {}


def untag_resources(call: Call, cloud: Cloud, kinds: Kinds) -> Reply:
    """Take tags away by key, or all of them with All; a tag that is not there is fine."""
    kind, keys = _kind(call, kinds), names(call.params, "TagKey")
    everything = flag(call.params, "All") and not keys
    with cloud.store.transaction():
        for id in names(call.params, "ResourceId"):
            body = cloud.store.get(kind, id)
            if body is None:
                raise ApiError("InvalidResourceId.NotFound", f"The {kind} {id!r} does not exist.", 404)
            kept = [tag for tag in body.get("Tags", []) if not everything and tag["Key"] not in keys]
            cloud.store.update(kind, id, Tags=kept)
    return {}


def list_tag_resources(call: Call, cloud: Cloud, kinds: Kinds) -> Reply:
    """Tags by resource or by tag."""
    kind = _kind(call, kinds)
    ids, wanted = names(call.params, "ResourceId"), tags(call.params)
    found = [
        {"ResourceType": call.params["ResourceType"], "ResourceId": id, "TagKey": tag["Key"], "TagValue": tag["Value"]}
        for id, body in cloud.store.pairs(kind, call.region)
        if (not ids or id in ids) and has_tags(body, wanted)
        for tag in body.get("Tags", [])
    ]
    return {"TagResources": {"TagResource": found}, "NextToken": ""}


def merge(old: Tags, new: Tags) -> Tags:
    """The tags `old` with `new` put over them."""
    values = {tag["Key"]: tag["Value"] for tag in (*old, *new)}
    return [{"Key": key, "Value": value} for key, value in values.items()]


def _kind(call: Call, kinds: Kinds) -> str:
    kind = kinds.get(call.params["ResourceType"].lower())
    if kind is None:
        text = f"ResourceType {call.params['ResourceType']!r}: the local cloud tags {', '.join(kinds)}."
        raise ApiError("InvalidResourceType.NotFound", text, 404)
    return kind
