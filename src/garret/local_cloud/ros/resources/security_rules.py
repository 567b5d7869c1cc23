"""The rules of a security group as a template has them: one form for each, and what differs between two lists."""

from collections.abc import Iterable, Mapping
from typing import Any

from garret.local_cloud.core import ApiError
from garret.local_cloud.ros.resources.base import Work, gone

INGRESS, EGRESS = "Ingress", "Egress"
_COMMON = ("IpProtocol", "PortRange", "SourcePortRange", "Policy", "Priority", "NicType", "Description")
FIELDS = {
    INGRESS: frozenset({*_COMMON, "SourceCidrIp", "Ipv6SourceCidrIp", "SourceGroupId", "DestCidrIp", "Ipv6DestCidrIp"}),
    EGRESS: frozenset({*_COMMON, "DestCidrIp", "Ipv6DestCidrIp", "DestGroupId", "SourceCidrIp", "Ipv6SourceCidrIp"}),
}
_SUFFIX = {INGRESS: "", EGRESS: "Egress"}
_DEFAULTS = {"Policy": "accept", "Priority": "1"}
Rule = dict[str, str]


def plain(rule: Mapping[str, Any]) -> Rule:
    """A rule with texts only, defaults filled in, so that two that mean the same are equal."""
    fields = {key: str(value) for key, value in rule.items() if value not in (None, "") and key in _ALL}
    for key in ("IpProtocol", "Policy"):
        if key in fields:
            fields[key] = fields[key].lower()
    if "Priority" in fields:
        fields["Priority"] = str(int(float(fields["Priority"])))
    fields.pop("NicType", None)  # in a VPC it says nothing
    return {**_DEFAULTS, **fields}


_ALL = FIELDS[INGRESS] | FIELDS[EGRESS]


def by_meaning(rules: Iterable[Mapping[str, Any]]) -> dict[tuple[tuple[str, str], ...], Rule]:
    """Rules by what they let through; descriptions do not count, the last of two alike stays."""
    found = [plain(rule) for rule in rules]
    return {tuple(sorted((k, v) for k, v in rule.items() if k != "Description")): rule for rule in found}


def authorize(work: Work, group_id: str, direction: str, rules: Iterable[Mapping[str, Any]]) -> None:
    """Adds rules, one by one in their order; one that is there already is no failure."""
    for rule in by_meaning(rules).values():
        work.call("Ecs", f"AuthorizeSecurityGroup{_SUFFIX[direction]}", SecurityGroupId=group_id, Permissions=[rule])


def revoke(work: Work, group_id: str, direction: str, rules: Iterable[Mapping[str, Any]]) -> None:
    """Takes rules away; a rule or a group that is gone is no failure."""
    for rule in by_meaning(rules).values():
        try:
            work.call("Ecs", f"RevokeSecurityGroup{_SUFFIX[direction]}", SecurityGroupId=group_id, Permissions=[rule])
        except ApiError as problem:
            if not gone(problem):
                raise


def change(
    work: Work, group_id: str, direction: str, before: Iterable[Mapping[str, Any]], now: Iterable[Mapping[str, Any]]
) -> None:
    """Brings a group from one list to another: first what is new, then what goes; what stays is not touched."""
    old, new = by_meaning(before), by_meaning(now)
    authorize(work, group_id, direction, [rule for key, rule in new.items() if key not in old])
    revoke(work, group_id, direction, [rule for key, rule in old.items() if key not in new])
    reworded = [rule for key, rule in new.items() if key in old and _words(old[key]) != _words(rule)]
    if reworded:
        _reword(work, group_id, direction, reworded)


def _reword(work: Work, group_id: str, direction: str, rules: list[Rule]) -> None:
    wanted = by_meaning(rules)
    for there in present(work, group_id, direction):
        for key, rule in by_meaning([there]).items():
            if key in wanted and _words(rule) != _words(wanted[key]):
                action = "ModifySecurityGroupRule" if direction == INGRESS else "ModifySecurityGroupEgressRule"
                names = {"SecurityGroupId": group_id, "SecurityGroupRuleId": there["SecurityGroupRuleId"]}
                work.call("Ecs", action, Description=_words(wanted[key]), **names)


def present(work: Work, group_id: str, direction: str) -> list[dict[str, Any]]:
    """The group's rules as the cloud has them now."""
    names = {"SecurityGroupId": group_id, "Direction": direction.lower()}
    reply = work.call("Ecs", "DescribeSecurityGroupAttribute", **names)
    return list(reply["Permissions"]["Permission"])


def drifted(work: Work, group_id: str, direction: str, wanted: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A template's list as the cloud has it now: rules that are gone are left out, rules of others do not count."""
    there = by_meaning(present(work, group_id, direction))
    return [dict(rule) for rule in wanted if next(iter(by_meaning([rule]))) in there]


def _words(rule: Mapping[str, str]) -> str:
    return rule.get("Description", "")
