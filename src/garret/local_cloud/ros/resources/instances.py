"""ALIYUN::ECS::InstanceGroup and ALIYUN::ECS::Instance: machines, made by RunInstances."""

import base64
import json
from collections.abc import Mapping
from typing import Any, ClassVar

from garret.local_cloud.core import ApiError
from garret.local_cloud.ros import errors
from garret.local_cloud.ros.resources.base import (
    CHARGE_PAY_AS_YOU_GO,
    TAGS,
    FailedError,
    Property,
    ResourceType,
    Work,
    gone,
    truth,
)

AMOUNT = 100  # RunInstances makes at most a hundred in one call
# What is not here would be dropped silently by RunInstances, so it is refused as unknown.
_SHARED = {
    "InstanceType": Property(required=True),
    "ImageId": Property(),
    "ImageFamily": Property(),
    "InstanceName": Property(),
    "HostName": Property(minimum=2, maximum=64),
    "Description": Property(),
    "ZoneId": Property(),
    "VpcId": Property(),
    "VSwitchId": Property(),
    "SecurityGroupId": Property(),
    "SecurityGroupIds": Property("list", minimum=1, maximum=16, items=Property()),
    "NetworkType": Property(allowed=("vpc",)),
    "InstanceChargeType": Property(allowed=CHARGE_PAY_AS_YOU_GO),
    "IoOptimized": Property(allowed=("optimized",)),
    "SystemDiskCategory": Property(),
    "SystemDiskSize": Property("number", minimum=2),
    "SystemDiskDiskName": Property(),
    "SystemDiskDescription": Property(),
    "SystemDiskPerformanceLevel": Property(),
    "UserData": Property(),
    "KeyPairName": Property(),
    "HttpEndpoint": Property(allowed=("enabled", "disabled")),
    "HttpTokens": Property(allowed=("optional", "required")),
    "SpotStrategy": Property(allowed=("NoSpot", "SpotWithPriceLimit", "SpotAsPriceGo")),
    "SpotPriceLimit": Property(),
    "SpotDuration": Property("number"),
    "AllocatePublicIP": Property("boolean", allowed=("false",)),
    "PrivateIpAddress": Property(),
    "SecurityEnhancementStrategy": Property(allowed=("Active", "Deactive")),
    "DeletionProtection": Property("boolean"),
    "Tags": TAGS,
}
_PASSED_ON = (
    *("InstanceType", "ImageId", "ImageFamily", "InstanceName", "HostName", "Description", "ZoneId", "VSwitchId"),
    *("SecurityGroupId", "SecurityGroupIds", "IoOptimized", "KeyPairName"),
    *("HttpEndpoint", "HttpTokens", "SpotStrategy", "SpotPriceLimit", "SpotDuration"),
    *("PrivateIpAddress", "SecurityEnhancementStrategy", "DeletionProtection"),
)


def run_instances(work: Work, amount: int) -> list[str]:
    """Makes `amount` machines, records their ids and waits until all of them run; the same ids after a crash."""
    properties = work.properties
    request: dict[str, Any] = {key: properties.get(key) for key in _PASSED_ON}
    request["SystemDisk"] = system_disk(properties)
    request["InstanceChargeType"] = "PostPaid"
    if properties.get("UserData"):
        # A template holds plain text; ROS does the encoding that ECS asks for.
        request["UserData"] = base64.b64encode(str(properties["UserData"]).encode()).decode()
    reply = work.call("Ecs", "RunInstances", Amount=amount, ClientToken=work.token, Tag=work.tag_list(), **request)
    ids = [str(one) for one in reply["InstanceIdSets"]["InstanceIdSet"]]
    work.made(",".join(ids))
    _wait_until_running(work, ids)
    return ids


def system_disk(properties: Any) -> dict[str, Any]:
    """The system disk as RunInstances and DescribePrice take it."""
    disk = {
        "Category": properties.get("SystemDiskCategory") or "cloud_efficiency",
        "Size": properties.get("SystemDiskSize"),
        "DiskName": properties.get("SystemDiskDiskName"),
        "Description": properties.get("SystemDiskDescription"),
        "PerformanceLevel": properties.get("SystemDiskPerformanceLevel"),
        "Encrypted": properties.get("SystemDiskEncrypted"),
    }
    return {key: value for key, value in disk.items() if value not in (None, "")}


def describe(work: Work, ids: list[str]) -> list[dict[str, Any]]:
    """DescribeInstances for these ids, in their order; those that are gone are left out."""
    if not ids:
        return []
    reply = work.call("Ecs", "DescribeInstances", InstanceIds=json.dumps(ids), PageSize=AMOUNT)
    found = {one["InstanceId"]: one for one in reply["Instances"]["Instance"]}
    return [found[one] for one in ids if one in found]


def _wait_until_running(work: Work, ids: list[str]) -> None:
    while True:
        states = [one["Status"] for one in describe(work, ids)]
        if len(states) < len(ids):
            raise FailedError("ResourceInError", f"{len(ids) - len(states)} of the instances {', '.join(ids)} are gone")
        if all(state == "Running" for state in states):
            return
        if "Stopped" in states:
            raise FailedError("ResourceInError", f"an instance of {', '.join(ids)} stopped instead of starting")
        work.pause(0.1)


def delete_instances(work: Work, ids: list[str]) -> None:
    """Releases every machine, running or not, and waits until none is left."""
    for one in ids:
        _release(work, one)
    while describe(work, ids):
        work.pause(0.1)


def _release(work: Work, instance_id: str) -> None:
    force = truth(work.properties.get("DeletionForce"), True)
    for attempt in range(100):
        try:
            work.call("Ecs", "DeleteInstance", InstanceId=instance_id, Force=force)
            return
        except ApiError as problem:
            if gone(problem):
                return
            # A machine that is just starting or stopping cannot be released in that moment.
            if not problem.code.startswith("IncorrectInstanceStatus") or attempt == 99:
                raise
        work.pause(0.1)


def address(one: dict[str, Any]) -> str:
    """The public address: of an EIP if one is bound, else the machine's own, else empty."""
    own = one.get("PublicIpAddress", {}).get("IpAddress", [])
    return str(one.get("EipAddress", {}).get("IpAddress") or (own[0] if own else ""))


def private_address(one: dict[str, Any]) -> str:
    """The first private address."""
    found = one.get("VpcAttributes", {}).get("PrivateIpAddress", {}).get("IpAddress", [])
    return str(found[0]) if found else ""


def estimate_instances(work: Work, amount: int) -> dict[str, Any]:
    """The price of one hour by DescribePrice."""
    disk = {key: value for key, value in system_disk(work.properties).items() if key in ("Category", "Size")}
    asked = {key: work.properties.get(key) for key in ("InstanceType", "ImageId", "SpotStrategy")}
    reply = work.call("Ecs", "DescribePrice", SystemDisk=disk, Amount=amount, PriceUnit="Hour", Period=1, **asked)
    price: dict[str, Any] = reply["PriceInfo"]["Price"]
    return price


class InstanceGroup(ResourceType):
    """MaxAmount machines alike; its physical id is their ids with commas between."""

    name = "ALIYUN::ECS::InstanceGroup"
    attributes = ("InstanceIds", "PublicIps", "PrivateIps", "InnerIps", "ZoneIds", "HostNames")
    properties: ClassVar[Mapping[str, Property]] = {
        **_SHARED,
        "MaxAmount": Property("number", required=True, minimum=0, maximum=1000),
        "DeletionForce": Property("boolean"),
        "SystemDiskEncrypted": Property(allowed=("true", "false")),
        "UpdatePolicy": Property(allowed=("ForNewInstances", "ForAllInstances")),
    }

    def create(self, work: Work) -> str:
        """Makes the machines and waits until they run."""
        amount = int(work.properties["MaxAmount"])
        if amount > AMOUNT:
            raise errors.not_emulated(f"{self.name} with MaxAmount {amount} (at most {AMOUNT} are)")
        if amount == 0:
            return "none"
        return ",".join(run_instances(work, amount))

    def _ids(self, work: Work) -> list[str]:
        return [one for one in work.physical_id.split(",") if one.startswith("i-")]

    def read(self, work: Work) -> dict[str, Any]:
        """InstanceIds, addresses, zones and host names, in one order."""
        found = describe(work, self._ids(work))
        return {
            "InstanceIds": [one["InstanceId"] for one in found],
            "PublicIps": [address(one) for one in found if address(one)],
            "PrivateIps": [private_address(one) for one in found],
            "InnerIps": [],
            "ZoneIds": [one.get("ZoneId", "") for one in found],
            "HostNames": [one.get("HostName", "") for one in found],
        }

    def delete(self, work: Work) -> None:
        """Releases the machines with their disks."""
        delete_instances(work, self._ids(work))

    def estimate(self, work: Work) -> dict[str, Any] | None:
        """One hour of all the machines."""
        return estimate_instances(work, int(work.properties["MaxAmount"]))


class Instance(ResourceType):
    """One machine."""

    name = "ALIYUN::ECS::Instance"
    attributes = ("InstanceId", "PublicIp", "PrivateIp", "InnerIp", "ZoneId", "HostName", "SecurityGroupIds")
    properties: ClassVar[Mapping[str, Property]] = _SHARED

    def create(self, work: Work) -> str:
        """Makes the machine and waits until it runs."""
        return run_instances(work, 1)[0]

    def read(self, work: Work) -> dict[str, Any]:
        """Its id, addresses, zone, host name and security groups."""
        found = describe(work, [work.physical_id])
        one = found[0] if found else {}
        return {
            "InstanceId": work.physical_id,
            "PublicIp": address(one),
            "PrivateIp": private_address(one),
            "InnerIp": "",
            "ZoneId": one.get("ZoneId", ""),
            "HostName": one.get("HostName", ""),
            "SecurityGroupIds": one.get("SecurityGroupIds", {}).get("SecurityGroupId", []),
        }

    def delete(self, work: Work) -> None:
        """Releases the machine with its disks."""
        delete_instances(work, [work.physical_id])

    def estimate(self, work: Work) -> dict[str, Any] | None:
        """One hour of the machine."""
        return estimate_instances(work, 1)
