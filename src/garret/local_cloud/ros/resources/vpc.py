"""ALIYUN::ECS::VPC: a private network."""

from collections.abc import Mapping
from typing import Any

from garret.local_cloud.ros.resources.base import (
    ResourceType,
    Work,
    changed,
    delete_until_free,
    sync_tags,
    tags_drift,
)


class Vpc(ResourceType):
    """Made by CreateVpc; complete once it is Available."""

    name = "ALIYUN::ECS::VPC"
    attributes = ("VpcId", "VRouterId", "VpcName", "RouteTableId")
    carried = frozenset({"CidrBlock", "VpcName", "Description", "ResourceGroupId", "Tags"})
    updatable = frozenset({"VpcName", "Description", "Tags"})

    def create(self, work: Work) -> str:
        """Makes the network and waits until subnets can be cut from it."""
        asked = {key: work.properties.get(key) for key in ("VpcName", "Description", "ResourceGroupId")}
        cidr = work.properties.get("CidrBlock") or "172.16.0.0/12"
        reply = work.call("Vpc", "CreateVpc", CidrBlock=cidr, ClientToken=work.token, Tag=work.tag_list(), **asked)
        work.made(reply["VpcId"])
        while self._describe(work, reply["VpcId"]).get("Status") != "Available":
            work.pause(0.05)
        return str(reply["VpcId"])

    def _describe(self, work: Work, vpc_id: str) -> dict[str, Any]:
        vpcs = work.call("Vpc", "DescribeVpcs", VpcId=vpc_id)["Vpcs"]["Vpc"]
        return vpcs[0] if vpcs else {}

    def read(self, work: Work) -> dict[str, Any]:
        """VpcId, VRouterId, VpcName, RouteTableId."""
        vpc = self._describe(work, work.physical_id)
        tables = vpc.get("RouterTableIds", {}).get("RouterTableIds", [""])
        names = {key: vpc.get(key, "") for key in ("VRouterId", "VpcName")}
        return {"VpcId": work.physical_id, **names, "RouteTableId": tables[0]}

    def update(self, work: Work, before: Mapping[str, Any]) -> None:
        """Changes the names and tags."""
        if fields := changed(work, before, "VpcName", "Description"):
            work.call("Vpc", "ModifyVpcAttribute", VpcId=work.physical_id, **fields)
        sync_tags(work, before, "Vpc", "VPC", work.physical_id)

    def drift(self, work: Work) -> dict[str, Any] | None:
        """Block, names and tags."""
        vpc = self._describe(work, work.physical_id)
        if not vpc:
            return None
        return {**{key: vpc[key] for key in ("CidrBlock", "VpcName", "Description", "ResourceGroupId")},
                "Tags": tags_drift(work, vpc["Tags"])}  # fmt: skip

    def delete(self, work: Work) -> None:
        """Removes it as soon as nothing lies in it any more."""
        delete_until_free(work, "Vpc", "DeleteVpc", VpcId=work.physical_id)
