"""Addresses and disks: what is billed beside the machine."""

from __future__ import annotations

from typing import Any

from garret.ops.aliyun.session import Session
from garret.ops.cloud import DEPLOYMENT_TAG, Billed

PAGE = 50


class VpcNetwork:
    """Addresses (VPC) and disks (ECS) of one region."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def billed(self, deployment: str) -> list[Billed]:
        """Addresses and disks of a deployment that exist."""
        return [*self._addresses(deployment), *self._disks(deployment)]

    def _addresses(self, deployment: str) -> list[Billed]:
        wanted = {"Tag.1.Key": DEPLOYMENT_TAG, "Tag.1.Value": deployment, "PageSize": str(PAGE)}
        reply = self._session.common("vpc", "DescribeEipAddresses", wanted)
        found = (reply.get("EipAddresses") or {}).get("EipAddress") or []
        return [Billed("address", str(raw["AllocationId"]), str(raw.get("IpAddress", ""))) for raw in found]

    def _disks(self, deployment: str) -> list[Billed]:
        models = _models()
        tag = models.DescribeDisksRequestTag(key=DEPLOYMENT_TAG, value=deployment)
        request = models.DescribeDisksRequest(region_id=self._session.region, tag=[tag], max_results=PAGE)
        reply = self._session.call("DescribeDisks", lambda: self._session.ecs.describe_disks(request))
        found = (reply.body.disks.disk if reply.body.disks else []) or []
        return [Billed("disk", raw.disk_id, f"{raw.size} GiB {raw.category}") for raw in found]


def _models() -> Any:
    from alibabacloud_ecs20140526 import models

    return models
