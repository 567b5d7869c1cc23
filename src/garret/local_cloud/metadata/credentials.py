"""The keys of an instance's role, as metadata hands them out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from garret.local_cloud import keys
from garret.local_cloud.clock import parse_stamp, stamp
from garret.local_cloud.core import ApiError, Cloud
from garret.local_cloud.ram.policies import documents_of

GOOD_FOR = timedelta(hours=6)  # what is said; a key ends when the next but one is made, or with its instance
RENEWED_BEFORE = timedelta(hours=1)


def role_of(cloud: Cloud, instance: Mapping[str, Any]) -> str:
    """The role that the instance calls the cloud as; "" when it has none, or one that is gone."""
    role = str(instance.get("RamRoleName") or "")
    return role if role and _documents(cloud, role) is not None else ""


def credentials(cloud: Cloud, instance: Mapping[str, Any], role: str) -> str | None:
    """Keys of the instance's role as JSON, the same for some hours; None when `role` is not its own."""
    own = role_of(cloud, instance)
    documents = _documents(cloud, own) if own and role == own else None
    if documents is None:
        return None
    id, now = str(instance["InstanceId"]), cloud.clock.now()
    with cloud.store.transaction():
        door = cloud.store.get("metadata", id) or {}
        key = keys.find(cloud.store, door.get("Key", "")) or {"deleted": True}
        until = parse_stamp(door["KeyUntil"]) if door.get("KeyUntil") else now
        right = door.get("KeyRole") == own and key.get("policies") == documents
        if key["deleted"] or not right or until - now < RENEWED_BEFORE:
            if door.get("FormerKey"):
                keys.delete(cloud.store, door["FormerKey"])
            former = door.get("Key", "")
            if former and not right:  # what the role may no longer do, its older keys may not either
                keys.delete(cloud.store, former)
            key = keys.make(cloud.store, documents, f"{own} on {id}", token=True)
            until = now + GOOD_FOR
            changes = {"Key": key["id"], "FormerKey": former, "KeyUntil": stamp(until), "KeyRole": own}
            cloud.store.update("metadata", id, **changes)
    told = {"AccessKeyId": key["id"], "AccessKeySecret": key["secret"], "SecurityToken": key["token"]}
    times = {"LastUpdated": stamp(until - GOOD_FOR), "Expiration": stamp(until)}
    return json.dumps({"Code": "Success", **told, **times})


def end_keys(cloud: Cloud, door: Mapping[str, Any]) -> None:
    """End all keys that were handed out at this door."""
    for name in ("Key", "FormerKey"):
        if door.get(name):
            keys.delete(cloud.store, door[name])


def _documents(cloud: Cloud, role: str) -> list[dict[str, Any]] | None:
    try:
        return documents_of(cloud, role)
    except ApiError:  # the role is gone; its instance is not
        return None
