"""Elastic IP addresses. On Linux each is a loopback address of its own (127.88.x.y), elsewhere all are 127.0.0.1."""

from __future__ import annotations

from typing import Any

from garret.local_cloud import tagging
from garret.local_cloud.core import ApiError, Call, Cloud
from garret.local_cloud.ecs import lifecycle
from garret.local_cloud.ids import new_id
from garret.local_cloud.params import Reply, dry_run, has_tags, names, number, once, page, tags
from garret.local_cloud.quotas import limits
from garret.local_cloud.vpc.gateways import find_gateway
from garret.local_cloud.vpc.loopback import free_address

ECS = "EcsInstance"
BANDWIDTH = {"PayByTraffic": 200, "PayByBandwidth": 500}  # the most, in Mbit/s, of an address paid by the hour


def allocate_eip_address(call: Call, cloud: Cloud) -> Reply:
    """Take an address."""
    params, wanted = call.params, tags(call.params)
    charge = params.get("InternetChargeType", "") or "PayByBandwidth"
    bandwidth = number(params, "Bandwidth", 5, 1, BANDWIDTH[charge])

    def create() -> Reply:
        limits.check(cloud, "eip", call.region)
        id = new_id("eip")
        body = {
            "AllocationId": id,
            "RegionId": call.region,
            "IpAddress": free_address(cloud),
            "Status": "Available",
            "InstanceId": "",
            "InstanceType": "",
            "ResourceGroupId": params.get("ResourceGroupId", ""),
            "Bandwidth": str(bandwidth),
            "InternetChargeType": charge,
            "Name": params.get("Name", ""),
            "Description": params.get("Description", ""),
            "AllocationTime": cloud.clock.stamp(),
            "Tags": wanted,
        }
        cloud.store.put("eip", id, body, call.region)
        return {"AllocationId": id, "EipAddress": body["IpAddress"], "ResourceGroupId": body["ResourceGroupId"]}

    return once(call, cloud, create)


def describe_eip_addresses(call: Call, cloud: Cloud) -> Reply:
    """Addresses by id, address, instance, status or tag."""
    params, wanted = call.params, tags(call.params)
    ids, texts = names(params, "AllocationId"), names(params, "EipAddress")
    instance, status = params.get("AssociatedInstanceId", ""), params.get("Status", "")
    found = [
        body
        for body in cloud.store.find("eip", call.region)
        if (not ids or body["AllocationId"] in ids)
        and (not texts or body["IpAddress"] in texts)
        and instance in ("", body["InstanceId"])
        and status in ("", body["Status"])
        and has_tags(body, wanted)
    ]
    some, counts = page(call, found, high=100)
    return {"EipAddresses": {"EipAddress": [_view(body) for body in some]}, **counts}


def associate_eip_address(call: Call, cloud: Cloud) -> Reply:
    """Give an address to an instance (the node is told in the background) or to a NAT gateway."""
    allocation, instance_id = call.params["AllocationId"], call.params["InstanceId"]
    if call.params.get("InstanceType") == "Nat" or instance_id.startswith("ngw-"):
        return _associate_gateway(cloud, allocation, instance_id)
    with cloud.store.transaction():
        address, instance = find_eip(cloud, allocation), lifecycle.find_instance(cloud, instance_id)
        if address["InstanceId"] == instance_id:
            return {}
        if address["Status"] != "Available":
            raise ApiError("IncorrectEipStatus", f"{allocation} is {address['Status']}, not Available.")
        if address["RegionId"] != instance["RegionId"]:
            raise ApiError("InvalidInstanceId.NotFound", f"{instance_id} is not in {address['RegionId']}.", 404)
        if instance.get("PublicIp"):
            text = f"{instance_id} has {instance['PublicIp']} of its own; order it without bandwidth."
            raise ApiError("InvalidInstance.HasPublicIp", text)
        if instance["EipAllocationId"]:
            raise ApiError("InvalidAssociation.Duplicated", f"{instance_id} has {instance['EipAllocationId']} already.")
        cloud.store.update("eip", allocation, Status="InUse", InstanceId=instance_id, InstanceType=ECS)
        cloud.store.update("instance", instance_id, EipAllocationId=allocation, EipAddress=address["IpAddress"])
    lifecycle.settle_soon(cloud, instance_id)
    return {}


def _associate_gateway(cloud: Cloud, allocation: str, gateway_id: str) -> Reply:
    with cloud.store.transaction():
        address, gateway = find_eip(cloud, allocation), find_gateway(cloud, gateway_id)
        if address["InstanceId"] == gateway_id:
            return {}
        if address["Status"] != "Available":
            raise ApiError("IncorrectEipStatus", f"{allocation} is {address['Status']}, not Available.")
        if address["RegionId"] != gateway["RegionId"]:
            raise ApiError("InvalidNatGatewayId.NotFound", f"{gateway_id} is not in {address['RegionId']}.", 404)
        cloud.store.update("eip", allocation, Status="InUse", InstanceId=gateway_id, InstanceType="Nat")
    return {}


def modify_eip_address_attribute(call: Call, cloud: Cloud) -> Reply:
    """Change an address's bandwidth, name or description, bound or not."""
    params = call.params
    with cloud.store.transaction():
        address = find_eip(cloud, params["AllocationId"])
        changes: dict[str, object] = {name: params[name] for name in ("Name", "Description") if name in params}
        if params.get("Bandwidth"):
            most = BANDWIDTH[address["InternetChargeType"]]
            changes["Bandwidth"] = str(number(params, "Bandwidth", 5, 1, most))
        cloud.store.update("eip", address["AllocationId"], **changes)
    return {}


def unassociate_eip_address(call: Call, cloud: Cloud) -> Reply:
    """Take an address from its instance."""
    allocation = call.params["AllocationId"]
    with cloud.store.transaction():
        address = find_eip(cloud, allocation)
        instance_id = address["InstanceId"]
        if not instance_id:
            raise ApiError("IncorrectEipStatus", f"{allocation} is {address['Status']}, not InUse.")
        if call.params.get("InstanceId", instance_id) != instance_id:
            raise ApiError("InvalidInstanceId.NotFound", f"{allocation} belongs to {instance_id}.")
        if any(address["IpAddress"] in one["SnatIp"].split(",") for one in cloud.store.find("snat_entry")):
            raise ApiError("IncorrectStatus.SnatEntry", f"A SNAT entry uses {address['IpAddress']}: delete it first.")
        cloud.store.update("eip", allocation, Status="Available", InstanceId="", InstanceType="")
        if address.get("InstanceType") == "Nat":
            return {}
        cloud.store.update("instance", instance_id, EipAllocationId="", EipAddress="")
    lifecycle.settle_soon(cloud, instance_id)
    return {}


def release_eip_address(call: Call, cloud: Cloud) -> Reply:
    """Give an address back that no instance has."""
    allocation = call.params["AllocationId"]
    with cloud.store.transaction():
        address = find_eip(cloud, allocation)
        if address["Status"] != "Available":
            raise ApiError(
                "IncorrectEipStatus", f"{allocation} belongs to {address['InstanceId']}: unassociate it first."
            )
        dry_run(call)
        cloud.store.delete("eip", allocation)
    return {}


def find_eip(cloud: Cloud, allocation: str) -> dict[str, Any]:
    """The address of this id; ApiError InvalidAllocationId.NotFound otherwise."""
    body = cloud.store.get("eip", allocation)
    if body is None:
        raise ApiError("InvalidAllocationId.NotFound", f"The address {allocation!r} does not exist.", 404)
    return body


def _view(body: dict[str, Any]) -> dict[str, Any]:
    return {
        **{name: value for name, value in body.items() if name not in ("Tags", "Description")},
        "InstanceType": body.get("InstanceType") or (ECS if body["InstanceId"] else ""),
        "InstanceRegionId": body["RegionId"] if body["InstanceId"] else "",
        "ChargeType": "PostPaid",
        "ISP": "BGP",
        "ExpiredTime": "",
        "Descritpion": body["Description"],  # the vendor's own spelling
        "OperationLocks": {"LockReason": []},
        "Tags": tagging.plain_view(body),
    }
