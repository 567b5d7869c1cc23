"""The ingress rules in force for an instance: what its security groups say, as one list.

As the vendor has it: all groups of an instance count together; a smaller priority comes first, and drop before accept
at the same one; within a normal group its members reach each other; what nothing accepts is dropped. Nodes speak IPv4
only, so rules for IPv6 say nothing to them; a rule for GRE is passed over likewise.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from garret.local_cloud.core import Cloud
from garret.local_cloud.ecs.security_rules import INGRESS
from garret.local_cloud.nodes.driver import Rule

PORTS = (1, 65_535)
AFTER_ALL = 101  # members of a group reach each other unless a rule (1 to 100) says otherwise
_PROTOCOLS = {"TCP": "tcp", "UDP": "udp", "ICMP": "icmp", "ALL": "all"}

Groups = Sequence[Mapping[str, Any]]
Members = Mapping[str, Sequence[str]]


def rules_of(cloud: Cloud, instance: Mapping[str, Any], members: Members | None = None) -> tuple[Rule, ...]:
    """The ingress rules in force for an instance, as its groups and their members (of its network) are now."""
    if members is None:
        members = members_of(cloud.store.find("instance", VpcId=instance["VpcId"]))
    found = (cloud.store.get("security_group", id) for id in instance["SecurityGroupIds"])
    return ingress([group for group in found if group], members, instance["PrivateIp"])


def ingress(groups: Groups, members: Members, private_ip: str) -> tuple[Rule, ...]:
    """The rules of these groups for an instance with this address; `members` are private addresses by group id."""
    rules: set[Rule] = set()
    others = {id: [address for address in addresses if address != private_ip] for id, addresses in members.items()}
    for group in groups:
        for rule in group["Rules"]:
            if rule["Direction"] == INGRESS:
                rules.update(_read(rule, others, private_ip))
        if group["SecurityGroupType"] == "normal":
            rules.update(
                Rule("all", *PORTS, f"{address}/32", "accept", AFTER_ALL)
                for address in others.get(group["SecurityGroupId"], ())
            )
    return tuple(sorted(rules, key=_order))


def digest(rules: tuple[Rule, ...]) -> str:
    """A short text that differs when the rules do."""
    return hashlib.sha256(repr(rules).encode()).hexdigest()[:32]


def _order(rule: Rule) -> tuple[object, ...]:
    return (rule.priority, rule.policy != "drop", rule.protocol, rule.port_from, rule.port_to, rule.cidr)


def _read(rule: Mapping[str, str], members: Members, private_ip: str) -> Iterable[Rule]:
    protocol, near = _PROTOCOLS.get(rule["IpProtocol"]), rule["DestCidrIp"]
    if protocol is None or (near and ipaddress.IPv4Address(private_ip) not in ipaddress.IPv4Network(near)):
        return
    policy = rule["Policy"].lower()
    if policy == "accept" and rule["SourcePortRange"] not in ("", "-1/-1", "1/65535"):
        return  # nobody looks at the ports that callers come from: rather let nobody in than everybody
    ports = [int(text) for text in rule["PortRange"].split("/")]
    low, high = ports if protocol in ("tcp", "udp") else PORTS
    for block in _sources(rule, members):
        yield Rule(protocol, low, high, block, policy, int(rule["Priority"]))


def _sources(rule: Mapping[str, str], members: Members) -> list[str]:
    if rule["SourceCidrIp"]:  # with a group beside it, the block counts
        return [rule["SourceCidrIp"]]
    return [f"{address}/32" for address in members.get(rule["SourceGroupId"], ())]


def members_of(instances: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The private addresses of these instances by the groups that they are in."""
    found: dict[str, list[str]] = {}
    for body in instances:
        for group in body["SecurityGroupIds"]:
            found.setdefault(group, []).append(body["PrivateIp"])
    return found
