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
    "snapshot_gib": 0.0002,  # per GiB of the disk it was made of and hour
    "nat_gateway": 0.2,  # per NAT gateway and hour
}
SPOT_FACTOR = 0.3  # a spot hour as a part of a pay-as-you-go hour
PREPAID_FACTOR = 0.6  # an hour of a period that was paid beforehand, likewise
HOURS = {"Hour": 1, "Week": 168, "Month": 720, "Year": 8640}  # a made-up month has 30 days


def instance_price(instance_type: str) -> float:
    """The price per hour of a running instance of this type, without its disk; KeyError when it is unknown."""
    kind = INSTANCE_TYPES[instance_type]
    parts = kind.gpus * PRICES["gpu"] + kind.vcpu * PRICES["vcpu"] + kind.memory_gib * PRICES["memory_gib"]
    return round(parts, 4)


def spot_price(instance_type: str) -> float:
    """The price per hour of a spot instance of this type at this moment (it does not move here)."""
    return round(instance_price(instance_type) * SPOT_FACTOR, 3)


def period_price(per_hour: float, unit: str, period: int) -> float:
    """What a period of hours, weeks, months or years costs; longer ones are paid beforehand and cost less."""
    return round(per_hour * HOURS[unit] * period * (1.0 if unit == "Hour" else PREPAID_FACTOR), 4)


def snapshot_price(size_gib: int) -> float:
    """The price per hour of a snapshot of a disk of this size."""
    return round(size_gib * PRICES["snapshot_gib"], 6)


def disk_price(size_gib: int) -> float:
    """The price per hour of a disk, attached to a running instance or not."""
    return round(size_gib * PRICES["disk_gib"], 4)


def bill(store: Store) -> dict[str, Any]:
    """What is billed per hour at this moment, line by line."""
    lines: list[dict[str, Any]] = []
    for instance in store.find("instance"):
        paid_before = instance.get("InstanceChargeType") == "PrePaid"  # its hours run whether it runs or not
        if instance["Status"] != "Stopped" or instance["StoppedMode"] == "KeepCharging" or paid_before:
            lines.append(_line(instance["InstanceId"], "instance", _instance(instance)))
    for disk in store.find("disk"):
        lines.append(_line(disk["DiskId"], "disk", disk_price(disk["Size"])))
    for address in store.find("eip"):
        lines.append(_line(address["AllocationId"], "address", PRICES["address"]))
    for snapshot in store.find("snapshot"):
        lines.append(_line(snapshot["SnapshotId"], "snapshot", snapshot_price(snapshot["SourceDiskSize"])))
    for gateway in store.find("nat_gateway"):
        lines.append(_line(gateway["NatGatewayId"], "nat_gateway", PRICES["nat_gateway"]))
    total = round(sum(line["per_hour"] for line in lines), 4)
    return {"currency": CURRENCY, "made_up": True, "note": NOTE, "per_hour": total, "lines": lines}


def _instance(instance: dict[str, Any]) -> float:
    if instance.get("InstanceChargeType") == "PrePaid":
        return round(instance_price(instance["InstanceType"]) * PREPAID_FACTOR, 4)
    if instance.get("SpotStrategy", "NoSpot") != "NoSpot":
        return spot_price(instance["InstanceType"])
    return instance_price(instance["InstanceType"])


def _line(resource: str, kind: str, per_hour: float) -> dict[str, Any]:
    return {"resource": resource, "kind": kind, "per_hour": per_hour}
