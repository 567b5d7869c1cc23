"""ALIYUN::ECS::VSwitch: a subnet in one zone."""

from collections.abc import Mapping
from typing import Any, ClassVar

from garret.local_cloud.ros.resources.base import TAGS, Property, ResourceType, Work, delete_until_free
from garret.local_cloud.ros.resources.vpc import NAME_PATTERN


class VSwitch(ResourceType):
    """Made by CreateVSwitch; complete once it is Available."""

    name = "ALIYUN::ECS::VSwitch"
    attributes = ("VSwitchId", "CidrBlock", "VSwitchName")
    replace_on = frozenset({"CidrBlock", "VpcId", "ZoneId"})
    properties: ClassVar[Mapping[str, Property]] = {
        "CidrBlock": Property(required=True),
        "VpcId": Property(required=True),
        "ZoneId": Property(required=True),
        "VSwitchName": Property(pattern=NAME_PATTERN),
        "Description": Property(),
        "Tags": TAGS,
    }

    def create(self, work: Work) -> str:
        """Cuts the subnet and waits until instances can be put into it."""
        asked = {key: work.properties.get(key) for key in self.properties if key != "Tags"}
        reply = work.call("Vpc", "CreateVSwitch", ClientToken=work.token, Tag=work.tag_list(), **asked)
        work.made(reply["VSwitchId"])
        while self._describe(work, reply["VSwitchId"])["Status"] != "Available":
            work.pause(0.05)
        return str(reply["VSwitchId"])

    def _describe(self, work: Work, vswitch_id: str) -> dict[str, Any]:
        found = work.call("Vpc", "DescribeVSwitches", VSwitchId=vswitch_id)["VSwitches"]["VSwitch"]
        return found[0] if found else {"Status": "Missing"}

    def read(self, work: Work) -> dict[str, Any]:
        """VSwitchId, CidrBlock, VSwitchName."""
        found = self._describe(work, work.physical_id)
        return {key: found.get(key, "") for key in self.attributes} | {"VSwitchId": work.physical_id}

    def delete(self, work: Work) -> None:
        """Removes it as soon as no instance is in it any more."""
        delete_until_free(work, "Vpc", "DeleteVSwitch", VSwitchId=work.physical_id)
