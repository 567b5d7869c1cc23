"""What the cloud sells: regions, types, zones with stock, images; and to whom."""

from __future__ import annotations

from typing import Any

from garret.ops.aliyun.session import Session

NO_STOCK = 2
_STOCK_ORDER = {"WithStock": 0, "ClosedWithStock": 1}


class EcsCatalog:
    """The catalogue of one region."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def regions(self) -> list[str]:
        """The ids of all regions."""
        request = _models().DescribeRegionsRequest()
        # Asked of a region that exists: this is how one learns that another does not.
        reply = self._session.call("DescribeRegions", lambda: self._session.ecs_anywhere.describe_regions(request))
        return sorted(region.region_id for region in reply.body.regions.region or [])

    def stock(self, family: str) -> dict[str, list[str]]:
        """The family's types that the region sells, each with the zones that have it now, best stocked first."""
        request = _models().DescribeAvailableResourceRequest(
            region_id=self._session.region, destination_resource="InstanceType", instance_charge_type="PostPaid"
        )
        reply = self._session.call(
            "DescribeAvailableResource", lambda: self._session.ecs.describe_available_resource(request)
        )
        ranked: dict[str, list[tuple[int, str]]] = {}
        for zone in _nested(reply.body.available_zones, "available_zone"):
            for group in _nested(zone.available_resources, "available_resource"):
                for sold in _nested(group.supported_resources, "supported_resource"):
                    if str(sold.value).startswith(f"{family}-"):
                        rank = _STOCK_ORDER.get(sold.status_category or "WithStock", NO_STOCK)
                        ranked.setdefault(sold.value, []).append((rank, zone.zone_id))
        return {
            kind: [zone for rank, zone in sorted(zones) if rank < NO_STOCK] for kind, zones in sorted(ranked.items())
        }

    def newest_image(self, family: str) -> str:
        """The id of the newest image of a family; empty when there is none."""
        request = _models().DescribeImageFromFamilyRequest(region_id=self._session.region, image_family=family)
        reply = self._session.call(
            "DescribeImageFromFamily", lambda: self._session.ecs.describe_image_from_family(request)
        )
        return str(reply.body.image.image_id) if reply.body.image and reply.body.image.image_id else ""

    def account(self) -> str:
        """The id of the account whose keys these are, from STS."""
        return str(self._session.common("sts", "GetCallerIdentity", {}).get("AccountId", ""))


def _nested(parent: Any, name: str) -> list[Any]:
    """The vendor's lists lie in an object of their own, which may be missing."""
    return list(getattr(parent, name) or []) if parent else []


def _models() -> Any:
    from alibabacloud_ecs20140526 import models

    return models
