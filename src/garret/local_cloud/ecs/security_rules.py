"""One rule of a security group: read from a call's fields, refused when it makes no sense, compared with another."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any

from garret.local_cloud.core import ApiError, Cloud, invalid, missing
from garret.local_cloud.ids import new_id
from garret.local_cloud.params import number

PROTOCOLS = ("TCP", "UDP", "ICMP", "GRE", "ALL", "ICMPV6")
INGRESS, EGRESS = "ingress", "egress"
_OTHER_END = {
    INGRESS: ("SourceCidrIp", "SourceGroupId", "Ipv6SourceCidrIp"),
    EGRESS: ("DestCidrIp", "DestGroupId", "Ipv6DestCidrIp"),
}
_ENDS = (*_OTHER_END[INGRESS], *_OTHER_END[EGRESS])
_COMPARED = ("Direction", "IpProtocol", "PortRange", "SourcePortRange", *_ENDS, "Policy", "Priority", "NicType")
_REFUSED = ("SourcePrefixListId", "DestPrefixListId", "SourceGroupOwnerId", "SourceGroupOwnerAccount",
            "DestGroupOwnerId", "DestGroupOwnerAccount", "PortRangeListId")  # fmt: skip

Rule = dict[str, str]


def read_rule(cloud: Cloud, fields: Mapping[str, str], direction: str, group_of: Callable[[str], Any]) -> Rule:
    """The rule that these fields ask for; `group_of` refuses a security group that does not exist."""
    for name in _REFUSED:
        if fields.get(name):
            raise ApiError("InvalidParameter.NotSupported", f"{name}: the local cloud has neither lists nor others.")
    protocol, policy = fields.get("IpProtocol", "").upper(), (fields.get("Policy", "") or "Accept").capitalize()
    if protocol not in PROTOCOLS:
        raise ApiError("InvalidIpProtocol.ValueNotSupported", f"IpProtocol must be one of {', '.join(PROTOCOLS)}.")
    if policy not in ("Accept", "Drop"):
        raise ApiError("InvalidPolicy.Malformed", "Policy must be Accept or Drop.")
    kinds = fields.get("NicType", "") or "intranet"
    if kinds not in ("intranet", "internet"):
        raise ApiError("InvalidNicType.ValueNotSupported", "NicType must be intranet or internet.")
    source_ports = fields.get("SourcePortRange", "")
    return {
        **_ends(fields, direction, group_of),
        "IpProtocol": protocol,
        "PortRange": _port_range("PortRange", protocol, fields.get("PortRange", "")),
        "SourcePortRange": _port_range("SourcePortRange", protocol, source_ports) if source_ports else "",
        "Policy": policy,
        "Priority": str(number(fields, "Priority", 1, 1, 100)),
        "Description": fields.get("Description", ""),
        "Direction": direction,
        "NicType": "intranet",  # in a VPC there is nothing else, whatever the call says
        "CreateTime": cloud.clock.stamp(),
        "SecurityGroupRuleId": new_id("sgr"),
    }


def same(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether two rules say the same; ids, times and descriptions do not count."""
    return all(one.get(name, "") == other.get(name, "") for name in _COMPARED)


def _ends(fields: Mapping[str, str], direction: str, group_of: Callable[[str], Any]) -> Rule:
    block, group, block6 = (fields.get(name, "") for name in _OTHER_END[direction])
    side = "Source" if direction == INGRESS else "Dest"
    if not (block or group or block6):
        raise ApiError(f"MissingParameter.{side}", f"{side}CidrIp or {side}GroupId is needed.")
    if block and block6:
        text = f"{side}CidrIp and Ipv6{side}CidrIp: a rule has one of them."
        raise ApiError("InvalidParam.SourceIp" if direction == INGRESS else "InvalidParam.DestIp", text)
    if group:
        group_of(group)
    # The near end may be narrowed, too: DestCidrIp of what comes in, SourceCidrIp of what goes out.
    near = {name: _cidr(name, fields[name]) for name in _ENDS if name not in _OTHER_END[direction] and fields.get(name)}
    far = dict(zip(_OTHER_END[direction], ("", group, ""), strict=True))
    names = _OTHER_END[direction]
    far[names[0]], far[names[2]] = (_cidr(names[0], block), _cidr(names[2], block6))
    return {**dict.fromkeys(_ENDS, ""), **near, **far}


def _cidr(name: str, text: str) -> str:
    if not text:
        return ""
    try:
        if "Ipv6" in name:
            return str(ipaddress.IPv6Network(text, strict=False))
        return str(ipaddress.IPv4Network(text, strict=False))
    except ValueError:
        raise ApiError(f"Invalid{name}.Malformed", f"{name} {text!r} is no block of addresses.") from None


def _port_range(name: str, protocol: str, text: str) -> str:
    if not text:
        raise missing(name)
    match = re.fullmatch(r"(-1|\d{1,5})/(-1|\d{1,5})", text)
    if not match:
        raise invalid(name, f"{text!r} has not the form 80/80")
    low, high = int(match[1]), int(match[2])
    with_ports = protocol in ("TCP", "UDP")
    if with_ports and not 1 <= low <= high <= 65535:
        raise invalid(name, f"{text} is not within 1/65535 in rising order")
    if not with_ports and text != "-1/-1":
        raise invalid(name, f"{protocol} has no ports: -1/-1")
    return text
