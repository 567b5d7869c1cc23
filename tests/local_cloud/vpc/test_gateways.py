"""NAT gateways: made in a VSwitch, given addresses and entries, billed, and in the way of what they lie in."""

from __future__ import annotations

import pytest

from tests.local_cloud.house import House

ZONE = "cn-hangzhou-i"


def network(house: House) -> tuple[str, str]:
    """Make a network with a switch."""
    vpc = house.vpc("CreateVpc", CidrBlock="192.168.0.0/16")["VpcId"]
    return vpc, house.vpc("CreateVSwitch", VpcId=vpc, CidrBlock="192.168.1.0/24", ZoneId=ZONE)["VSwitchId"]


def test_a_gateway_lives(house: House) -> None:
    """It takes an address of its switch, goes out by an Elastic IP, is billed, and goes with Force."""
    vpc, switch = network(house)
    with pytest.raises(Exception, match="VSwitchId"):
        house.vpc("CreateNatGateway", VpcId=vpc)
    for name, code in (("NatType", r"InvalidNatType"), ("Ipv4Prefix", "NotSupported")):
        with pytest.raises(Exception, match=code):
            house.vpc("CreateNatGateway", VpcId=vpc, VSwitchId=switch, **{name: "Normal"})
    fields = {"VpcId": vpc, "VSwitchId": switch, "Name": "out", "ClientToken": "t", "Tag__1__Key": "k"}
    made = house.vpc("CreateNatGateway", **fields)
    id, table = made["NatGatewayId"], made["SnatTableIds"]["SnatTableId"][0]
    assert house.vpc("CreateNatGateway", **fields)["NatGatewayId"] == id
    seen = house.vpc("DescribeNatGateways", VpcId=vpc)["NatGateways"]["NatGateway"]
    assert [(one["Name"], one["NatGatewayPrivateInfo"]["PrivateIpAddress"]) for one in seen] == [("out", "192.168.1.1")]
    assert [line["kind"] for line in house.own("GET", "/_garret/bill")["lines"]] == ["nat_gateway"]
    address = house.vpc("AllocateEipAddress", InternetChargeType="PayByTraffic")
    entry = {"SnatTableId": table, "SourceVSwitchId": switch, "SnatIp": address["EipAddress"]}
    with pytest.raises(Exception, match=r"InvalidEIP\.NotInGateway"):
        house.vpc("CreateSnatEntry", **entry)
    house.vpc("AssociateEipAddress", AllocationId=address["AllocationId"], InstanceId=id, InstanceType="Nat")
    snat = house.vpc("CreateSnatEntry", **entry)["SnatEntryId"]
    with pytest.raises(Exception, match="Duplicated"):
        house.vpc("CreateSnatEntry", **entry)
    rows = house.vpc("DescribeSnatTableEntries", SnatTableId=table)["SnatTableEntries"]["SnatTableEntry"]
    assert [(row["SnatEntryId"], row["SourceCIDR"]) for row in rows] == [(snat, "192.168.1.0/24")]
    for action, what, code in (
        ("DeleteVSwitch", {"VSwitchId": switch}, "NatGateway"),
        ("DeleteNatGateway", {"NatGatewayId": id}, "SNatEntry"),
        ("UnassociateEipAddress", {"AllocationId": address["AllocationId"]}, "SnatEntry"),
    ):
        with pytest.raises(Exception, match=code):
            house.vpc(action, **what)
    house.vpc("DeleteSnatEntry", SnatEntryId=snat)
    house.vpc("DeleteNatGateway", NatGatewayId=id, Force="true")
    free = house.vpc("DescribeEipAddresses", AllocationId=address["AllocationId"])["EipAddresses"]["EipAddress"][0]
    assert (free["Status"], free["InstanceType"]) == ("Available", "")
    house.vpc("DeleteVSwitch", VSwitchId=switch)


def test_names_and_bandwidth_change(house: House) -> None:
    """Networks, switches and addresses get new names; an address a new bandwidth within its charge type's limit."""
    vpc, switch = network(house)
    house.vpc("ModifyVpcAttribute", VpcId=vpc, VpcName="new")
    house.vpc("ModifyVSwitchAttribute", VSwitchId=switch, VSwitchName="new")
    assert house.vpc("DescribeVpcs", VpcName="new")["TotalCount"] == 1
    assert house.vpc("DescribeVSwitches", VSwitchName="new")["TotalCount"] == 1
    id = house.vpc("AllocateEipAddress", InternetChargeType="PayByTraffic")["AllocationId"]
    house.vpc("ModifyEipAddressAttribute", AllocationId=id, Bandwidth="200", Name="new")
    seen = house.vpc("DescribeEipAddresses", AllocationId=id)["EipAddresses"]["EipAddress"][0]
    assert (seen["Bandwidth"], seen["Name"]) == ("200", "new")
    for wrong in ("0", "201", "fast"):
        with pytest.raises(Exception, match="Bandwidth"):
            house.vpc("ModifyEipAddressAttribute", AllocationId=id, Bandwidth=wrong)
    house.vpc("TagResources", ResourceType="EIP", ResourceId__1=id, Tag__1__Key="a", Tag__1__Value="1")
    house.vpc("UnTagResources", ResourceType="EIP", ResourceId__1=id, TagKey__1="a")
    assert house.vpc("ListTagResources", ResourceType="EIP", ResourceId__1=id)["TagResources"]["TagResource"] == []
