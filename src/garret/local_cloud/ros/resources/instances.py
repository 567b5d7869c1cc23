"""ALIYUN::ECS::InstanceGroup and ALIYUN::ECS::Instance: machines, made by RunInstances."""

import hashlib
from collections.abc import Mapping
from typing import Any, ClassVar

from garret.local_cloud.ros import errors
from garret.local_cloud.ros.resources import machines
from garret.local_cloud.ros.resources.base import (
    ResourceType,
    Work,
    sync_tags,
    tags_drift,
    truth,
    whole,
)
from garret.local_cloud.ros.scope import UNKNOWN

_ALL = "ForAllInstances"
_NAMES = ("InstanceName", "Description", "HostName", "DeletionProtection", "Password")
_LIVE = frozenset(
    {*_NAMES, "SecurityGroupId", "SecurityGroupIds", "InstanceType", "SystemDiskSize", "UserData", "Tags"}
)
# These change nothing on machines that are there, the vendor says; they count for those that are made later.
_FOR_NEW = frozenset(
    {"KeyPairName", "DiskMappings", "SystemDiskCategory", "SystemDiskDescription", "SystemDiskDiskName",
     "InstanceChargeType", "Period", "PeriodUnit", "AutoRenew", "AutoRenewPeriod"}
)  # fmt: skip


class _Machines(ResourceType):
    carried = machines.CARRIED
    harmless = machines.HARMLESS
    only: ClassVar[Mapping[str, tuple[str, ...]]] = machines.ONLY
    nested: ClassVar[Mapping[str, frozenset[str]]] = {"DiskMappings": frozenset(machines.DATA_DISK) - {"Encrypted"}}
    patience_s = 300.0

    def _ids(self, work: Work) -> list[str]:
        return [one for one in work.physical_id.split(",") if one.startswith("i-")]

    def _change_running(self, work: Work, before: Mapping[str, Any], ids: list[str]) -> None:
        """Disk first, which asks for no stop; then what asks for one."""
        size = whole(work.properties.get("SystemDiskSize"))
        if size and size != whole(before.get("SystemDiskSize")):
            machines.grow_disks(work, ids, size)
        data = work.properties.get("UserData")
        user_data = machines.encoded(data) if data and data != before.get("UserData") else None
        machines.change_type(work, ids, str(work.properties["InstanceType"]), user_data)

    def _drift(self, work: Work, one: Mapping[str, Any]) -> dict[str, Any]:
        keys = (
            "InstanceType",
            "InstanceName",
            "Description",
            "HostName",
            "DeletionProtection",
            "KeyPairName",
            "ZoneId",
        )
        found = {key: one[key] for key in keys if key in work.properties}
        if "SystemDiskSize" in work.properties:
            found["SystemDiskSize"] = machines.disk_of(work, one["InstanceId"]).get("Size")
        groups = one["SecurityGroupIds"]["SecurityGroupId"]
        found |= {"SecurityGroupIds": groups} if "SecurityGroupIds" in work.properties else {}
        found |= {"SecurityGroupId": groups[0]} if "SecurityGroupId" in work.properties and groups else {}
        return {**found, "Tags": tags_drift(work, one["Tags"])}


class InstanceGroup(_Machines):
    """MaxAmount machines alike; its physical id is their ids with commas between."""

    name = "ALIYUN::ECS::InstanceGroup"
    attributes = (
        *("InstanceIds", "PublicIps", "PrivateIps", "InnerIps", "ZoneIds", "HostNames", "OrderId"),
        *("Ipv6Addresses", "Ipv6AddressIds"),
    )
    carried = machines.CARRIED | {"SystemDiskEncrypted", "MaxAmount", "DeletionForce", "UpdatePolicy"}
    only: ClassVar[Mapping[str, tuple[str, ...]]] = {
        **machines.ONLY,
        "NetworkType": ("vpc",),
        "Ipv6AddressCount": ("0",),
    }
    nested: ClassVar[Mapping[str, frozenset[str]]] = {"DiskMappings": frozenset(machines.DATA_DISK)}
    updatable = _LIVE | _FOR_NEW | {"MaxAmount", "UpdatePolicy", "DeletionForce", "SubscriptionDeletionForce"}

    def check(self, work: Work) -> None:
        """Refuses more machines than one call makes, beside what every type refuses."""
        super().check(work)
        amount = work.properties.get("MaxAmount")
        if amount is not UNKNOWN and whole(amount) > machines.AMOUNT:
            raise errors.not_emulated(f"{self.name} with MaxAmount {amount} (at most {machines.AMOUNT} are)")

    def create(self, work: Work) -> str:
        """Makes the machines and waits until they run."""
        amount = whole(work.properties["MaxAmount"])
        if amount == 0:
            return "none"
        ids = machines.run_instances(work, amount, work.token)
        work.made(",".join(ids))
        machines.wait_until_running(work, ids)
        return ",".join(ids)

    def read(self, work: Work) -> dict[str, Any]:
        """InstanceIds, addresses, zones and host names, in one order."""
        found = machines.describe(work, self._ids(work))
        return {
            "InstanceIds": [one["InstanceId"] for one in found],
            "PublicIps": [machines.address(one) for one in found if machines.address(one)],
            "PrivateIps": [machines.private_address(one) for one in found],
            "InnerIps": [],
            "Ipv6Addresses": [],
            "Ipv6AddressIds": [],
            "OrderId": "",
            "ZoneIds": [one.get("ZoneId", "") for one in found],
            "HostNames": [one.get("HostName", "") for one in found],
        }

    def update(self, work: Work, before: Mapping[str, Any]) -> None:
        """Names and tags for all; type, disk and user-data with UpdatePolicy ForAllInstances; then the amount."""
        ids = [one["InstanceId"] for one in machines.describe(work, self._ids(work))]
        wanted = whole(work.properties["MaxAmount"])
        kept, surplus = ids[:wanted], ids[wanted:]
        machines.change_attributes(work, kept, before, _NAMES)
        if kept:
            sync_tags(work, before, "Ecs", "instance", *kept)
        if work.properties.get("UpdatePolicy") == _ALL:
            self._change_running(work, before, kept)
        if surplus:
            work.made(",".join(kept) or "none")
            machines.delete_instances(work, surplus, self._force(work))
        elif wanted > len(ids):
            fresh = self._more(work, ids, wanted - len(ids))
            work.made(",".join([*ids, *fresh]))
            machines.wait_until_running(work, fresh)

    def _more(self, work: Work, ids: list[str], amount: int) -> list[str]:
        """More machines, the same after a crash; a ClientToken whose machines were released since counts no more."""
        for attempt in range(100):
            text = f"{work.token}/{','.join(ids)}/{amount}/{attempt}"
            fresh = machines.run_instances(work, amount, hashlib.sha256(text.encode()).hexdigest()[:32])
            if machines.describe(work, fresh):
                return fresh
        raise AssertionError("nobody grows and shrinks a group a hundred times to the same machines")

    def drift(self, work: Work) -> dict[str, Any] | None:
        """How many there are, and what the first that differs is like."""
        ids = self._ids(work)
        found = machines.describe(work, ids)
        if ids and not found:
            return None
        seen = [self._drift(work, one) for one in found]
        odd = [one for one in seen if any(str(work.properties.get(key)) != str(one[key]) for key in one)]
        return {"MaxAmount": len(found), **((odd or seen or [{}])[0])}

    def _force(self, work: Work) -> bool:
        return truth(work.properties.get("DeletionForce"), True)

    def delete(self, work: Work) -> None:
        """Releases the machines with their disks."""
        machines.delete_instances(work, self._ids(work), self._force(work))

    def estimate(self, work: Work) -> dict[str, Any] | None:
        """What all the machines cost."""
        return machines.estimate_instances(work, max(1, whole(work.properties["MaxAmount"])))


class Instance(_Machines):
    """One machine."""

    name = "ALIYUN::ECS::Instance"
    attributes = (
        *("InstanceId", "PublicIp", "PrivateIp", "InnerIp", "ZoneId", "HostName", "SecurityGroupIds"),
        "PrimaryNetworkInterfaceId",
    )
    updatable = _LIVE | {"SubscriptionDeletionForce", "AutoRenew", "AutoRenewPeriod"}

    def create(self, work: Work) -> str:
        """Makes the machine and waits until it runs."""
        ids = machines.run_instances(work, 1, work.token)
        work.made(ids[0])
        machines.wait_until_running(work, ids)
        return ids[0]

    def read(self, work: Work) -> dict[str, Any]:
        """Its id, addresses, zone, host name and security groups."""
        found = machines.describe(work, [work.physical_id])
        one = found[0] if found else {}
        return {
            "InstanceId": work.physical_id,
            "PublicIp": machines.address(one),
            "PrivateIp": machines.private_address(one),
            "InnerIp": "",
            "PrimaryNetworkInterfaceId": "",
            "ZoneId": one.get("ZoneId", ""),
            "HostName": one.get("HostName", ""),
            "SecurityGroupIds": one.get("SecurityGroupIds", {}).get("SecurityGroupId", []),
        }

    def update(self, work: Work, before: Mapping[str, Any]) -> None:
        """Names, groups and tags while it runs; the type with a stop between."""
        machines.change_attributes(work, [work.physical_id], before, _NAMES)
        sync_tags(work, before, "Ecs", "instance", work.physical_id)
        self._change_running(work, before, [work.physical_id])

    def drift(self, work: Work) -> dict[str, Any] | None:
        """Type, names, groups, disk and tags."""
        found = machines.describe(work, [work.physical_id])
        return self._drift(work, found[0]) if found else None

    def delete(self, work: Work) -> None:
        """Releases the machine with its disks."""
        machines.delete_instances(work, [work.physical_id], force=True)

    def estimate(self, work: Work) -> dict[str, Any] | None:
        """What the machine costs."""
        return machines.estimate_instances(work, 1)
