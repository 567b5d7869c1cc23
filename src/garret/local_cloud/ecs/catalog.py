"""What is for sale where, and for how much: regions, zones, types, stock, prices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from garret.local_cloud import prices
from garret.local_cloud.core import ApiError, Call, Cloud, invalid, missing
from garret.local_cloud.ecs.images import find_image
from garret.local_cloud.ecs.instance_types import (
    DISK_CATEGORIES,
    FAMILY,
    GPU_MEMORY_GIB,
    GPU_SPEC,
    INSTANCE_TYPES,
    InstanceType,
)
from garret.local_cloud.faults import CLOSED, NO_STOCK
from garret.local_cloud.params import Reply, groups, names, number
from garret.local_cloud.regions import REGIONS, default_stock, region_of_zone


def describe_regions(call: Call, _cloud: Cloud) -> Reply:
    """All regions."""
    english = call.params.get("AcceptLanguage", "zh-CN") != "zh-CN"
    return {
        "Regions": {
            "Region": [
                {
                    "RegionId": region.id,
                    "RegionEndpoint": f"ecs.{region.id}.aliyuncs.com",
                    "LocalName": region.name if english else region.chinese_name,
                    "Status": "available",
                }
                for region in REGIONS.values()
            ]
        }
    }


def describe_zones(call: Call, _cloud: Cloud) -> Reply:
    """The zones of a region, each with the types it sells."""
    return {"Zones": {"Zone": [_zone(zone) for zone in REGIONS[call.region].zones]}}


def describe_instance_types(call: Call, _cloud: Cloud) -> Reply:
    """The types, by id or family."""
    wanted = names(call.params, "InstanceTypes")
    families = names(call.params, "InstanceTypeFamilies") or names(call.params, "InstanceTypeFamily")
    kinds = [kind for kind in INSTANCE_TYPES.values() if not wanted or kind.id in wanted]
    if families and FAMILY not in families:
        kinds = []
    return {"InstanceTypes": {"InstanceType": [_type(kind) for kind in kinds]}, "NextToken": ""}


def describe_available_resource(call: Call, cloud: Cloud) -> Reply:
    """Which zones sell which types, and how full the shelves are; only DestinationResource InstanceType."""
    if call.params["DestinationResource"] != "InstanceType":
        raise ApiError(
            "InvalidDestinationResource.ValueNotSupported",
            "garret's local cloud knows DestinationResource=InstanceType.",
        )
    wanted = call.params.get("InstanceType", "")
    if wanted and wanted not in INSTANCE_TYPES:
        return {"AvailableZones": {"AvailableZone": []}}
    zone_id = call.params.get("ZoneId", "")
    if zone_id:
        check_zone(zone_id, call.region)
    zones = [zone for zone in REGIONS[call.region].selling if zone_id in ("", zone)]
    kinds = [wanted] if wanted else list(INSTANCE_TYPES)
    return {"AvailableZones": {"AvailableZone": [_available(cloud, call.region, zone, kinds) for zone in zones]}}


def describe_price(call: Call, cloud: Cloud) -> Reply:
    """The made-up price of instances with their disks, or of a disk alone: per hour, week, month or year."""
    params = call.params
    what = params.get("ResourceType", "") or "instance"
    if what not in ("instance", "disk"):
        text = "garret's local cloud has prices of instances and disks only."
        raise ApiError("InvalidResourceType.ValueNotSupported", text)
    amount, unit, period = number(params, "Amount", 1, 1, 1000), *_period(params)
    sizes = [number(one, "Size", 20, 1, 32768) for one in groups(params, "DataDisk")]
    parts: dict[str, float] = {}
    if what == "instance":
        kind = params.get("InstanceType", "")
        check_type(kind)
        if params.get("ImageId"):
            find_image(cloud, params["ImageId"], call.region)
        size = number(params, "SystemDisk.Size", 40, 20, 32768)
        parts = {"instanceType": _hour(params, kind), "systemDisk": prices.disk_price(size)}
    elif not sizes:
        raise missing("DataDisk.1.Size")
    parts |= {"dataDisk": sum(prices.disk_price(size) for size in sizes)} if sizes else {}
    parts = {name: prices.period_price(price, unit, period) * amount for name, price in parts.items()}
    details = [_price(price) | {"Resource": name} for name, price in parts.items()]
    return {
        "PriceInfo": {
            "Price": {
                **_price(sum(parts.values())),
                "Currency": prices.CURRENCY,
                "DetailInfos": {"DetailInfo": details},
            },
            "Rules": {"Rule": [{"RuleId": 0, "Description": prices.NOTE}]},
        }
    }


def price_of(params: Mapping[str, str], instance_type: str, disk_gib: int) -> float:
    """What one instance of this order costs with its disks: for the period paid beforehand, else for an hour."""
    hour = _hour(params, instance_type) + prices.disk_price(disk_gib)
    if params.get("InstanceChargeType") != "PrePaid":
        return round(hour, 4)
    return prices.period_price(hour, params.get("PeriodUnit", "") or "Month", int(params["Period"]))


def _hour(params: Mapping[str, str], instance_type: str) -> float:
    if params.get("SpotStrategy", "") in ("", "NoSpot"):
        return prices.instance_price(instance_type)
    return prices.spot_price(instance_type)


def _period(params: Mapping[str, str]) -> tuple[str, int]:
    unit = params.get("PriceUnit", "") or "Hour"
    if unit not in prices.HOURS:
        raise invalid("PriceUnit", f"{unit!r} is none of {', '.join(prices.HOURS)}")
    if unit != "Hour" and params.get("SpotStrategy", "") not in ("", "NoSpot"):
        raise ApiError("InvalidParameter.Conflict", "A spot instance has a price per hour: PriceUnit Hour.")
    return unit, number(params, "Period", 1, 1, 1 if unit == "Hour" else 60)


def check_type(instance_type: str) -> InstanceType:
    """The type of this id; ApiError InvalidInstanceType.ValueNotSupported when it is not sold at all."""
    kind = INSTANCE_TYPES.get(instance_type)
    if kind is None:
        text = f"The specified InstanceType {instance_type!r} is not supported: the local cloud sells {FAMILY} only."
        raise ApiError("InvalidInstanceType.ValueNotSupported", text, 403)
    return kind


def check_zone(zone: str, region: str) -> None:
    """Refuse a zone that is not in the region."""
    if zone not in REGIONS[region].zones:
        known = ", ".join(REGIONS[region].zones)
        raise ApiError("InvalidZoneId.NotFound", f"The specified zone {zone!r} is not in {region}: {known}.", 404)


def check_stock(cloud: Cloud, zone: str, instance_type: str) -> None:
    """Refuse what the zone does not sell (Zone.NotOnSale) or has no more of (OperationDenied.NoStock)."""
    word = stock(cloud, zone, instance_type)
    if word is None:
        raise ApiError("Zone.NotOnSale", f"The zone {zone} does not sell {instance_type}.", 403)
    fault = cloud.faults.named("no_stock", zone=zone, type=instance_type, region=_region(zone))
    if word in (NO_STOCK, CLOSED) or fault is not None:  # also one that goes on showing stock
        error = ApiError("OperationDenied.NoStock", f"{instance_type} is sold out in {zone}.", 403)
        error.met = fault
        raise error


def stock(cloud: Cloud, zone: str, instance_type: str) -> str | None:
    """How full a shelf is: what the fault board says, else the made-up table."""
    usual = default_stock(zone, instance_type)
    # A shelf that the board fills is one of its own; a fault empties those only that the zone has.
    said = cloud.faults.stock(zone, instance_type, _region(zone))
    return usual if said is None or (usual is None and said == NO_STOCK) else said


def _region(zone: str) -> str:
    found = region_of_zone(zone)
    return found.id if found else ""


def _price(amount: float) -> dict[str, Any]:
    return {"OriginalPrice": round(amount, 4), "TradePrice": round(amount, 4), "DiscountPrice": 0.0}


def _zone(zone: str) -> dict[str, Any]:
    kinds = [kind for kind in INSTANCE_TYPES if default_stock(zone, kind) is not None]
    return {
        "ZoneId": zone,
        "LocalName": zone,
        "ZoneType": "AvailabilityZone",
        "AvailableInstanceTypes": {"InstanceTypes": kinds},
        "AvailableDiskCategories": {"DiskCategories": list(DISK_CATEGORIES)},
        "AvailableResourceCreation": {"ResourceTypes": ["VSwitch", "Disk", *(["Instance"] if kinds else [])]},
    }


def _type(kind: InstanceType) -> dict[str, Any]:
    return {
        "InstanceTypeId": kind.id,
        "InstanceTypeFamily": FAMILY,
        "InstanceFamilyLevel": "EnterpriseLevel",
        "InstanceCategory": "GPU computing",
        "CpuArchitecture": "X86",
        "CpuCoreCount": kind.vcpu,
        "MemorySize": float(kind.memory_gib),
        "GPUAmount": kind.gpus,
        "GPUSpec": GPU_SPEC,
        "GPUMemorySize": float(GPU_MEMORY_GIB),
        "InstanceBandwidthRx": kind.network_gbps * 1_000_000,
        "InstanceBandwidthTx": kind.network_gbps * 1_000_000,
        "EniQuantity": kind.interfaces,
        "LocalStorageCategory": "",
        "LocalStorageAmount": 0,
    }


def _available(cloud: Cloud, region: str, zone: str, kinds: list[str]) -> dict[str, Any]:
    shelves = [(kind, stock(cloud, zone, kind)) for kind in kinds]
    supported = [_shelf(kind, word) for kind, word in shelves if word is not None]
    full = any(item["Status"] == "Available" for item in supported)
    return {
        "RegionId": region,
        "ZoneId": zone,
        "Status": "Available" if full else "SoldOut",
        "StatusCategory": "WithStock" if full else "WithoutStock",
        "AvailableResources": {
            "AvailableResource": [{"Type": "InstanceType", "SupportedResources": {"SupportedResource": supported}}]
        },
    }


def _shelf(kind: str, word: str) -> dict[str, Any]:
    sold_out = word in (NO_STOCK, CLOSED)
    return {"Value": kind, "Status": "SoldOut" if sold_out else "Available", "StatusCategory": word}
