"""Disks: each instance's system disk."""

from __future__ import annotations

from typing import Any

from garret.local_cloud import tagging
from garret.local_cloud.core import Call, Cloud
from garret.local_cloud.params import Reply, has_tags, names, page, tags


def describe_disks(call: Call, cloud: Cloud) -> Reply:
    """Disks by id, instance, status, type or tag."""
    params, wanted = call.params, tags(call.params)
    ids = names(params, "DiskIds")
    instance, status, kind = params.get("InstanceId", ""), params.get("Status", "All"), params.get("DiskType", "all")
    found = [
        body
        for body in cloud.store.find("disk", call.region)
        if (not ids or body["DiskId"] in ids)
        and instance in ("", body["InstanceId"])
        and status in ("All", body["Status"])
        and kind in ("all", body["Type"])
        and has_tags(body, wanted)
    ]
    some, counts = page(call, found)
    return {"Disks": {"Disk": [_view(body) for body in some]}, "NextToken": "", **counts}


def _view(body: dict[str, Any]) -> dict[str, Any]:
    return {
        **{name: value for name, value in body.items() if name != "Tags"},
        "DiskChargeType": "PostPaid",
        "Portable": False,
        "EnableAutoSnapshot": False,
        "DeleteAutoSnapshot": True,
        "OperationLocks": {"OperationLock": []},
        "Tags": tagging.view(body),
    }
