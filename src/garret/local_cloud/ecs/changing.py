"""Changes to an instance that is there: its type, its name, its groups, its password."""

from __future__ import annotations

from typing import Any

from garret.local_cloud.core import ApiError, Call, Cloud, missing
from garret.local_cloud.ecs import catalog, lifecycle, orders
from garret.local_cloud.ecs.instance_types import INSTANCE_TYPES
from garret.local_cloud.ecs.passwords import check_password
from garret.local_cloud.params import Reply, dry_run, flag, numbered, once
from garret.local_cloud.quotas import limits


def modify_instance_spec(call: Call, cloud: Cloud) -> Reply:
    """Give a stopped instance another type; its zone must have one in stock."""
    return once(call, cloud, lambda: _modify_spec(call, cloud, "PostPaid"))


def modify_prepay_instance_spec(call: Call, cloud: Cloud) -> Reply:
    """The same for an instance that was paid for beforehand; the difference in price is not asked for."""
    return once(call, cloud, lambda: _modify_spec(call, cloud, "PrePaid"))


def _modify_spec(call: Call, cloud: Cloud, charge: str) -> Reply:
    body = lifecycle.find_instance(cloud, call.params["InstanceId"])
    _refuse(
        call, "SystemDisk.Category", "Temporary.InternetMaxBandwidthOut", "InternetMaxBandwidthOut", "Disk.1.DiskId"
    )
    wanted = call.params.get("InstanceType", "")
    if not wanted:
        raise missing("InstanceType")
    catalog.check_type(wanted)
    if body.get("InstanceChargeType", "PostPaid") != charge:
        text = f"{body['InstanceId']} is {body.get('InstanceChargeType', 'PostPaid')}: this changes {charge} instances."
        raise ApiError("ChargeTypeViolation", text, 403)
    if body["Status"] != lifecycle.STOPPED:
        text = f"{body['InstanceId']} is {body['Status']}; its type changes while it is Stopped."
        raise ApiError("IncorrectInstanceStatus", text, 403)
    if wanted != body["InstanceType"]:
        catalog.check_stock(cloud, body["ZoneId"], wanted)
        given_up = body["StoppedMode"] == "StopCharging"
        limits.check_vcpus(cloud, body, wanted, less=0 if given_up else INSTANCE_TYPES[body["InstanceType"]].vcpu)
    dry_run(call)
    cloud.store.update("instance", body["InstanceId"], InstanceType=wanted)
    return {"OrderId": ""} if charge == "PrePaid" else {}


def modify_instance_attribute(call: Call, cloud: Cloud) -> Reply:
    """Change names, the description, the security groups, the password, the user-data or the protection."""
    params = call.params
    _refuse(call, "CreditSpecification", "CpuOptions.Core", "Recyclable", "NetworkInterfaceQueueNumber")
    changes: dict[str, object] = {
        name: params[name] for name in ("InstanceName", "Description", "HostName") if params.get(name)
    }
    if params.get("DeletionProtection"):
        changes["DeletionProtection"] = flag(params, "DeletionProtection")
    if params.get("Password"):
        check_password(params["Password"])  # a process node has no log-in that it could open
        changes["PasswordSet"] = True
    with cloud.store.transaction():
        body = lifecycle.find_instance(cloud, params["InstanceId"])
        if "UserData" in params:
            if body["Status"] != lifecycle.STOPPED:
                raise ApiError(
                    "IncorrectInstanceStatus", f"{body['InstanceId']} is {body['Status']}, not Stopped.", 403
                )
            changes["UserData"] = orders.user_data(params)
        if numbered(params, "SecurityGroupIds"):
            changes["SecurityGroupIds"] = orders.security_groups(call, cloud, body["VpcId"])
        cloud.store.update("instance", body["InstanceId"], **changes)
    if "SecurityGroupIds" in changes:
        lifecycle.guard_again(cloud, body["VpcId"])
    return {}


def _refuse(call: Call, *not_here: str) -> None:
    for name in not_here:
        if call.params.get(name):
            raise ApiError("InvalidParameter.NotSupported", f"{name}: the local cloud does not change it.")


def describe_instance_attribute(call: Call, cloud: Cloud) -> Reply:
    """What one instance is, with its user-data left out."""
    body: dict[str, Any] = lifecycle.find_instance(cloud, call.params["InstanceId"])
    names = ("InstanceId", "InstanceName", "Description", "HostName", "InstanceType", "ImageId", "ZoneId", "RegionId")
    return {
        **{name: body[name] for name in names},
        "Status": body["Status"],
        "InstanceChargeType": body.get("InstanceChargeType", "PostPaid"),
        "SecurityGroupIds": {"SecurityGroupId": body["SecurityGroupIds"]},
    }
