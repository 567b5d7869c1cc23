"""ALIYUN::ECS::SecurityGroup and ALIYUN::ECS::SecurityGroupIngress: who may reach an instance."""

from collections.abc import Mapping
from typing import Any, ClassVar

from garret.local_cloud.core import ApiError
from garret.local_cloud.ros.resources.base import TAGS, Property, ResourceType, Work, delete_until_free, gone

_RULE = {
    "IpProtocol": Property(required=True, allowed=("tcp", "udp", "icmp", "gre", "all", "icmpv6")),
    "PortRange": Property(required=True, pattern=r"-?\d+/-?\d+"),
    "Policy": Property(allowed=("accept", "drop")),
    "Priority": Property("number", minimum=1, maximum=100),
    "NicType": Property(allowed=("internet", "intranet")),
    "Description": Property(minimum=1, maximum=512),
    "SourcePortRange": Property(),
}
_INGRESS = {**_RULE, "SourceCidrIp": Property(), "Ipv6SourceCidrIp": Property(), "SourceGroupId": Property()}


def authorize(work: Work, group_id: str, rule: dict[str, Any]) -> None:
    """Adds one rule; one that is there already is no failure."""
    try:
        work.call("Ecs", "AuthorizeSecurityGroup", SecurityGroupId=group_id, Permissions=[rule])
    except ApiError as problem:
        if "Duplicate" not in problem.code:
            raise


def revoke(work: Work, group_id: str, rule: dict[str, Any]) -> None:
    """Takes one rule out; a group that is gone took it along."""
    try:
        work.call("Ecs", "RevokeSecurityGroup", SecurityGroupId=group_id, Permissions=[rule])
    except ApiError as problem:
        if not gone(problem):
            raise


class SecurityGroup(ResourceType):
    """Made by CreateSecurityGroup, then its rules one by one."""

    name = "ALIYUN::ECS::SecurityGroup"
    attributes = ("SecurityGroupId", "SecurityGroupName")
    updatable = frozenset({"SecurityGroupIngress"})
    replace_on = frozenset({"VpcId", "SecurityGroupType"})
    properties: ClassVar[Mapping[str, Property]] = {
        "SecurityGroupName": Property(),
        "Description": Property(),
        "VpcId": Property(),
        "SecurityGroupType": Property(allowed=("normal", "enterprise")),
        "SecurityGroupIngress": Property("list", items=Property("map", keys=_INGRESS)),
        "Tags": TAGS,
    }

    def create(self, work: Work) -> str:
        """Makes the group, then adds the rules in the template's order."""
        lists = ("SecurityGroupIngress", "Tags")
        asked = {key: work.properties.get(key) for key in self.properties if key not in lists}
        reply = work.call("Ecs", "CreateSecurityGroup", ClientToken=work.token, Tag=work.tag_list(), **asked)
        group_id = str(reply["SecurityGroupId"])
        work.made(group_id)
        for rule in work.properties.get("SecurityGroupIngress") or []:
            authorize(work, group_id, rule)
        return group_id

    def update(self, work: Work, before: Mapping[str, Any]) -> None:
        """Adds the rules that are new, then takes away those that are no more."""
        wanted = work.properties.get("SecurityGroupIngress") or []
        for rule in wanted:
            authorize(work, work.physical_id, rule)
        for rule in before.get("SecurityGroupIngress") or []:
            if rule not in wanted:
                revoke(work, work.physical_id, rule)

    def read(self, work: Work) -> dict[str, Any]:
        """SecurityGroupId, SecurityGroupName."""
        name = work.properties.get("SecurityGroupName") or ""
        return {"SecurityGroupId": work.physical_id, "SecurityGroupName": name}

    def delete(self, work: Work) -> None:
        """Removes it as soon as no instance is in it any more."""
        delete_until_free(work, "Ecs", "DeleteSecurityGroup", SecurityGroupId=work.physical_id)


class SecurityGroupIngress(ResourceType):
    """One rule of a group that is there already."""

    name = "ALIYUN::ECS::SecurityGroupIngress"
    attributes = ()
    properties: ClassVar[Mapping[str, Property]] = {**_INGRESS, "SecurityGroupId": Property(required=True)}

    def create(self, work: Work) -> str:
        """Adds the rule to the group."""
        group_id = str(work.properties["SecurityGroupId"])
        authorize(work, group_id, self._rule(work))
        return f"{group_id}:{work.token}"

    def _rule(self, work: Work) -> dict[str, Any]:
        return {key: value for key, value in work.properties.items() if key != "SecurityGroupId"}

    def read(self, work: Work) -> dict[str, Any]:  # noqa: ARG002 - there is nothing to read
        """A rule has no attributes."""
        return {}

    def delete(self, work: Work) -> None:
        """Takes the rule out of the group; a group that is gone took it along."""
        revoke(work, str(work.properties["SecurityGroupId"]), self._rule(work))
