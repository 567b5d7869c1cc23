"""Elastic addresses: allocated, given to an instance, taken away, released."""

from __future__ import annotations

import ipaddress
import sys

import pytest

from tests.local_cloud.house import House, PaperDriver, until
from tests.local_cloud.machines import describe, running


def test_an_address_lives_and_dies(house: House, driver: PaperDriver) -> None:
    """It is told to the node, shown by the instance, cannot be released while in use, and is billed until then."""
    instance = running(house)
    made = house.vpc("AllocateEipAddress", Bandwidth="100", InternetChargeType="PayByTraffic")
    id, address = made["AllocationId"], made["EipAddress"]
    assert ipaddress.ip_address(address).is_loopback
    assert address.startswith("127.88.") or not sys.platform.startswith("linux")
    for _ in range(2):
        house.vpc("AssociateEipAddress", AllocationId=id, InstanceId=instance)
    until(lambda: driver.addresses.get(instance) == address)
    seen = describe(house, instance)
    assert seen["EipAddress"]["IpAddress"] == address
    assert seen["EipAddress"]["AllocationId"] == id
    assert seen["PublicIpAddress"]["IpAddress"] == []
    entry = house.vpc("DescribeEipAddresses", AssociatedInstanceId=instance)["EipAddresses"]["EipAddress"][0]
    assert (entry["AllocationId"], entry["Status"], entry["InternetChargeType"]) == (id, "InUse", "PayByTraffic")
    with pytest.raises(Exception, match="IncorrectEipStatus"):
        house.vpc("ReleaseEipAddress", AllocationId=id)
    other = house.vpc("AllocateEipAddress")["AllocationId"]
    with pytest.raises(Exception, match=r"InvalidAssociation\.Duplicated"):
        house.vpc("AssociateEipAddress", AllocationId=other, InstanceId=instance)
    house.vpc("UnassociateEipAddress", AllocationId=id, InstanceId=instance)
    until(lambda: driver.addresses.get(instance) is None)
    assert describe(house, instance)["EipAddress"]["IpAddress"] == ""
    for allocation in (id, other):
        assert allocation in str(house.own("GET", "/_garret/bill"))
        house.vpc("ReleaseEipAddress", AllocationId=allocation)
        assert allocation not in str(house.own("GET", "/_garret/bill"))
    with pytest.raises(Exception, match=r"InvalidAllocationId\.NotFound"):
        house.vpc("ReleaseEipAddress", AllocationId=id)


def test_addresses_are_all_different(house: House) -> None:
    """Each allocation is another address, except where the system has only one loopback address."""
    seen = [house.vpc("AllocateEipAddress")["EipAddress"] for _ in range(8)]
    assert len(set(seen)) == (8 if sys.platform.startswith("linux") else 1)


def test_the_address_survives_its_instance(house: House) -> None:
    """Deleting the instance frees the address, which stays and is billed."""
    instance = running(house)
    id = house.vpc("AllocateEipAddress")["AllocationId"]
    house.vpc("AssociateEipAddress", AllocationId=id, InstanceId=instance)
    house.call("DeleteInstance", InstanceId=instance, Force=True)
    until(lambda: house.vpc("DescribeEipAddresses", Status="Available")["TotalCount"] == 1)
