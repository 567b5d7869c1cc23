"""Enhanced NAT gateways and their source NAT entries: records with states; no packet passes through them."""

from __future__ import annotations

import ipaddress
from typing import Any

from garret.local_cloud import tagging
from garret.local_cloud.core import ApiError, Call, Cloud, invalid, missing
from garret.local_cloud.ids import new_id
from garret.local_cloud.params import Reply, dry_run, flag, has_tags, once, page, tags
from garret.local_cloud.vpc.networks import find_vpc
from garret.local_cloud.vpc.switches import find_vswitch, free_addresses

_NOT_HERE = ("Ipv4Prefix", "AccessMode.ModeValue", "AccessMode")


def create_nat_gateway(call: Call, cloud: Cloud) -> Reply:
    """Make an enhanced gateway in a VSwitch; Available at once."""
    params, wanted = call.params, tags(call.params)
    for name in _NOT_HERE:
        if params.get(name):
            raise ApiError("InvalidParameter.NotSupported", f"{name}: the local cloud has plain NAT gateways only.")
    if params.get("NatType", "Enhanced") != "Enhanced":
        raise ApiError("InvalidNatType.NotSupported", "NatType must be Enhanced: other gateways are sold no more.")
    if params.get("InstanceChargeType", "PostPaid") != "PostPaid":
        raise ApiError("InvalidParameter.NotSupported", "InstanceChargeType: PrePaid gateways are sold no more.")
    if not params.get("VSwitchId"):
        raise missing("VSwitchId")
    vpc, vswitch = find_vpc(cloud, params["VpcId"]), find_vswitch(cloud, params["VSwitchId"])
    if vswitch["VpcId"] != vpc["VpcId"]:
        raise ApiError("InvalidVSwitchId.NotInVpc", f"{vswitch['VSwitchId']} is in {vswitch['VpcId']}.", 400)
    dry_run(call)

    def create() -> Reply:
        id = new_id("ngw")
        free = free_addresses(cloud, vswitch)
        private = params.get("NatIp", "") or (free[0] if free else "")
        if private not in free:
            raise ApiError("InvalidParameter.NatIp", f"The VSwitch has no free address {private}.")
        body = {
            "NatGatewayId": id,
            "RegionId": call.region,
            "VpcId": vpc["VpcId"],
            "VSwitchId": vswitch["VSwitchId"],
            "PrivateIp": private,
            "Name": params.get("Name", ""),
            "Description": params.get("Description", ""),
            "NetworkType": params.get("NetworkType", "") or "internet",
            "EipBindMode": params.get("EipBindMode", "") or "MULTI_BINDED",
            "IcmpReplyEnabled": flag(params, "IcmpReplyEnabled", True),
            "DeletionProtection": False,
            "SnatTableId": new_id("stb"),
            "ForwardTableId": new_id("ftb"),
            "CreationTime": cloud.clock.stamp(),
            "Tags": wanted,
        }
        cloud.store.put("nat_gateway", id, body, call.region)
        return {
            "NatGatewayId": id,
            "SnatTableIds": {"SnatTableId": [body["SnatTableId"]]},
            "ForwardTableIds": {"ForwardTableId": [body["ForwardTableId"]]},
        }

    return once(call, cloud, create)


def describe_nat_gateways(call: Call, cloud: Cloud) -> Reply:
    """Gateways by id, network, name or tag."""
    params, wanted = call.params, tags(call.params)
    filters = {name: params[name] for name in ("NatGatewayId", "VpcId", "VSwitchId", "Name") if params.get(name)}
    found = [body for body in cloud.store.find("nat_gateway", call.region, **filters) if has_tags(body, wanted)]
    some, counts = page(call, found, high=50)
    return {"NatGateways": {"NatGateway": [_view(cloud, body) for body in some]}, **counts}


def modify_nat_gateway_attribute(call: Call, cloud: Cloud) -> Reply:
    """Change a gateway's name or description."""
    changes: dict[str, object] = {name: call.params[name] for name in ("Name", "Description") if name in call.params}
    with cloud.store.transaction():
        id = find_gateway(cloud, call.params["NatGatewayId"])["NatGatewayId"]
        cloud.store.update("nat_gateway", id, **changes)
    return {}


def delete_nat_gateway(call: Call, cloud: Cloud) -> Reply:
    """Remove a gateway; with Force its entries go and its addresses are free, without it they refuse."""
    id = call.params["NatGatewayId"]
    with cloud.store.transaction():
        gateway = find_gateway(cloud, id)
        entries = cloud.store.find("snat_entry", SnatTableId=gateway["SnatTableId"])
        addresses = cloud.store.find("eip", InstanceId=id)
        force = flag(call.params, "Force")
        for kind, found in (("SNatEntry", entries), ("EIPS", addresses)):
            if found and not force:
                raise ApiError(f"DependencyViolation.{kind}", f"The gateway {id} still has {len(found)} {kind}.")
        dry_run(call)
        for entry in entries:
            cloud.store.delete("snat_entry", entry["SnatEntryId"])
        for address in addresses:
            cloud.store.update("eip", address["AllocationId"], Status="Available", InstanceId="", InstanceType="")
        cloud.store.delete("nat_gateway", id)
    return {}


def create_snat_entry(call: Call, cloud: Cloud) -> Reply:
    """Let a VSwitch or a block go out by addresses that are bound to the gateway."""
    params = call.params
    source, block = params.get("SourceVSwitchId", ""), params.get("SourceCIDR", "")
    if params.get("NetworkInterfaceId"):
        raise ApiError("InvalidParameter.NotSupported", "NetworkInterfaceId: the local cloud has no interfaces.")
    if bool(source) == bool(block):
        raise ApiError("MissingParameter", "SourceVSwitchId or SourceCIDR is needed, one of them.")
    if not params.get("SnatIp"):
        raise missing("SnatIp")

    def create() -> Reply:
        gateway = _gateway_of_table(cloud, params["SnatTableId"])
        cidr = find_vswitch(cloud, source)["CidrBlock"] if source else _block(block)
        known = cloud.store.find("snat_entry", SnatTableId=gateway["SnatTableId"])
        if any(entry["SourceCIDR"] == cidr for entry in known):
            raise ApiError("IncorrectSnatEntry.Duplicated", f"{gateway['SnatTableId']} has an entry of {cidr} already.")
        bound = {one["IpAddress"] for one in cloud.store.find("eip", InstanceId=gateway["NatGatewayId"])}
        for address in params["SnatIp"].split(","):
            if address not in bound:
                raise ApiError("InvalidEIP.NotInGateway", f"{address} is not bound to {gateway['NatGatewayId']}.")
        id = new_id("snat")
        body = {
            "SnatEntryId": id,
            "RegionId": gateway["RegionId"],
            "SnatTableId": gateway["SnatTableId"],
            "NatGatewayId": gateway["NatGatewayId"],
            "SnatIp": params["SnatIp"],
            "SourceVSwitchId": source,
            "SourceCIDR": cidr,
            "SnatEntryName": params.get("SnatEntryName", ""),
            "EipAffinity": params.get("EipAffinity", "") or "0",
            "Status": "Available",
        }
        cloud.store.put("snat_entry", id, body, gateway["RegionId"])
        return {"SnatEntryId": id}

    return once(call, cloud, create)


def modify_snat_entry(call: Call, cloud: Cloud) -> Reply:
    """Change an entry's addresses or name."""
    keys = ("SnatIp", "SnatEntryName", "EipAffinity")
    changes: dict[str, object] = {name: call.params[name] for name in keys if call.params.get(name)}
    if cloud.store.update("snat_entry", call.params["SnatEntryId"], **changes) is None:
        raise _no_entry(call.params["SnatEntryId"])
    return {}


def describe_snat_table_entries(call: Call, cloud: Cloud) -> Reply:
    """Entries of a table or a gateway, by id, source or address."""
    params = call.params
    keys = ("SnatTableId", "SnatEntryId", "NatGatewayId", "SourceVSwitchId", "SourceCIDR", "SnatIp")
    filters = {name: params[name] for name in keys if params.get(name)}
    found = cloud.store.find("snat_entry", call.region, **filters)
    some, counts = page(call, found, high=50)
    hidden = ("RegionId",)
    shown = [{name: value for name, value in body.items() if name not in hidden} for body in some]
    return {"SnatTableEntries": {"SnatTableEntry": shown}, **counts}


def delete_snat_entry(call: Call, cloud: Cloud) -> Reply:
    """Remove an entry."""
    if not cloud.store.delete("snat_entry", call.params["SnatEntryId"]):
        raise _no_entry(call.params["SnatEntryId"])
    return {}


def find_gateway(cloud: Cloud, id: str) -> dict[str, Any]:
    """The gateway of this id; ApiError InvalidNatGatewayId.NotFound otherwise."""
    body = cloud.store.get("nat_gateway", id)
    if body is None:
        raise ApiError("InvalidNatGatewayId.NotFound", f"The NAT gateway {id!r} does not exist.", 404)
    return body


def _gateway_of_table(cloud: Cloud, table: str) -> dict[str, Any]:
    found = cloud.store.find("nat_gateway", SnatTableId=table)
    if not found:
        raise ApiError("InvalidSnatTableId.NotFound", f"The SNAT table {table!r} does not exist.", 404)
    return found[0]


def _no_entry(id: str) -> ApiError:
    return ApiError("InvalidSnatEntryId.NotFound", f"The SNAT entry {id!r} does not exist.", 404)


def _block(text: str) -> str:
    try:
        return str(ipaddress.IPv4Network(text))
    except ValueError as error:
        raise invalid("SourceCIDR", f"{text!r} is no block: {error}") from None


def _view(cloud: Cloud, body: dict[str, Any]) -> dict[str, Any]:
    keys = ("NatGatewayId", "RegionId", "VpcId", "Name", "Description", "NetworkType", "EipBindMode", "CreationTime")
    addresses = cloud.store.find("eip", InstanceId=body["NatGatewayId"])
    vswitch = cloud.store.get("vswitch", body["VSwitchId"]) or {}
    lists = [{"AllocationId": one["AllocationId"], "IpAddress": one["IpAddress"]} for one in addresses]
    return {
        **{name: body[name] for name in keys},
        "NatType": "Enhanced",
        "Status": "Available",
        "BusinessStatus": "Normal",
        "InstanceChargeType": "PostPaid",
        "InternetChargeType": "PayByLcu",
        "IcmpReplyEnabled": body["IcmpReplyEnabled"],
        "DeletionProtection": body["DeletionProtection"],
        "NatGatewayPrivateInfo": {
            "VswitchId": body["VSwitchId"],
            "PrivateIpAddress": body["PrivateIp"],
            "IzNo": vswitch.get("ZoneId", ""),
        },
        "IpLists": {"IpList": lists},
        "SnatTableIds": {"SnatTableId": [body["SnatTableId"]]},
        "ForwardTableIds": {"ForwardTableId": [body["ForwardTableId"]]},
        "Tags": tagging.plain_view(body),
    }
