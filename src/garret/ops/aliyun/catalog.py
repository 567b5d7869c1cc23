"""What the cloud sells: regions, types, zones with stock, images."""

from __future__ import annotations

from typing import Any

from garret.errors import CloudError
from garret.ops.aliyun.session import Session

_STOCK_ORDER = {"WithStock": 0, "ClosedWithStock": 1}


class EcsCatalog:
    """The catalogue of one region."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def regions(self) -> list[str]:
        """The ids of all regions."""
        request = _models().DescribeRegionsRequest()
        reply = self._session.call("DescribeRegions", lambda: self._session.ecs.describe_regions(request))
        return sorted(region.region_id for region in reply.body.regions.region or [])

    def instance_types(self, family: str) -> list[str]:
        """The types of a family that the region sells."""
        request = _models().DescribeInstanceTypesRequest(instance_type_families=[family])
        reply = self._session.call("DescribeInstanceTypes", lambda: self._session.ecs.describe_instance_types(request))
        return sorted(kind.instance_type_id for kind in reply.body.instance_types.instance_type or [])

    def zones_with(self, instance_type: str) -> list[str]:
        """Zones of the region that sell the type now, best stocked first."""
        request = _models().DescribeAvailableResourceRequest(
            region_id=self._session.region,
            destination_resource="InstanceType",
            instance_charge_type="PostPaid",
            instance_type=instance_type,
        )
        try:
            reply = self._session.call(
                "DescribeAvailableResource", lambda: self._session.ecs.describe_available_resource(request)
            )
        except CloudError as error:
            if error.code.startswith(("InvalidInstanceType", "InvalidResourceType", "InvalidParameter")):
                return []
            raise
        zones = (reply.body.available_zones.available_zone if reply.body.available_zones else []) or []
        ranked = [(_stock_rank(zone, instance_type), zone.zone_id) for zone in zones]
        return [zone for rank, zone in sorted(ranked) if rank < len(_STOCK_ORDER)]

    def newest_image(self, family: str) -> str:
        """The id of the newest image of a family; empty when there is none."""
        request = _models().DescribeImageFromFamilyRequest(region_id=self._session.region, image_family=family)
        reply = self._session.call(
            "DescribeImageFromFamily", lambda: self._session.ecs.describe_image_from_family(request)
        )
        return str(reply.body.image.image_id) if reply.body.image and reply.body.image.image_id else ""


def _stock_rank(zone: Any, instance_type: str) -> int:
    """0 for well stocked, 1 for low, 2 for nothing."""
    for group in (zone.available_resources.available_resource if zone.available_resources else []) or []:
        for sold in (group.supported_resources.supported_resource if group.supported_resources else []) or []:
            if sold.value == instance_type:
                return _STOCK_ORDER.get(sold.status_category or "WithStock", len(_STOCK_ORDER))
    return len(_STOCK_ORDER)


def _models() -> Any:
    from alibabacloud_ecs20140526 import models

    return models
