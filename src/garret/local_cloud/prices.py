"""The local cloud's prices, made up from start to end: round numbers that nobody should budget with."""

from __future__ import annotations

from typing import Any

from garret.local_cloud.ecs.instance_types import INSTANCE_TYPES
from garret.local_cloud.store import Store

CURRENCY = "CNY"
NOTE = "made up by the local cloud: no price of any real cloud"

PRICES: dict[str, float] = {
    "gpu": 8.0,  # per NVIDIA A10 and hour
    "vcpu": 0.1,  # per vCPU and hour
    "memory_gib": 0.02,  # per GiB and hour
    "disk_gib": 0.002,  # per GiB of ESSD and hour
    "address": 0.02,  # per Elastic IP and hour, whether its instance runs or not
    "traffic_gib": 0.8,  # per GiB sent to the internet
}


def instance_price(instance_type: str) -> float:
    """The price per hour of a running instance of this type, without its disk; KeyError when it is unknown."""
    kind = INSTANCE_TYPES[instance_type]
    parts = kind.gpus * PRICES["gpu"] + kind.vcpu * PRICES["vcpu"] + kind.memory_gib * PRICES["memory_gib"]
    return round(parts, 4)


def disk_price(size_gib: int) -> float:
    """The price per hour of a disk, attached to a running instance or not."""
    return round(size_gib * PRICES["disk_gib"], 4)


def bill(store: Store) -> dict[str, Any]:
    """What is billed per hour at this moment, line by line."""
    lines: list[dict[str, Any]] = []
    for instance in store.find("instance"):
        if instance["Status"] != "Stopped" or instance["StoppedMode"] == "KeepCharging":
            lines.append(_line(instance["InstanceId"], "instance", instance_price(instance["InstanceType"])))
    for disk in store.find("disk"):
        lines.append(_line(disk["DiskId"], "disk", disk_price(disk["Size"])))
    for address in store.find("eip"):
        lines.append(_line(address["AllocationId"], "address", PRICES["address"]))
    total = round(sum(line["per_hour"] for line in lines), 4)
    return {"currency": CURRENCY, "made_up": True, "note": NOTE, "per_hour": total, "lines": lines}


def _line(resource: str, kind: str, per_hour: float) -> dict[str, Any]:
    return {"resource": resource, "kind": kind, "per_hour": per_hour}
