"""Security groups: their rules are kept and shown; no node of the process driver has a firewall to put them in."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from garret.local_cloud import tagging
from garret.local_cloud.core import ApiError, Call, Cloud, invalid, missing
from garret.local_cloud.ids import new_id
from garret.local_cloud.params import Reply, groups, has_tags, names, number, numbered, once, page, tags
from garret.local_cloud.vpc.networks import find_vpc

PROTOCOLS = ("TCP", "UDP", "ICMP", "GRE", "ALL", "ICMPV6")
RULES_LIMIT = 200


def create_security_group(call: Call, cloud: Cloud) -> Reply:
    """Make a group without rules."""
    params, wanted = call.params, tags(call.params)

    def create() -> Reply:
        vpc_id = params.get("VpcId", "")
        if not vpc_id:
            raise missing("VpcId")  # the vendor's classic network is gone
        find_vpc(cloud, vpc_id)
        id = new_id("sg")
        body = {
            "SecurityGroupId": id,
            "RegionId": call.region,
            "VpcId": vpc_id,
            "SecurityGroupName": params.get("SecurityGroupName", ""),
            "SecurityGroupType": params.get("SecurityGroupType", "normal"),
            "Description": params.get("Description", ""),
            "CreationTime": cloud.clock.stamp(),
            "Rules": [],
            "Tags": wanted,
        }
        cloud.store.put("security_group", id, body, call.region)
        return {"SecurityGroupId": id}

    return once(call, cloud, create)


def authorize_security_group(call: Call, cloud: Cloud) -> Reply:
    """Add rules for what comes in: one in the call itself, or Permissions.N."""
    wanted = groups(call.params, "Permissions") or [dict(call.params)]
    rules = [_rule(cloud, fields) for fields in wanted]
    id = call.params["SecurityGroupId"]
    with cloud.store.transaction():
        known = _find(cloud, id)["Rules"]
        # The same rule again is fine and stays one, as with the vendor.
        fresh = [rule for rule in rules if not any(_same(rule, other) for other in known)]
        if len(known) + len(fresh) > RULES_LIMIT:
            raise ApiError("AuthorizationLimitExceed", f"A security group has at most {RULES_LIMIT} rules.", 403)
        cloud.store.update("security_group", id, Rules=[*known, *fresh])
    return {}


def revoke_security_group(call: Call, cloud: Cloud) -> Reply:
    """Take rules away: by id, or those that say the same; a rule that is not there is fine."""
    ids = numbered(call.params, "SecurityGroupRuleId")
    wanted = groups(call.params, "Permissions") or ([] if ids else [dict(call.params)])
    gone = [_rule(cloud, fields) for fields in wanted]
    id = call.params["SecurityGroupId"]
    with cloud.store.transaction():
        kept = [
            rule
            for rule in _find(cloud, id)["Rules"]
            if rule["SecurityGroupRuleId"] not in ids and not any(_same(rule, other) for other in gone)
        ]
        cloud.store.update("security_group", id, Rules=kept)
    return {}


def describe_security_groups(call: Call, cloud: Cloud) -> Reply:
    """Groups by id, name, network or tag."""
    params, wanted = call.params, tags(call.params)
    ids = names(params, "SecurityGroupIds") or names(params, "SecurityGroupId")
    filters = {name: params[name] for name in ("VpcId", "SecurityGroupName", "SecurityGroupType") if params.get(name)}
    found = [
        body
        for body in cloud.store.find("security_group", call.region, **filters)
        if (not ids or body["SecurityGroupId"] in ids) and has_tags(body, wanted)
    ]
    some, counts = page(call, found)
    shown = [_view(cloud, body) for body in some]
    return {"SecurityGroups": {"SecurityGroup": shown}, "RegionId": call.region, "NextToken": "", **counts}


def describe_security_group_attribute(call: Call, cloud: Cloud) -> Reply:
    """One group with its rules."""
    body = _find(cloud, call.params["SecurityGroupId"])
    rules = [] if call.params.get("Direction", "all") == "egress" else body["Rules"]
    shown = {name: body[name] for name in ("SecurityGroupId", "SecurityGroupName", "Description", "VpcId", "RegionId")}
    return {**shown, "InnerAccessPolicy": "Accept", "Permissions": {"Permission": rules}, "NextToken": ""}


def delete_security_group(call: Call, cloud: Cloud) -> Reply:
    """Remove a group that no instance uses any more."""
    id = call.params["SecurityGroupId"]
    with cloud.store.transaction():
        _find(cloud, id)
        users = [body for body in cloud.store.find("instance") if id in body["SecurityGroupIds"]]
        if users:
            text = f"The security group {id} is still used by {users[0]['InstanceId']}."
            raise ApiError("DependencyViolation", text, 403)
        cloud.store.delete("security_group", id)
    return {}


def _find(cloud: Cloud, id: str) -> dict[str, Any]:
    body = cloud.store.get("security_group", id)
    if body is None:
        raise ApiError("InvalidSecurityGroupId.NotFound", f"The security group {id!r} does not exist.", 404)
    return body


def _rule(cloud: Cloud, fields: Mapping[str, str]) -> dict[str, str]:
    protocol, policy = fields.get("IpProtocol", "").upper(), fields.get("Policy", "Accept").capitalize()
    if protocol not in PROTOCOLS:
        raise ApiError("InvalidIpProtocol.ValueNotSupported", f"IpProtocol must be one of {', '.join(PROTOCOLS)}.")
    if policy not in ("Accept", "Drop"):
        raise ApiError("InvalidPolicy.Malformed", "Policy must be Accept or Drop.")
    source, group = fields.get("SourceCidrIp", ""), fields.get("SourceGroupId", "")
    if not (source or group):
        raise ApiError("MissingParameter.Source", "SourceCidrIp or SourceGroupId is needed.")
    if group:
        _find(cloud, group)
    return {
        "IpProtocol": protocol,
        "PortRange": _port_range(protocol, fields.get("PortRange", "")),
        "SourceCidrIp": _cidr(source) if source else "",
        "SourceGroupId": group,
        "Policy": policy,
        "Priority": str(number(fields, "Priority", 1, 1, 100)),
        "Description": fields.get("Description", ""),
        "Direction": "ingress",
        "NicType": "intranet",
        "CreateTime": cloud.clock.stamp(),
        "SecurityGroupRuleId": new_id("sgr"),
    }


def _cidr(text: str) -> str:
    try:
        return str(ipaddress.IPv4Network(text, strict=False))
    except ValueError:
        raise ApiError("InvalidSourceCidrIp.Malformed", f"SourceCidrIp {text!r} is no IPv4 block.") from None


def _port_range(protocol: str, text: str) -> str:
    if not text:
        raise missing("PortRange")
    match = re.fullmatch(r"(-1|\d{1,5})/(-1|\d{1,5})", text)
    if not match:
        raise invalid("PortRange", f"{text!r} has not the form 80/80")
    low, high = int(match[1]), int(match[2])
    with_ports = protocol in ("TCP", "UDP")
    if with_ports and not 1 <= low <= high <= 65535:
        raise invalid("PortRange", f"{text} is not within 1/65535 in rising order")
    if not with_ports and text != "-1/-1":
        raise invalid("PortRange", f"{protocol} has no ports: -1/-1")
    return text


def _same(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    compared = ("IpProtocol", "PortRange", "SourceCidrIp", "SourceGroupId", "Policy", "Priority")
    return all(one[name] == other[name] for name in compared)


def _view(cloud: Cloud, body: dict[str, Any]) -> dict[str, Any]:
    users = [1 for instance in cloud.store.find("instance") if body["SecurityGroupId"] in instance["SecurityGroupIds"]]
    shown = {name: value for name, value in body.items() if name not in ("Tags", "Rules", "RegionId")}
    return {**shown, "EcsCount": len(users), "RuleCount": len(body["Rules"]), "Tags": tagging.view(body)}
