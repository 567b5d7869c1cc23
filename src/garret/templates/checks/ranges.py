"""Private ranges fit together: a VSwitch lies in its VPC, beside its neighbours, and outside the cloud's own range."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

from garret.templates.checks.finding import Finding, Subject

ID = "ranges"
RULE = ""
RESERVED = ipaddress.IPv4Network("100.64.0.0/10")
"""What the cloud's own services use, metadata among them."""

Range = tuple[str, ipaddress.IPv4Network, Any]


def check(subject: Subject) -> Iterator[Finding]:
    """Literals, and the defaults of parameters; what only the cloud will know is left to it."""
    networks = list(_ranges(subject, "ALIYUN::ECS::VPC", ""))
    switches = list(_ranges(subject, "ALIYUN::ECS::VSwitch", "VpcId"))
    for where, network, _ in (*networks, *switches):
        if network.overlaps(RESERVED):
            yield Finding(
                ID, where, f"{network} overlaps {RESERVED}, which the cloud keeps", "for example 192.168.0.0/16"
            )
    owners = {where.split(".")[1]: network for where, network, _ in networks}
    for where, network, vpc in switches:
        around = owners.get(_name(vpc))
        if around is not None and not network.subnet_of(around):
            yield Finding(ID, where, f"{network} is not inside its VPC's {around}", f"a part of {around}")
    for (_, one, vpc), (where, other, beside) in combinations(switches, 2):
        if _name(vpc) and _name(vpc) == _name(beside) and one.overlaps(other):
            yield Finding(ID, where, f"{other} overlaps {one} of the same VPC", "two parts that lie side by side")


def _ranges(subject: Subject, kind: str, owner: str) -> Iterator[Range]:
    for name, properties in subject.resources(kind):
        text = _literal(subject, properties.get("CidrBlock"))
        try:
            network = ipaddress.IPv4Network(text)
        except ValueError:
            continue
        yield f"Resources.{name}.CidrBlock", network, properties.get(owner)


def _literal(subject: Subject, value: Any) -> str:
    if isinstance(value, Mapping) and isinstance(value.get("Ref"), str):
        parameter = subject.section("Parameters").get(value["Ref"])
        value = parameter.get("Default") if isinstance(parameter, Mapping) else None
    return value if isinstance(value, str) else "unknown"


def _name(value: Any) -> str:
    """The resource that a VSwitch names as its VPC."""
    found = value.get("Ref") if isinstance(value, Mapping) else None
    attribute = value.get("Fn::GetAtt") if isinstance(value, Mapping) else None
    if isinstance(attribute, str):
        found = attribute.partition(".")[0]
    elif isinstance(attribute, list) and attribute:
        found = attribute[0]
    return str(found or "")
