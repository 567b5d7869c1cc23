"""VSwitches: a network's blocks, each in one zone."""

from __future__ import annotations

import ipaddress
from typing import Any

from garret.local_cloud import tagging
from garret.local_cloud.core import ApiError, Call, Cloud
from garret.local_cloud.ids import new_id
from garret.local_cloud.params import Reply, dry_run, has_tags, names, once, page, tags
from garret.local_cloud.regions import REGIONS
from garret.local_cloud.vpc.networks import find_vpc, parse_block

RESERVED = 4  # the vendor keeps the first address and the last three of every block


def create_vswitch(call: Call, cloud: Cloud) -> Reply:
    """Make a switch; it is available at once."""
    params, wanted = call.params, tags(call.params)
    vpc = find_vpc(cloud, params["VpcId"])
    region, zone = vpc["RegionId"], params["ZoneId"]
    if zone not in REGIONS[region].zones:
        known = ", ".join(REGIONS[region].zones)
        raise ApiError("InvalidZoneId.NotFound", f"The specified zone {zone!r} is not in {region}: {known}.", 404)
    block = parse_block(params["CidrBlock"], 16, 29)
    dry_run(call)

    def create() -> Reply:
        _check_room(cloud, vpc, block)
        id = new_id("vsw")
        body = {
            "VSwitchId": id,
            "VpcId": vpc["VpcId"],
            "RegionId": region,
            "ZoneId": zone,
            "CidrBlock": str(block),
            "VSwitchName": params.get("VSwitchName", ""),
            "Description": params.get("Description", ""),
            "CreationTime": cloud.clock.stamp(),
            "Tags": wanted,
        }
        cloud.store.put("vswitch", id, body, region)
        return {"VSwitchId": id}

    return once(call, cloud, create)


def describe_vswitches(call: Call, cloud: Cloud) -> Reply:
    """Switches by id, network, zone, name or tag."""
    params, wanted = call.params, tags(call.params)
    ids = names(params, "VSwitchId")
    filters = {name: params[name] for name in ("VpcId", "ZoneId", "VSwitchName") if params.get(name)}
    found = [
        body
        for body in cloud.store.find("vswitch", call.region or None, **filters)
        if (not ids or body["VSwitchId"] in ids) and has_tags(body, wanted)
    ]
    some, counts = page(call, found, high=50)
    return {"VSwitches": {"VSwitch": [_view(cloud, body) for body in some]}, **counts}


def modify_vswitch_attribute(call: Call, cloud: Cloud) -> Reply:
    """Change a switch's name or description."""
    keys = ("VSwitchName", "Description")
    changes: dict[str, object] = {name: call.params[name] for name in keys if name in call.params}
    with cloud.store.transaction():
        find_vswitch(cloud, call.params["VSwitchId"])
        cloud.store.update("vswitch", call.params["VSwitchId"], **changes)
    return {}


def delete_vswitch(call: Call, cloud: Cloud) -> Reply:
    """Remove a switch that no instance uses any more."""
    id = call.params["VSwitchId"]
    with cloud.store.transaction():
        find_vswitch(cloud, id)
        if users := cloud.store.find("instance", VSwitchId=id):
            text = f"The VSwitch {id} is still used by {users[0]['InstanceId']}."
            raise ApiError("DependencyViolation", text, 403)
        if gateways := cloud.store.find("nat_gateway", VSwitchId=id):
            text = f"The VSwitch {id} is still used by {gateways[0]['NatGatewayId']}."
            raise ApiError("DependencyViolation.NatGateway", text, 403)
        dry_run(call)
        cloud.store.delete("vswitch", id)
    return {}


def find_vswitch(cloud: Cloud, id: str) -> dict[str, Any]:
    """The switch of this id; ApiError InvalidVSwitchId.NotFound otherwise."""
    body = cloud.store.get("vswitch", id)
    if body is None:
        raise ApiError("InvalidVSwitchId.NotFound", f"The specified VSwitch {id!r} does not exist.", 404)
    return body


def free_addresses(cloud: Cloud, vswitch: dict[str, Any]) -> list[str]:
    """The switch's addresses that nothing has, lowest first."""
    here = {"VSwitchId": vswitch["VSwitchId"]}
    used = {body["PrivateIp"] for kind in ("instance", "nat_gateway") for body in cloud.store.find(kind, **here)}
    block = list(ipaddress.IPv4Network(vswitch["CidrBlock"]))[1 : 1 - RESERVED]
    return [str(address) for address in block if str(address) not in used]


def _check_room(cloud: Cloud, vpc: dict[str, Any], block: ipaddress.IPv4Network) -> None:
    if not block.subnet_of(ipaddress.IPv4Network(vpc["CidrBlock"])):
        raise ApiError("InvalidCidrBlock.NotInVpc", f"{block} is not within the VPC's block {vpc['CidrBlock']}.")
    for other in cloud.store.find("vswitch", VpcId=vpc["VpcId"]):
        if block.overlaps(ipaddress.IPv4Network(other["CidrBlock"])):
            text = f"{block} overlaps {other['CidrBlock']} of {other['VSwitchId']}."
            raise ApiError("InvalidCidrBlock.Overlapped", text)


def _view(cloud: Cloud, body: dict[str, Any]) -> dict[str, Any]:
    size = ipaddress.IPv4Network(body["CidrBlock"]).num_addresses - RESERVED
    users = len(cloud.store.find("instance", VSwitchId=body["VSwitchId"]))
    hidden = ("Tags", "RegionId")
    return {
        **{name: value for name, value in body.items() if name not in hidden},
        "Status": "Available",
        "IsDefault": False,
        "AvailableIpAddressCount": size - users,
        "Tags": tagging.plain_view(body),
    }
