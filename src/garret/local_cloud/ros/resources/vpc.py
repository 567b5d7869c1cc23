"""ALIYUN::ECS::VPC: a private network."""

from collections.abc import Mapping
from typing import Any, ClassVar

from garret.local_cloud.ros.resources.base import TAGS, Property, ResourceType, Work, delete_until_free

NAME_PATTERN = r"(?!http://|https://).{1,128}"


class Vpc(ResourceType):
    """Made by CreateVpc; complete once it is Available."""

    name = "ALIYUN::ECS::VPC"
    attributes = ("VpcId", "VRouterId", "VpcName")
    replace_on = frozenset({"CidrBlock", "EnableIpv6"})
    properties: ClassVar[Mapping[str, Property]] = {
        "CidrBlock": Property(),
        "VpcName": Property(pattern=NAME_PATTERN),
        "Description": Property(),
        "EnableIpv6": Property("boolean", allowed=("false",)),
        "Tags": TAGS,
    }

    def create(self, work: Work) -> str:
        """Makes the network and waits until subnets can be cut from it."""
        asked = {key: work.properties.get(key) for key in ("VpcName", "Description")}
        cidr = work.properties.get("CidrBlock") or "172.16.0.0/12"
        reply = work.call("Vpc", "CreateVpc", CidrBlock=cidr, ClientToken=work.token, Tag=work.tag_list(), **asked)
        work.made(reply["VpcId"])
        while self._describe(work, reply["VpcId"])["Status"] != "Available":
            work.pause(0.05)
        return str(reply["VpcId"])

    def _describe(self, work: Work, vpc_id: str) -> dict[str, Any]:
        vpcs = work.call("Vpc", "DescribeVpcs", VpcId=vpc_id)["Vpcs"]["Vpc"]
        return vpcs[0] if vpcs else {"Status": "Missing", "VpcId": vpc_id}

    def read(self, work: Work) -> dict[str, Any]:
        """VpcId, VRouterId, VpcName."""
        vpc = self._describe(work, work.physical_id)
        return {"VpcId": work.physical_id, "VRouterId": vpc.get("VRouterId", ""), "VpcName": vpc.get("VpcName", "")}

    def delete(self, work: Work) -> None:
        """Removes it as soon as nothing lies in it any more."""
        delete_until_free(work, "Vpc", "DeleteVpc", VpcId=work.physical_id)
