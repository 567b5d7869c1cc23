"""Addresses, disks, NAT gateways and snapshots: what is billed beside the machine."""

from __future__ import annotations

from functools import partial
from typing import Any

from garret.ops.aliyun.pages import by_number, by_token
from garret.ops.aliyun.session import Session
from garret.ops.at_once import at_once
from garret.ops.cloud import DEPLOYMENT_TAG, Billed


class VpcNetwork:
    """What one region's VPC and ECS bill beside machines."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def billed(self, deployment: str) -> list[Billed]:
        """Addresses, disks, gateways and snapshots that carry the deployment's tag and exist."""
        looks = (self._addresses, self._disks, self._gateways, self._snapshots)
        return [one for found in at_once(*(partial(look, deployment) for look in looks)) for one in found]

    def _addresses(self, deployment: str) -> list[Billed]:
        wanted = _tagged(deployment)
        found = by_number(self._session, "vpc", "DescribeEipAddresses", wanted, "EipAddresses.EipAddress")
        return [Billed("address", str(raw["AllocationId"]), str(raw.get("IpAddress", ""))) for raw in found]

    def _disks(self, deployment: str) -> list[Billed]:
        found = by_token(self._session, "ecs", "DescribeDisks", _tagged(deployment), "Disks.Disk")
        return [Billed("disk", str(raw["DiskId"]), f"{raw.get('Size')} GiB {raw.get('Category')}") for raw in found]

    def _gateways(self, deployment: str) -> list[Billed]:
        wanted = _tagged(deployment)
        found = by_number(self._session, "vpc", "DescribeNatGateways", wanted, "NatGateways.NatGateway")
        return [Billed("NAT gateway", str(raw["NatGatewayId"]), str(raw.get("Name") or "")) for raw in found]

    def _snapshots(self, deployment: str) -> list[Billed]:
        found = by_token(self._session, "ecs", "DescribeSnapshots", _tagged(deployment), "Snapshots.Snapshot")
        return [Billed("snapshot", str(raw["SnapshotId"]), f"of {raw.get('SourceDiskSize')} GiB") for raw in found]


def _tagged(deployment: str) -> dict[str, Any]:
    return {"Tag": [{"Key": DEPLOYMENT_TAG, "Value": deployment}]}
