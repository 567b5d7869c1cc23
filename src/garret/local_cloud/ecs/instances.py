"""Instances: making them and looking at them. What becomes of them afterwards is in `lifecycle` and `power`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from garret.local_cloud import metadata, tagging
from garret.local_cloud.clock import minute_stamp
from garret.local_cloud.core import ApiError, Call, Cloud, missing
from garret.local_cloud.ecs import catalog, charging, disks, lifecycle, orders
from garret.local_cloud.ecs.images import Image
from garret.local_cloud.ecs.instance_types import DISK_CATEGORIES, FAMILY, GPU_SPEC, INSTANCE_TYPES
from garret.local_cloud.ids import new_id
from garret.local_cloud.params import Reply, dry_run, flag, has_tags, names, number, numbered, once, page, tags
from garret.local_cloud.quotas import limits
from garret.local_cloud.vpc.loopback import free_address
from garret.local_cloud.vpc.switches import free_addresses

_SHOWN = (
    "InstanceId",
    "RegionId",
    "ZoneId",
    "InstanceType",
    "ImageId",
    "InstanceName",
    "HostName",
    "Description",
    "KeyPairName",
    "CreationTime",
    "StartTime",
    "StoppedMode",
    "DeletionProtection",
    "SpotStrategy",
)


def run_instances(call: Call, cloud: Cloud) -> Reply:
    """Make instances and boot them in the background: Pending, Starting, Running."""
    return once(call, cloud, lambda: _run(call, cloud))


def describe_instances(call: Call, cloud: Cloud) -> Reply:
    """Instances by id, name, type, status, network, address or tag."""
    found = _filtered(call, cloud)
    some, counts = page(call, found)
    return {"Instances": {"Instance": [_view(body) for body in some]}, "NextToken": "", **counts}


def describe_instance_status(call: Call, cloud: Cloud) -> Reply:
    """Ids and statuses only."""
    ids, zone = numbered(call.params, "InstanceId"), call.params.get("ZoneId", "")
    found = [
        body
        for body in lifecycle.observed(cloud, call.region)
        if (not ids or body["InstanceId"] in ids) and zone in ("", body["ZoneId"])
    ]
    some, counts = page(call, found, high=50)
    shown = [{"InstanceId": body["InstanceId"], "Status": _status(body)} for body in some]
    return {"InstanceStatuses": {"InstanceStatus": shown}, **counts}


def describe_user_data(call: Call, cloud: Cloud) -> Reply:
    """The user-data an instance was made with, in Base64."""
    body = lifecycle.find_instance(cloud, call.params["InstanceId"])
    return {"InstanceId": body["InstanceId"], "RegionId": body["RegionId"], "UserData": body["UserData"]}


def _run(call: Call, cloud: Cloud) -> Reply:
    params = call.params
    amount = number(params, "Amount", 1, 1, 100)
    orders.refuse_unknown(params)
    if not params.get("InstanceType"):
        raise missing("InstanceType")
    kind = catalog.check_type(params["InstanceType"])
    vswitch = orders.vswitch(call, cloud)
    catalog.check_stock(cloud, vswitch["ZoneId"], kind.id)
    image = orders.image(call, cloud)
    groups_of_it = orders.security_groups(call, cloud, vswitch["VpcId"])
    disk = orders.system_disk(params, image)
    data_disks = disks.data_disks(cloud, params, DISK_CATEGORIES)
    paid = charging.read_charge(params, kind.id, cloud.clock.now())
    limits.check_vcpus(cloud, {**paid, "RegionId": call.region}, kind.id, amount)
    more = {**paid, **orders.log_in(call, cloud), "SecurityGroupIds": groups_of_it}
    # With some, an instance has a public address of its own, that it keeps until it is stopped economically.
    more["Bandwidth"] = number(params, "InternetMaxBandwidthOut", 0, 0, 100)
    more |= {**orders.metadata_options(params), "UserData": orders.user_data(params), "Tags": tags(params)}
    free = free_addresses(cloud, vswitch)
    address = params.get("PrivateIpAddress", "")
    if address and (address not in free or amount > 1):
        raise ApiError("InvalidPrivateIpAddress.Duplicated", f"The address {address} is not free in the VSwitch.")
    if len(free) < amount:
        raise ApiError("InvalidVSwitchId.IpNotEnough", f"The VSwitch has {len(free)} free addresses.")
    dry_run(call)
    ids = []
    for private_ip in [address] if address else free[:amount]:
        public = {"PublicIp": free_address(cloud) if more["Bandwidth"] else ""}
        body = {**_body(call, cloud, vswitch, image, private_ip), **more, **public}
        cloud.store.put("instance", body["InstanceId"], body, body["RegionId"])
        _put_disks(cloud, body, disk, data_disks)
        ids.append(body["InstanceId"])
        lifecycle.settle_soon(cloud, body["InstanceId"])
    lifecycle.guard_again(cloud, vswitch["VpcId"])
    price = catalog.price_of(params, kind.id, disk["Size"] + sum(one["Size"] for one in data_disks))
    return {"InstanceIdSets": {"InstanceIdSet": ids}, "TradePrice": round(amount * price, 4), "OrderId": ""}


def _body(call: Call, cloud: Cloud, vswitch: dict[str, Any], image: Image, private_ip: str) -> dict[str, Any]:
    params, id = call.params, new_id("i")
    return {
        "InstanceId": id,
        "RegionId": vswitch["RegionId"],
        "ZoneId": vswitch["ZoneId"],
        "InstanceType": params["InstanceType"],
        "ImageId": image.id,
        "OSName": image.os_name,
        "InstanceName": params.get("InstanceName", "") or id,
        "HostName": params.get("HostName", "") or id.replace("-", ""),
        "Description": params.get("Description", ""),
        "VpcId": vswitch["VpcId"],
        "VSwitchId": vswitch["VSwitchId"],
        "PrivateIp": private_ip,
        "EipAllocationId": "",
        "EipAddress": "",
        "AddressTold": "",
        "ResourceGroupId": params.get("ResourceGroupId", ""),
        "DeletionProtection": flag(params, "DeletionProtection"),
        "CreationTime": minute_stamp(cloud.clock.now()),
        "StartTime": "",
        "Status": "Pending",
        "StoppedMode": "Not-applicable",
        "Goal": lifecycle.RUNNING,
        "Made": False,
        "ForceStop": False,
        "Trouble": "",
    }


def _put_disks(cloud: Cloud, instance: dict[str, Any], system: dict[str, Any], others: list[dict[str, Any]]) -> None:
    now = cloud.clock.stamp()
    place = {name: instance[name] for name in ("RegionId", "ZoneId", "InstanceId")} | {"AttachedTime": now}
    first = {"Type": "system", "Device": "/dev/xvda", "ImageId": instance["ImageId"], "DeleteWithInstance": True}
    disks.put_disk(cloud, {**system, **first, **place, "Status": "In_use"}, instance["Tags"])
    for fields in others:
        disks.put_disk(cloud, {**fields, **place}, instance["Tags"])


def _filtered(call: Call, cloud: Cloud) -> list[dict[str, Any]]:
    params, wanted = call.params, tags(call.params)
    ids = names(params, "InstanceIds")
    if len(ids) > 100:
        raise ApiError("InvalidParameter", "InstanceIds: at most 100.")
    same = ("VpcId", "VSwitchId", "ZoneId", "InstanceType", "ImageId", "KeyPairName", "InstanceChargeType")
    filters = {name: params[name] for name in (*same, "ResourceGroupId") if params.get(name)}
    status, name, group = params.get("Status", ""), params.get("InstanceName", ""), params.get("SecurityGroupId", "")
    private, elastic = names(params, "PrivateIpAddresses"), names(params, "EipAddresses")
    return [
        body
        for body in lifecycle.observed(cloud, call.region, **filters)
        if (not ids or body["InstanceId"] in ids)
        and status in ("", _status(body))
        and (not name or _like(name, body["InstanceName"]))
        and (not group or group in body["SecurityGroupIds"])
        and (not private or body["PrivateIp"] in private)
        and (not elastic or body["EipAddress"] in elastic)
        and has_tags(body, wanted)
    ]


def _like(pattern: str, name: str) -> bool:
    if pattern.startswith("*") or pattern.endswith("*"):
        return pattern.strip("*") in name
    return pattern == name


def _status(body: Mapping[str, Any]) -> str:
    return "Stopping" if body["Goal"] == lifecycle.DELETED and body["Status"] != "Stopped" else str(body["Status"])


def _view(body: dict[str, Any]) -> dict[str, Any]:
    kind = INSTANCE_TYPES[body["InstanceType"]]
    return {
        **{name: body[name] for name in _SHOWN},
        "Status": _status(body),
        "InstanceTypeFamily": FAMILY,
        "Cpu": kind.vcpu,
        "Memory": kind.memory_gib * 1024,
        "GPUAmount": kind.gpus,
        "GPUSpec": GPU_SPEC,
        "OSType": "linux",
        "OSName": body.get("OSName", ""),
        "InstanceChargeType": body.get("InstanceChargeType", "PostPaid"),
        "SpotPriceLimit": body.get("SpotPriceLimit", 0.0),
        "SpotDuration": body.get("SpotDuration", 1),
        "SpotInterruptionBehavior": body.get("SpotInterruptionBehavior", ""),
        "SaleCycle": body.get("PeriodUnit", "").lower(),
        "ResourceGroupId": body.get("ResourceGroupId", ""),
        "InternetChargeType": "PayByTraffic",
        "InternetMaxBandwidthOut": body.get("Bandwidth", 0),
        "InstanceNetworkType": "vpc",
        "IoOptimized": True,
        "DeviceAvailable": True,
        "ExpiredTime": body.get("ExpiredTime", charging.NEVER),
        "AutoReleaseTime": body.get("AutoReleaseTime", ""),
        "SecurityGroupIds": {"SecurityGroupId": body["SecurityGroupIds"]},
        "PublicIpAddress": {"IpAddress": [body["PublicIp"]] if body.get("PublicIp") else []},
        "InnerIpAddress": {"IpAddress": []},
        "EipAddress": {
            "AllocationId": body["EipAllocationId"],
            "IpAddress": body["EipAddress"],
            "InternetChargeType": "PayByTraffic" if body["EipAddress"] else "",
        },
        "SerialNumber": metadata.serial_number(body["InstanceId"]),
        "NetworkInterfaces": {"NetworkInterface": [_interface(body)]},
        "VpcAttributes": {
            "VpcId": body["VpcId"],
            "VSwitchId": body["VSwitchId"],
            "NatIpAddress": "",
            "PrivateIpAddress": {"IpAddress": [body["PrivateIp"]]},
        },
        "MetadataOptions": {"HttpEndpoint": body["HttpEndpoint"], "HttpTokens": body["HttpTokens"]},
        "OperationLocks": {"LockReason": _locks(body)},
        "Tags": tagging.view(body),
    }


def _interface(body: Mapping[str, Any]) -> dict[str, Any]:
    address = {"PrivateIpAddress": body["PrivateIp"], "Primary": True}
    return {
        "NetworkInterfaceId": metadata.interface_of(body["InstanceId"]),
        "MacAddress": metadata.mac_of(body["InstanceId"]),
        "PrimaryIpAddress": body["PrivateIp"],
        "Type": "Primary",
        "PrivateIpSets": {"PrivateIpSet": [address]},
    }


def _locks(body: Mapping[str, Any]) -> list[dict[str, str]]:
    locks = (
        [{"LockReason": "Recycling", "LockMsg": f"released at {body['ReclaimAt']}"}] if body.get("ReclaimAt") else []
    )
    # The vendor has no field for "the driver could not boot it"; a lock reason is where a reader looks for trouble.
    return locks + ([{"LockReason": "local-cloud-trouble", "LockMsg": body["Trouble"]}] if body["Trouble"] else [])
