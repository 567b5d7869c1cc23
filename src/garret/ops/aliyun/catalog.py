"""What the cloud sells: regions, types, zones with stock, images; and to whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from garret.ops.aliyun.session import Session
from garret.ops.records import MachinePrice, Switch
from garret.settings import DEFAULT_REGION

NO_STOCK = 2
_STOCK_ORDER = {"WithStock": 0, "ClosedWithStock": 1}


class EcsCatalog:
    """The catalogue of one region."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def regions(self) -> list[str]:
        """The ids of all regions."""
        # Asked of a region that exists: this is how one learns that another does not.
        reply = self._session.read("ecs", "DescribeRegions", region=DEFAULT_REGION)
        return sorted(str(raw["RegionId"]) for raw in _nested(reply, "Regions", "Region"))

    def stock(self, family: str) -> dict[str, list[str]]:
        """The family's types that the region sells, each with the zones that have it now, best stocked first."""
        return {kind: [zone for zone, word in zones.items() if word in _STOCK_ORDER]
                for kind, zones in self.shelves(family).items()}  # fmt: skip

    def shelves(self, family: str, *, subscription: bool = False, spot: bool = False) -> dict[str, dict[str, str]]:
        """For each type of the family the zones that sell it so, best stocked first, with the cloud's word for it."""
        wanted = {
            "DestinationResource": "InstanceType",
            "InstanceChargeType": "PrePaid" if subscription else "PostPaid",
            "SpotStrategy": "SpotAsPriceGo" if spot else None,
        }
        reply = self._session.read("ecs", "DescribeAvailableResource", wanted)
        ranked: dict[str, list[tuple[int, str, str]]] = {}
        for zone in _nested(reply, "AvailableZones", "AvailableZone"):
            for group in _nested(zone, "AvailableResources", "AvailableResource"):
                for sold in _nested(group, "SupportedResources", "SupportedResource"):
                    kind, word = str(sold.get("Value")), str(sold.get("StatusCategory") or "WithStock")
                    if kind.startswith(f"{family}-"):
                        ranked.setdefault(kind, []).append(
                            (_STOCK_ORDER.get(word, NO_STOCK), str(zone["ZoneId"]), word)
                        )
        return {kind: {zone: word for _, zone, word in sorted(zones)} for kind, zones in sorted(ranked.items())}

    def machine_price(
        self,
        instance_type: str,
        disk_category: str,
        disk_gib: int,
        *,
        unit: str = "Hour",
        period: int = 1,
        spot: str = "",
    ) -> MachinePrice:
        """What a machine with its disk costs for a time; `spot` is the strategy, or empty."""
        wanted = {
            "ResourceType": "instance",
            "InstanceType": instance_type,
            "SystemDisk": {"Category": disk_category, "Size": disk_gib},
            "PriceUnit": unit,
            "Period": period,
            "Amount": 1,
            "InstanceNetworkType": "vpc",
            "SpotStrategy": spot or None,
        }
        price = (self._session.read("ecs", "DescribePrice", wanted).get("PriceInfo") or {}).get("Price") or {}
        details = _nested(price, "DetailInfos", "DetailInfo")
        parts = {str(one.get("Resource")): float(one.get("TradePrice") or 0) for one in details}
        total, disk = float(price.get("TradePrice") or 0), parts.get("systemDisk", 0.0)
        return MachinePrice(total - disk, disk, str(price.get("Currency") or ""), unit)

    def switch(self, vswitch_id: str) -> Switch | None:
        """A VSwitch that exists; None when there is none."""
        reply = self._session.read("vpc", "DescribeVSwitches", {"VSwitchId": vswitch_id})
        for raw in _nested(reply, "VSwitches", "VSwitch"):
            free = int(raw.get("AvailableIpAddressCount") or 0)
            return Switch(str(raw["VSwitchId"]), str(raw["VpcId"]), str(raw["ZoneId"]), free)
        return None

    def newest_image(self, family: str) -> str:
        """The id of the newest image of a family; empty when there is none."""
        reply = self._session.read("ecs", "DescribeImageFromFamily", {"ImageFamily": family})
        return str((reply.get("Image") or {}).get("ImageId") or "")

    def account(self) -> str:
        """The id of the account whose keys these are, from STS."""
        return str(self._session.common("sts", "GetCallerIdentity", {}).get("AccountId", ""))


def _nested(parent: Mapping[str, Any], name: str, member: str) -> list[dict[str, Any]]:
    """The vendor's lists lie in an object of their own, which may be missing."""
    return list((parent.get(name) or {}).get(member) or [])
