"""ALIYUN::ECS::SecurityGroup and the rules that are resources of their own."""

from collections.abc import Mapping
from typing import Any, ClassVar

from garret.local_cloud.ros.resources.base import (
    ResourceType,
    Work,
    changed,
    delete_until_free,
    given,
    sync_tags,
    tags_drift,
)
from garret.local_cloud.ros.resources.security_rules import (
    EGRESS,
    FIELDS,
    INGRESS,
    authorize,
    change,
    drifted,
    revoke,
)

_LISTS = {"SecurityGroupIngress": INGRESS, "SecurityGroupEgress": EGRESS}
_NAMES = ("SecurityGroupName", "Description")
_ASKED = (*_NAMES, "VpcId", "SecurityGroupType", "ResourceGroupId")


class SecurityGroup(ResourceType):
    """Made by CreateSecurityGroup, then its rules one by one."""

    name = "ALIYUN::ECS::SecurityGroup"
    attributes = ("SecurityGroupId", "SecurityGroupName")
    carried = frozenset({*_ASKED, *_LISTS, "Tags"})
    nested: ClassVar[Mapping[str, frozenset[str]]] = {key: FIELDS[direction] for key, direction in _LISTS.items()}
    updatable = frozenset({*_NAMES, *_LISTS, "Tags"})

    def create(self, work: Work) -> str:
        """Makes the group, then adds the rules in the template's order."""
        asked = given(work, *_ASKED)
        reply = work.call("Ecs", "CreateSecurityGroup", ClientToken=work.token, Tag=work.tag_list(), **asked)
        group_id = str(reply["SecurityGroupId"])
        work.made(group_id)
        for key, direction in _LISTS.items():
            authorize(work, group_id, direction, work.properties.get(key) or [])
        return group_id

    def _describe(self, work: Work) -> dict[str, Any]:
        reply = work.call("Ecs", "DescribeSecurityGroups", SecurityGroupId=work.physical_id)
        found = reply["SecurityGroups"]["SecurityGroup"]
        return found[0] if found else {}

    def read(self, work: Work) -> dict[str, Any]:
        """SecurityGroupId, SecurityGroupName."""
        name = self._describe(work).get("SecurityGroupName", "")
        return {"SecurityGroupId": work.physical_id, "SecurityGroupName": name}

    def update(self, work: Work, before: Mapping[str, Any]) -> None:
        """Changes names and tags, and of the rules only those that differ."""
        if fields := changed(work, before, *_NAMES):
            work.call("Ecs", "ModifySecurityGroupAttribute", SecurityGroupId=work.physical_id, **fields)
        for key, direction in _LISTS.items():
            change(work, work.physical_id, direction, before.get(key) or [], work.properties.get(key) or [])
        sync_tags(work, before, "Ecs", "securitygroup", work.physical_id)

    def drift(self, work: Work) -> dict[str, Any] | None:
        """Names, tags, and which of the template's rules are still there."""
        found = self._describe(work)
        if not found:
            return None
        lists = {
            key: drifted(work, work.physical_id, direction, work.properties.get(key) or [])
            for key, direction in _LISTS.items()
        }
        names = {key: found.get(key, "") for key in _ASKED}
        return {**names, **lists, "Tags": tags_drift(work, found["Tags"])}

    def delete(self, work: Work) -> None:
        """Removes it as soon as no instance is in it any more."""
        delete_until_free(work, "Ecs", "DeleteSecurityGroup", SecurityGroupId=work.physical_id)


class _OneRule(ResourceType):
    """One rule of a group that is there already."""

    direction: ClassVar[str]
    attributes = ()

    def _rules(self, properties: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [dict(properties)]

    def _group(self, work: Work) -> str:
        return str(work.properties["SecurityGroupId"])

    def create(self, work: Work) -> str:
        """Adds the rule to the group."""
        authorize(work, self._group(work), self.direction, self._rules(work.properties))
        return f"{self._group(work)}:{work.token}"

    def read(self, work: Work) -> dict[str, Any]:  # noqa: ARG002 - there is nothing to read
        """A rule has no attributes."""
        return {}

    def update(self, work: Work, before: Mapping[str, Any]) -> None:
        """Puts the new rule in the old one's place."""
        rules = self._rules(work.properties)
        change(work, self._group(work), self.direction, self._rules(before), rules)

    def drift(self, work: Work) -> dict[str, Any] | None:
        """The rule as it is, or nothing when somebody took it away."""
        there = drifted(work, self._group(work), self.direction, self._rules(work.properties))
        return dict(work.properties) if there else None

    def delete(self, work: Work) -> None:
        """Takes the rule out of the group; a group that is gone took it along."""
        revoke(work, self._group(work), self.direction, self._rules(work.properties))


class SecurityGroupIngress(_OneRule):
    """One rule for what comes in."""

    name = "ALIYUN::ECS::SecurityGroupIngress"
    direction = INGRESS
    carried = FIELDS[INGRESS] - {"DestCidrIp", "Ipv6DestCidrIp"} | {"SecurityGroupId"}
    updatable = frozenset({"Policy", "Priority", "Description"})


class SecurityGroupEgress(_OneRule):
    """One rule for what goes out."""

    name = "ALIYUN::ECS::SecurityGroupEgress"
    direction = EGRESS
    carried = FIELDS[EGRESS] - {"SourceCidrIp", "Ipv6SourceCidrIp", "SourcePortRange"} | {"SecurityGroupId"}
    updatable = frozenset({"Policy", "Priority", "Description"})


class _SeveralRules(_OneRule):
    """Some rules of a group that is there already."""

    carried = frozenset({"SecurityGroupId", "Permissions"})
    updatable = frozenset({"Permissions"})

    def _rules(self, properties: Mapping[str, Any]) -> list[dict[str, Any]]:
        return list(properties.get("Permissions") or [])

    def drift(self, work: Work) -> dict[str, Any] | None:
        """The rules that are still there."""
        rules = self._rules(work.properties)
        return {"Permissions": drifted(work, self._group(work), self.direction, rules)}


class SecurityGroupIngresses(_SeveralRules):
    """Rules for what comes in."""

    name = "ALIYUN::ECS::SecurityGroupIngresses"
    direction = INGRESS
    nested: ClassVar[Mapping[str, frozenset[str]]] = {"Permissions": FIELDS[INGRESS]}


class SecurityGroupEgresses(_SeveralRules):
    """Rules for what goes out."""

    name = "ALIYUN::ECS::SecurityGroupEgresses"
    direction = EGRESS
    nested: ClassVar[Mapping[str, frozenset[str]]] = {"Permissions": FIELDS[EGRESS]}
