"""ALIYUN::ECS::VSwitch: a subnet in one zone."""

from collections.abc import Mapping
from typing import Any

from garret.local_cloud.ros.resources.base import (
    ResourceType,
    Work,
    changed,
    delete_until_free,
    given,
    sync_tags,
    tags_drift,
)

_FIELDS = ("CidrBlock", "VpcId", "ZoneId", "VSwitchName", "Description")


class VSwitch(ResourceType):
    """Made by CreateVSwitch; complete once it is Available."""

    name = "ALIYUN::ECS::VSwitch"
    attributes = ("VSwitchId", "CidrBlock", "VSwitchName", "Ipv6CidrBlock")
    carried = frozenset({*_FIELDS, "Tags"})
    updatable = frozenset({"VSwitchName", "Description", "Tags"})

    def create(self, work: Work) -> str:
        """Cuts the subnet and waits until instances can be put into it."""
        asked = given(work, *_FIELDS)
        reply = work.call("Vpc", "CreateVSwitch", ClientToken=work.token, Tag=work.tag_list(), **asked)
        work.made(reply["VSwitchId"])
        while self._describe(work, reply["VSwitchId"]).get("Status") != "Available":
            work.pause(0.05)
        return str(reply["VSwitchId"])

    def _describe(self, work: Work, vswitch_id: str) -> dict[str, Any]:
        found = work.call("Vpc", "DescribeVSwitches", VSwitchId=vswitch_id)["VSwitches"]["VSwitch"]
        return found[0] if found else {}

    def read(self, work: Work) -> dict[str, Any]:
        """VSwitchId, CidrBlock, VSwitchName; there is no IPv6."""
        found = self._describe(work, work.physical_id)
        return {key: found.get(key, "") for key in self.attributes} | {"VSwitchId": work.physical_id}

    def update(self, work: Work, before: Mapping[str, Any]) -> None:
        """Changes the names and tags."""
        if fields := changed(work, before, "VSwitchName", "Description"):
            work.call("Vpc", "ModifyVSwitchAttribute", VSwitchId=work.physical_id, **fields)
        sync_tags(work, before, "Vpc", "VSWITCH", work.physical_id)

    def drift(self, work: Work) -> dict[str, Any] | None:
        """Place, block, names and tags."""
        found = self._describe(work, work.physical_id)
        return {**{key: found[key] for key in _FIELDS}, "Tags": tags_drift(work, found["Tags"])} if found else None

    def delete(self, work: Work) -> None:
        """Removes it as soon as no instance is in it any more."""
        delete_until_free(work, "Vpc", "DeleteVSwitch", VSwitchId=work.physical_id)
