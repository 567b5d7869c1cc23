"""Addresses and disks: what is billed beside the machine."""

from __future__ import annotations

from typing import Any

from garret.ops.aliyun.session import Session
from garret.ops.at_once import at_once
from garret.ops.cloud import DEPLOYMENT_TAG, Billed

PAGE = 50


class VpcNetwork:
    """Addresses (VPC) and disks (ECS) of one region."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def billed(self, deployment: str) -> list[Billed]:
        """Addresses and disks of a deployment that exist."""
        addresses, disks = at_once(lambda: self._addresses(deployment), lambda: self._disks(deployment))
        return [*addresses, *disks]

    def _addresses(self, deployment: str) -> list[Billed]:
        reply = self._session.read("vpc", "DescribeEipAddresses", _tagged(deployment) | {"PageSize": PAGE})
        found = (reply.get("EipAddresses") or {}).get("EipAddress") or []
        return [Billed("address", str(raw["AllocationId"]), str(raw.get("IpAddress", ""))) for raw in found]

    def _disks(self, deployment: str) -> list[Billed]:
        reply = self._session.read("ecs", "DescribeDisks", _tagged(deployment) | {"MaxResults": PAGE})
        found = (reply.get("Disks") or {}).get("Disk") or []
        return [Billed("disk", str(raw["DiskId"]), f"{raw.get('Size')} GiB {raw.get('Category')}") for raw in found]


def _tagged(deployment: str) -> dict[str, Any]:
    return {"Tag": [{"Key": DEPLOYMENT_TAG, "Value": deployment}]}
