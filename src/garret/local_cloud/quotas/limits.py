"""Keeping to the limits: what counts towards each, and refusing the one too many."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from garret.local_cloud.core import ApiError, Cloud
from garret.local_cloud.ecs.instance_types import INSTANCE_TYPES
from garret.local_cloud.quotas.registry import LIMITS, Limit

_KIND = "quota"  # of the store: limits that were changed


def check(cloud: Cloud, counts: str, region: str, more: int = 1) -> None:
    """Refuse `more` of what is counted when the region's limit, or the fault board, says so."""
    limit = next(limit for limit in LIMITS.values() if limit.counts == counts)
    fault = cloud.faults.named("quota", quota=limit.code)
    if fault is None and (more <= 0 or used(cloud, limit, region) + more <= total(cloud, limit)):
        return
    error = ApiError(limit.error, limit.message, limit.status)
    error.met = fault
    raise error


def check_vcpus(cloud: Cloud, body: Mapping[str, Any], instance_type: str, amount: int = 1, less: int = 0) -> None:
    """Refuse instances, paid for as `body` says, whose vCPUs are too many; `less` vCPUs are given up for them."""
    counts = _vcpu_kind(body)
    if counts:
        check(cloud, counts, str(body["RegionId"]), INSTANCE_TYPES[instance_type].vcpu * amount - less)


def total(cloud: Cloud, limit: Limit) -> int:
    """How many there may be."""
    changed = cloud.store.get(_KIND, limit.code)
    return limit.default if changed is None else int(changed["total"])


def used(cloud: Cloud, limit: Limit, region: str) -> int:
    """How many there are in a region; the vCPUs of an instance that is stopped economically are given up."""
    if not limit.counts.endswith("vcpu"):
        return len(cloud.store.find(limit.counts, region))
    return sum(
        INSTANCE_TYPES[body["InstanceType"]].vcpu
        for body in cloud.store.find("instance", region)
        if _vcpu_kind(body) == limit.counts and not _given_up(body)
    )


def _given_up(body: Mapping[str, Any]) -> bool:
    return bool(body["Status"] == "Stopped" and body["StoppedMode"] == "StopCharging")


def _vcpu_kind(body: Mapping[str, Any]) -> str:
    if body.get("InstanceChargeType", "PostPaid") != "PostPaid":
        return ""
    return "vcpu" if body.get("SpotStrategy", "NoSpot") == "NoSpot" else "spot_vcpu"


def door(cloud: Cloud, method: str, _query: Mapping[str, str], text: bytes) -> dict[str, Any]:
    """`/_garret/quotas`: see the limits, change some ({"<code>": 1}), or put all back. ValueError: no good."""
    if method == "DELETE":
        for id, _ in cloud.store.pairs(_KIND):
            cloud.store.delete(_KIND, id)
    elif method == "POST":
        wanted = json.loads(text)
        if not isinstance(wanted, dict):
            raise ValueError(f'the body must be {{"<code>": <number>}}; the codes are {", ".join(LIMITS)}')
        for code, value in wanted.items():
            if code not in LIMITS:
                raise ValueError(f"{code}: there is no such quota; there are {', '.join(LIMITS)}")
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise ValueError(f"{code}: {value!r} is no whole number of 0 or more")
        for code, value in wanted.items():
            cloud.store.put(_KIND, code, {"id": code, "total": value})
    return {"quotas": {code: total(cloud, limit) for code, limit in LIMITS.items()}}
