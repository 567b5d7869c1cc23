"""VPCs: private networks."""

from __future__ import annotations

import ipaddress
from typing import Any

from garret.local_cloud import tagging
from garret.local_cloud.core import ApiError, Call, Cloud
from garret.local_cloud.ids import new_id
from garret.local_cloud.params import Reply, dry_run, has_tags, names, once, page, tags
from garret.local_cloud.quotas import limits

_PRIVATE = tuple(ipaddress.IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))


def create_vpc(call: Call, cloud: Cloud) -> Reply:
    """Make a network; it is available at once."""
    block = str(parse_block(call.params.get("CidrBlock", "172.16.0.0/12"), 8, 28))
    wanted = tags(call.params)
    dry_run(call)

    def create() -> Reply:
        limits.check(cloud, "vpc", call.region)
        id = new_id("vpc")
        body = {
            "VpcId": id,
            "RegionId": call.region,
            "VpcName": call.params.get("VpcName", ""),
            "Description": call.params.get("Description", ""),
            "CidrBlock": block,
            "CreationTime": cloud.clock.stamp(),
            "VRouterId": new_id("vrt"),
            "RouteTableId": new_id("vtb"),
            "ResourceGroupId": call.params.get("ResourceGroupId", ""),
            "Tags": wanted,
        }
        cloud.store.put("vpc", id, body, call.region)
        return {name: body[name] for name in ("VpcId", "VRouterId", "RouteTableId", "ResourceGroupId")}

    return once(call, cloud, create)


def describe_vpcs(call: Call, cloud: Cloud) -> Reply:
    """Networks by id, name or tag."""
    ids, name, wanted = names(call.params, "VpcId"), call.params.get("VpcName", ""), tags(call.params)
    found = [
        body
        for body in cloud.store.find("vpc", call.region)
        if (not ids or body["VpcId"] in ids) and name in ("", body["VpcName"]) and has_tags(body, wanted)
    ]
    some, counts = page(call, found, high=50)
    return {"Vpcs": {"Vpc": [_view(cloud, body) for body in some]}, **counts}


def modify_vpc_attribute(call: Call, cloud: Cloud) -> Reply:
    """Change a network's name or description."""
    changes: dict[str, object] = {name: call.params[name] for name in ("VpcName", "Description") if name in call.params}
    with cloud.store.transaction():
        find_vpc(cloud, call.params["VpcId"])
        cloud.store.update("vpc", call.params["VpcId"], **changes)
    return {}


def delete_vpc(call: Call, cloud: Cloud) -> Reply:
    """Remove a network that has no switches and no security groups any more."""
    id = call.params["VpcId"]
    with cloud.store.transaction():
        find_vpc(cloud, id)
        for kind, name in (("vswitch", "VSwitch"), ("security_group", "SecurityGroup")):
            if inside := cloud.store.find(kind, VpcId=id):
                text = f"The VPC {id} still has {len(inside)} {name}, first {inside[0][name + 'Id']}."
                raise ApiError(f"DependencyViolation.{name}", text)
        dry_run(call)
        cloud.store.delete("vpc", id)
    return {}


def find_vpc(cloud: Cloud, id: str) -> dict[str, Any]:
    """The network of this id; ApiError InvalidVpcId.NotFound otherwise."""
    body = cloud.store.get("vpc", id)
    if body is None:
        raise ApiError("InvalidVpcId.NotFound", f"The specified VPC {id!r} does not exist.", 404)
    return body


def parse_block(text: str, low: int, high: int) -> ipaddress.IPv4Network:
    """A private IPv4 block whose mask is within `low`..`high`; ApiError InvalidCidrBlock.Malformed otherwise."""
    try:
        block = ipaddress.IPv4Network(text)
    except ValueError as error:
        raise ApiError("InvalidCidrBlock.Malformed", f"The CidrBlock {text!r} is not valid: {error}.") from None
    if not low <= block.prefixlen <= high:
        raise ApiError("InvalidCidrBlock.Malformed", f"The mask of {text} is not within {low} to {high}.")
    if not any(block.subnet_of(private) for private in _PRIVATE):
        raise ApiError("InvalidCidrBlock.Malformed", f"{text} is not within {', '.join(map(str, _PRIVATE))}.")
    return block


def _view(cloud: Cloud, body: dict[str, Any]) -> dict[str, Any]:
    switches = [switch["VSwitchId"] for switch in cloud.store.find("vswitch", VpcId=body["VpcId"])]
    shown = {name: body[name] for name in ("VpcId", "RegionId", "VpcName", "Description", "CidrBlock", "CreationTime")}
    return {
        **shown,
        "VRouterId": body["VRouterId"],
        "RouterTableIds": {"RouterTableIds": [body.get("RouteTableId", "")]},
        "ResourceGroupId": body.get("ResourceGroupId", ""),
        "Status": "Available",
        "IsDefault": False,
        "VSwitchIds": {"VSwitchId": switches},
        "Tags": tagging.plain_view(body),
    }
