"""What the cloud sells: regions, types, zones with stock, images; and to whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from garret.ops.aliyun.session import Session
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
        wanted = {"DestinationResource": "InstanceType", "InstanceChargeType": "PostPaid"}
        reply = self._session.read("ecs", "DescribeAvailableResource", wanted)
        ranked: dict[str, list[tuple[int, str]]] = {}
        for zone in _nested(reply, "AvailableZones", "AvailableZone"):
            for group in _nested(zone, "AvailableResources", "AvailableResource"):
                for sold in _nested(group, "SupportedResources", "SupportedResource"):
                    kind = str(sold.get("Value"))
                    if kind.startswith(f"{family}-"):
                        rank = _STOCK_ORDER.get(sold.get("StatusCategory") or "WithStock", NO_STOCK)
                        ranked.setdefault(kind, []).append((rank, str(zone["ZoneId"])))
        return {
            kind: [zone for rank, zone in sorted(zones) if rank < NO_STOCK] for kind, zones in sorted(ranked.items())
        }

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
