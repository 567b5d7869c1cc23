"""What Instance and InstanceGroup have in common: ordering machines, looking at them, changing and releasing them."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from garret.local_cloud.core import ApiError
from garret.local_cloud.ros.resources.base import FailedError, Work, gone, truth, whole

AMOUNT = 100  # RunInstances makes at most a hundred in one call
PREPAID = ("Subscription", "PrePaid", "Prepaid", "PrePay", "Prepay", "PREPAY", "PRE")
CHARGE = ("PayAsYouGo", "PostPaid", "PayOnDemand", "Postpaid", "PostPay", "Postpay", "POSTPAY", "POST", *PREPAID)
PASSED_ON = (
    *("InstanceType", "ImageId", "ImageFamily", "InstanceName", "HostName", "Description", "ZoneId", "VSwitchId"),
    *("SecurityGroupId", "SecurityGroupIds", "KeyPairName", "Password", "ResourceGroupId", "RamRoleName"),
    *("HttpEndpoint", "HttpTokens", "SpotStrategy", "SpotPriceLimit", "SpotDuration"),
    *("SpotInterruptionBehavior", "PrivateIpAddress", "DeletionProtection"),
)
PERIOD = ("InstanceChargeType", "Period", "PeriodUnit")
SYSTEM_DISK = (
    *("SystemDiskCategory", "SystemDiskSize", "SystemDiskDiskName", "SystemDiskDescription"),
    *("SystemDiskPerformanceLevel", "SystemDiskEncrypted"),
)
DATA_DISK = ("Category", "Size", "DiskName", "Description", "Device", "Encrypted", "PerformanceLevel", "SnapshotId")
CARRIED = frozenset(
    {*PASSED_ON, *PERIOD, *SYSTEM_DISK[:-1], "UserData", "DiskMappings", "Tags", "SubscriptionDeletionForce"}
)
HARMLESS = frozenset(
    {"VpcId", "AutoRenew", "AutoRenewPeriod", "InternetChargeType", "SecurityEnhancementStrategy",
     "UseAdditionalService", "ZoneIds"}
)  # fmt: skip
ONLY = {
    "AllocatePublicIP": ("false",),
    "InternetMaxBandwidthOut": ("0",),
    "IoOptimized": ("optimized",),
    "PasswordInherit": ("false",),
    "Tenancy": ("default",),
    "InstanceChargeType": CHARGE,
}
ATTRIBUTES = ("InstanceName", "Description", "HostName", "DeletionProtection", "Password")


def run_instances(work: Work, amount: int, token: str) -> list[str]:
    """Orders `amount` machines and returns their ids; the same ids after a crash."""
    request: dict[str, Any] = {key: work.properties.get(key) for key in PASSED_ON}
    request |= {"SystemDisk": system_disk(work.properties), "DataDisk": data_disks(work.properties)}
    request |= charge(work.properties)
    if work.properties.get("UserData"):
        request["UserData"] = encoded(work.properties["UserData"])
    reply = work.call("Ecs", "RunInstances", Amount=amount, ClientToken=token, Tag=work.tag_list(), **request)
    return [str(one) for one in reply["InstanceIdSets"]["InstanceIdSet"]]


def encoded(user_data: Any) -> str:
    """A template holds plain text; ROS does the encoding that ECS asks for."""
    return base64.b64encode(str(user_data).encode()).decode()


def charge(properties: Mapping[str, Any]) -> dict[str, Any]:
    """How the machines are paid for, as RunInstances takes it: it knows no years."""
    if properties.get("InstanceChargeType") not in PREPAID:
        return {"InstanceChargeType": "PostPaid"}
    unit, period = properties.get("PeriodUnit") or "Month", whole(properties.get("Period"), 1)
    fields = (
        {"PeriodUnit": "Month", "Period": period * 12} if unit == "Year" else {"PeriodUnit": unit, "Period": period}
    )
    return {"InstanceChargeType": "PrePaid", **fields}


def system_disk(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The system disk as RunInstances and DescribePrice take it."""
    disk = {key.removeprefix("SystemDisk"): properties.get(key) for key in SYSTEM_DISK}
    disk["Category"] = disk["Category"] or "cloud_efficiency"
    return {key: value for key, value in disk.items() if value not in (None, "")}


def data_disks(properties: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The data disks as RunInstances takes them."""
    found = properties.get("DiskMappings") or []
    return [
        {"Category": "cloud_efficiency", **{key: one[key] for key in DATA_DISK if one.get(key) not in (None, "")}}
        for one in found
    ]


def describe(work: Work, ids: list[str]) -> list[dict[str, Any]]:
    """DescribeInstances for these ids, in their order; those that are gone are left out."""
    if not ids:
        return []
    reply = work.call("Ecs", "DescribeInstances", InstanceIds=json.dumps(ids), PageSize=AMOUNT)
    found = {one["InstanceId"]: one for one in reply["Instances"]["Instance"]}
    return [found[one] for one in ids if one in found]


def disk_of(work: Work, instance_id: str) -> dict[str, Any]:
    """The system disk of a machine; an empty map when there is none."""
    found = work.call("Ecs", "DescribeDisks", InstanceId=instance_id, DiskType="system")["Disks"]["Disk"]
    return found[0] if found else {}


def wait_until_running(work: Work, ids: list[str]) -> None:
    """Waits until all of them run; fails when one stops or is gone instead."""
    while True:
        states = [one["Status"] for one in describe(work, ids)]
        if len(states) < len(ids):
            raise FailedError("ResourceInError", f"{len(ids) - len(states)} of the instances {', '.join(ids)} are gone")
        if all(state == "Running" for state in states):
            return
        if "Stopped" in states:
            raise FailedError("ResourceInError", f"an instance of {', '.join(ids)} stopped instead of starting")
        work.pause(0.1)


def delete_instances(work: Work, ids: list[str], force: bool) -> None:
    """Releases every machine, running or not, and waits until none is left."""
    for one in ids:
        if truth(work.properties.get("SubscriptionDeletionForce")):
            _make_postpaid(work, one)
        patiently_call(work, "DeleteInstance", InstanceId=one, Force=force)
    while describe(work, ids):
        work.pause(0.1)


def _make_postpaid(work: Work, instance_id: str) -> None:
    if [one for one in describe(work, [instance_id]) if one["InstanceChargeType"] == "PrePaid"]:
        ids = json.dumps([instance_id])
        patiently_call(work, "ModifyInstanceChargeType", InstanceIds=ids, InstanceChargeType="PostPaid")


def patiently_call(work: Work, action: str, **params: Any) -> None:
    """Calls ECS, again while a machine is just starting or stopping; one that is gone is no failure."""
    for attempt in range(100):
        try:
            work.call("Ecs", action, **params)
            return
        except ApiError as problem:
            if gone(problem):
                return
            if not problem.code.startswith("IncorrectInstanceStatus") or attempt == 99:
                raise
        work.pause(0.1)


def change_type(work: Work, ids: list[str], wanted: str, user_data: str | None) -> None:
    """Gives machines another type, or other user-data: those that need it are stopped, changed and started again."""
    for one in describe(work, ids):
        id = one["InstanceId"]
        running = one["Status"] != "Stopped" or id in _stopped_here(work)
        other_type = one["InstanceType"] != wanted
        other_data = user_data is not None and _user_data(work, id) != user_data
        try:
            if running and (other_type or other_data):
                _stop(work, one)
            if other_type:
                prepaid = one["InstanceChargeType"] == "PrePaid"
                action = "ModifyPrepayInstanceSpec" if prepaid else "ModifyInstanceSpec"
                work.call("Ecs", action, InstanceId=id, InstanceType=wanted)
            if other_data:
                work.call("Ecs", "ModifyInstanceAttribute", InstanceId=id, UserData=user_data)
        except ApiError:
            if running:
                _start(work, id)  # what could not be changed goes on as it was
            raise
        if running:
            _start(work, id)


def _user_data(work: Work, id: str) -> str:
    return str(work.call("Ecs", "DescribeUserData", InstanceId=id)["UserData"])


# Which machines an update has stopped is written down, so that after a crash they are started again.
STOPPED_HERE = "ros_stopped_for_update"


def _stopped_here(work: Work) -> list[str]:
    found = work.cloud.store.get(STOPPED_HERE, f"{work.stack_id}/{work.name}") or {"ids": []}
    return list(found["ids"])


def _stop(work: Work, one: Mapping[str, Any]) -> None:
    id = one["InstanceId"]
    work.cloud.store.put(STOPPED_HERE, f"{work.stack_id}/{work.name}", {"ids": [id]})
    if one["Status"] != "Stopped":
        patiently_call(work, "StopInstance", InstanceId=id, StoppedMode="KeepCharging")
    while _status(work, id) != "Stopped":
        work.pause(0.1)


def _start(work: Work, id: str) -> None:
    asked = False
    while (status := _status(work, id)) != "Running":
        if status == "Stopped" and asked:
            raise FailedError("ResourceInError", f"{id} stopped instead of starting")
        if status == "Stopped":
            work.call("Ecs", "StartInstance", InstanceId=id)
            asked = True
        work.pause(0.1)
    work.cloud.store.delete(STOPPED_HERE, f"{work.stack_id}/{work.name}")


def _status(work: Work, id: str) -> str:
    found = describe(work, [id])
    if not found:
        raise FailedError("ResourceInError", f"{id} is gone")
    return str(found[0]["Status"])


def grow_disks(work: Work, ids: list[str], size: int) -> None:
    """Makes the system disks as large as wanted: online where the machine runs."""
    for one in describe(work, ids):
        disk = disk_of(work, one["InstanceId"])
        if disk and disk["Size"] != size:
            how = "online" if one["Status"] == "Running" else "offline"
            work.call("Ecs", "ResizeDisk", DiskId=disk["DiskId"], NewSize=size, Type=how)


def change_attributes(work: Work, ids: list[str], before: Mapping[str, Any], names: tuple[str, ...]) -> None:
    """Changes names, groups and protection of every machine."""
    now = work.properties
    fields = {name: now[name] for name in names if name in now and str(now[name]) != str(before.get(name, ""))}
    if groups_of(now) != groups_of(before) and groups_of(now):
        fields["SecurityGroupIds"] = groups_of(now)
    for id in ids if fields else ():
        work.call("Ecs", "ModifyInstanceAttribute", InstanceId=id, **fields)


def groups_of(properties: Mapping[str, Any]) -> list[str]:
    """The security groups, however they are said."""
    found = properties.get("SecurityGroupIds") or [properties.get("SecurityGroupId")]
    return [str(one) for one in found if one]


def address(one: Mapping[str, Any]) -> str:
    """The public address: of an EIP if one is bound, else the machine's own, else empty."""
    own = one.get("PublicIpAddress", {}).get("IpAddress", [])
    return str(one.get("EipAddress", {}).get("IpAddress") or (own[0] if own else ""))


def private_address(one: Mapping[str, Any]) -> str:
    """The first private address."""
    found = one.get("VpcAttributes", {}).get("PrivateIpAddress", {}).get("IpAddress", [])
    return str(found[0]) if found else ""


def estimate_instances(work: Work, amount: int) -> dict[str, Any]:
    """The price by DescribePrice: of one hour, or of the period that is paid beforehand."""
    keep = ("Category", "Size")
    disk = {key: value for key, value in system_disk(work.properties).items() if key in keep}
    more = [{key: value for key, value in one.items() if key in keep} for one in data_disks(work.properties)]
    paid = charge(work.properties)
    unit, period = paid.get("PeriodUnit", "Hour"), paid.get("Period", 1)
    asked = {key: work.properties.get(key) for key in ("InstanceType", "ImageId", "SpotStrategy")}
    asked |= {"Amount": amount, "PriceUnit": unit, "Period": period, "DataDisk": more}
    price: dict[str, Any] = work.call("Ecs", "DescribePrice", SystemDisk=disk, **asked)["PriceInfo"]["Price"]
    return price if unit == "Hour" else price | {"Unit": f"{period} {unit}"}
