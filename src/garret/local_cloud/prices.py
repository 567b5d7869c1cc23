"""The local cloud's prices, made up from start to end: round numbers that nobody should budget with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Rate:
    """What a thing costs: `per_hour` now, `list_per_hour` while it is in use; `once` what was paid beforehand.

    `paid` tells one such payment from the next; `charge` is PayAsYouGo, Subscription or Spot.
    """

    item: str
    about: str
    state: str
    per_hour: float
    list_per_hour: float
    charge: str = "PayAsYouGo"
    once: float = 0.0
    paid: str = ""


BILLED = ("instance", "disk", "eip", "snapshot", "nat_gateway")
_LINES = {"eip": "address"}  # the bill's words where they are not the store's


def rate(kind: str, body: Mapping[str, Any]) -> Rate:
    """What a thing of the store costs at this moment."""
    if kind == "instance":
        return _instance_rate(body)
    if kind == "disk":
        price, about = disk_price(body["Size"]), f"{body['Category']} {body['Size']} GiB"
        return Rate("disk", about, "there", price, price)
    if kind == "eip":
        about = f"{body['InternetChargeType']} {body['Bandwidth']} Mbit/s"
        return Rate("address", about, "there", PRICES["address"], PRICES["address"])
    if kind == "snapshot":
        price = snapshot_price(body["SourceDiskSize"])
        return Rate("snapshot", f"{body['SourceDiskSize']} GiB", "there", price, price)
    return Rate("NAT gateway", "Enhanced", "there", PRICES["nat_gateway"], PRICES["nat_gateway"])


def _instance_rate(body: Mapping[str, Any]) -> Rate:
    about = body["InstanceType"]
    full = instance_price(about)
    state = "stopped" if body["Status"] == "Stopped" else "running"
    if body.get("InstanceChargeType") == "PrePaid":
        unit, period = body.get("PeriodUnit", "") or "Month", int(body.get("Period", 0)) or 1
        once = period_price(full, unit, period)
        return Rate("instance", about, "running", 0.0, full, "Subscription", once, str(body["ExpiredTime"]))
    spot = body.get("SpotStrategy", "NoSpot") != "NoSpot"
    price, charge = (spot_price(about), "Spot") if spot else (full, "PayAsYouGo")
    if state == "stopped" and body["StoppedMode"] != "KeepCharging":
        return Rate("instance", about, "stopped economically", 0.0, price, charge)
    return Rate("instance", about, state, price, price, charge)


def bill(store: Store) -> dict[str, Any]:
    """What is billed per hour at this moment, line by line; what was paid beforehand as the part of an hour."""
    lines: list[dict[str, Any]] = []
    for kind in BILLED:
        for id, body in store.pairs(kind):
            now = rate(kind, body)
            per_hour = round(now.list_per_hour * PREPAID_FACTOR, 4) if now.charge == "Subscription" else now.per_hour
            if per_hour:
                lines.append({"resource": id, "kind": _LINES.get(kind, kind), "per_hour": per_hour})
    total = round(sum(line["per_hour"] for line in lines), 4)
    return {"currency": CURRENCY, "made_up": True, "note": NOTE, "per_hour": total, "lines": lines}
