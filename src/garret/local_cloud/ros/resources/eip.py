"""ALIYUN::VPC::EIP and ALIYUN::VPC::EIPAssociation: a public address of its own, and what it is bound to."""

from collections.abc import Mapping
from typing import Any, ClassVar

from garret.local_cloud import prices
from garret.local_cloud.core import ApiError
from garret.local_cloud.ros.resources.base import (
    CHARGE_PAY_AS_YOU_GO,
    FailedError,
    ResourceType,
    Work,
    changed,
    delete_until_free,
    gone,
    sync_tags,
    tags_drift,
)

_FIELDS = ("Bandwidth", "InternetChargeType", "Name", "Description", "Netmode", "ResourceGroupId")


def describe_eip(work: Work, allocation_id: str) -> dict[str, Any]:
    """DescribeEipAddresses for one address; an empty map when it is gone."""
    reply = work.call("Vpc", "DescribeEipAddresses", AllocationId=allocation_id)
    found = reply["EipAddresses"]["EipAddress"]
    return found[0] if found else {}


def _kind(instance_id: str) -> str:
    return "Nat" if instance_id.startswith("ngw-") else "EcsInstance"


class Eip(ResourceType):
    """Made by AllocateEipAddress."""

    name = "ALIYUN::VPC::EIP"
    attributes = ("AllocationId", "EipAddress", "Isp", "OrderId")
    carried = frozenset({*_FIELDS, "Isp", "Tags"})
    harmless = frozenset({"AutoPay", "Period", "PricingCycle"})  # they count for what is paid beforehand only
    only: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "InstanceChargeType": CHARGE_PAY_AS_YOU_GO,
        "Isp": ("BGP",),
        "Netmode": ("public",),
    }
    updatable = frozenset({"Bandwidth", "Name", "Description", "Tags"})

    def create(self, work: Work) -> str:
        """Allocates the address."""
        asked = {key: work.properties.get(key) for key in _FIELDS} | {"ISP": work.properties.get("Isp")}
        request = {**asked, "InstanceChargeType": "PostPaid", "Tag": work.tag_list()}
        reply = work.call("Vpc", "AllocateEipAddress", ClientToken=work.token, **request)
        return str(reply["AllocationId"])

    def read(self, work: Work) -> dict[str, Any]:
        """AllocationId, EipAddress, Isp."""
        found = describe_eip(work, work.physical_id)
        isp = found.get("ISP", "")
        return {"AllocationId": work.physical_id, "EipAddress": found.get("IpAddress", ""), "Isp": isp, "OrderId": ""}

    def update(self, work: Work, before: Mapping[str, Any]) -> None:
        """Changes bandwidth, names and tags, bound or not."""
        if fields := changed(work, before, "Bandwidth", "Name", "Description"):
            work.call("Vpc", "ModifyEipAddressAttribute", AllocationId=work.physical_id, **fields)
        sync_tags(work, before, "Vpc", "EIP", work.physical_id)

    def drift(self, work: Work) -> dict[str, Any] | None:
        """Bandwidth, charge type, names and tags."""
        found = describe_eip(work, work.physical_id)
        if not found:
            return None
        names = {key: found[key] for key in ("Bandwidth", "InternetChargeType", "Name", "ResourceGroupId")}
        return {**names, "Description": found["Descritpion"], "Tags": tags_drift(work, found["Tags"])}

    def delete(self, work: Work) -> None:
        """Gives the address back as soon as it is bound to nothing."""
        delete_until_free(work, "Vpc", "ReleaseEipAddress", AllocationId=work.physical_id)

    def estimate(self, work: Work) -> dict[str, Any] | None:  # noqa: ARG002 - the same for every address
        """One hour of holding the address; the traffic comes on top and nobody knows it beforehand."""
        price = prices.PRICES["address"]
        return {"Currency": prices.CURRENCY, "OriginalPrice": price, "TradePrice": price}


class EipAssociation(ResourceType):
    """The binding of an address to an instance."""

    name = "ALIYUN::VPC::EIPAssociation"
    attributes = ("AllocationId", "EipAddress")
    carried = frozenset({"AllocationId", "InstanceId", "PrivateIpAddress"})
    only: ClassVar[Mapping[str, tuple[str, ...]]] = {"Mode": ("NAT",)}

    def create(self, work: Work) -> str:
        """Binds the address and waits until the cloud calls it InUse."""
        allocation_id, instance_id = str(work.properties["AllocationId"]), str(work.properties["InstanceId"])
        if describe_eip(work, allocation_id).get("InstanceId") != instance_id:
            keys = ("Mode", "PrivateIpAddress")
            asked = {key: work.properties.get(key) for key in keys} | {"InstanceType": _kind(instance_id)}
            work.call("Vpc", "AssociateEipAddress", AllocationId=allocation_id, InstanceId=instance_id, **asked)
        work.made(allocation_id)
        while True:
            found = describe_eip(work, allocation_id)
            if found.get("Status") == "InUse":
                return allocation_id
            if found.get("Status") not in ("Associating", "Unassociating"):
                raise FailedError("ResourceInError", f"the address {allocation_id} is {found.get('Status', 'gone')}")
            work.pause(0.05)

    def read(self, work: Work) -> dict[str, Any]:
        """AllocationId, EipAddress."""
        found = describe_eip(work, work.physical_id)
        return {"AllocationId": work.physical_id, "EipAddress": found.get("IpAddress", "")}

    def drift(self, work: Work) -> dict[str, Any] | None:
        """What it is bound to now."""
        found = describe_eip(work, work.physical_id)
        return {"InstanceId": found["InstanceId"]} if found.get("InstanceId") else None

    def delete(self, work: Work) -> None:
        """Unbinds the address, unless it is bound to something else meanwhile."""
        allocation_id, instance_id = work.physical_id, str(work.properties["InstanceId"])
        if describe_eip(work, allocation_id).get("InstanceId") != instance_id:
            return
        try:
            names = {"AllocationId": allocation_id, "InstanceId": instance_id, "InstanceType": _kind(instance_id)}
            work.call("Vpc", "UnassociateEipAddress", **names)
        except ApiError as problem:
            if not gone(problem):
                raise
        while describe_eip(work, allocation_id).get("Status") == "Unassociating":
            work.pause(0.05)
