"""VPCs and VSwitches through the older SDK, as a script without a typed client would use them."""

from __future__ import annotations

import pytest

from tests.local_cloud.house import REGION, House, code_of


def network(house: House, block: str = "192.168.0.0/16") -> str:
    """Make a VPC and return its id."""
    return str(house.vpc("CreateVpc", CidrBlock=block, VpcName="net")["VpcId"])


def switch(house: House, vpc: str, block: str = "192.168.1.0/24", zone: str = "cn-hangzhou-i") -> str:
    """Make a VSwitch and return its id."""
    return str(house.vpc("CreateVSwitch", VpcId=vpc, CidrBlock=block, ZoneId=zone)["VSwitchId"])


def test_a_network_lives_and_dies(house: House) -> None:
    """Made, seen with its switch, kept while in use, gone when empty."""
    vpc = network(house)
    vswitch = switch(house, vpc)
    seen = house.vpc("DescribeVpcs", VpcId=vpc)["Vpcs"]["Vpc"][0]
    assert (seen["Status"], seen["CidrBlock"], seen["VSwitchIds"]) == (
        "Available",
        "192.168.0.0/16",
        {"VSwitchId": [vswitch]},
    )
    part = house.vpc("DescribeVSwitches", VpcId=vpc)["VSwitches"]["VSwitch"][0]
    assert (part["ZoneId"], part["AvailableIpAddressCount"]) == ("cn-hangzhou-i", 252)
    with pytest.raises(Exception, match=r"DependencyViolation\.VSwitch"):
        house.vpc("DeleteVpc", VpcId=vpc)
    house.vpc("DeleteVSwitch", VSwitchId=vswitch)
    house.vpc("DeleteVpc", VpcId=vpc)
    assert house.vpc("DescribeVpcs")["TotalCount"] == 0
    for action, name in (("DeleteVpc", "VpcId"), ("DeleteVSwitch", "VSwitchId")):
        with pytest.raises(Exception, match="NotFound"):
            house.vpc(action, **{name: "x-1"})


@pytest.mark.parametrize(
    ("block", "zone", "code"),
    [
        ("192.168.1.0/30", "cn-hangzhou-i", "InvalidCidrBlock.Malformed"),
        ("192.168.1.1/24", "cn-hangzhou-i", "InvalidCidrBlock.Malformed"),
        ("soup", "cn-hangzhou-i", "InvalidCidrBlock.Malformed"),
        ("10.0.0.0/24", "cn-hangzhou-i", "InvalidCidrBlock.NotInVpc"),
        ("192.168.0.0/20", "cn-hangzhou-i", "InvalidCidrBlock.Overlapped"),
        ("192.168.32.0/24", "cn-beijing-h", "InvalidZoneId.NotFound"),
    ],
)
def test_a_switch_must_fit(house: House, block: str, zone: str, code: str) -> None:
    """A block that is none, too small, outside or taken, and a zone elsewhere, are refused by their codes."""
    vpc = network(house)
    switch(house, vpc)
    with pytest.raises(Exception, match=code) as refused:
        switch(house, vpc, block, zone)
    assert code_of(refused.value) == code


def test_a_public_block_is_no_network(house: House) -> None:
    """A VPC's block is private."""
    with pytest.raises(Exception, match=r"InvalidCidrBlock\.Malformed"):
        network(house, "8.8.0.0/16")


def test_a_token_makes_one_network(house: House) -> None:
    """The same ClientToken gives the same network; with other parameters it is refused; without, each is new."""
    first = house.vpc("CreateVpc", ClientToken="t", VpcName="a")["VpcId"]
    assert house.vpc("CreateVpc", ClientToken="t", VpcName="a")["VpcId"] == first
    with pytest.raises(Exception, match="IdempotentParameterMismatch"):
        house.vpc("CreateVpc", ClientToken="t", VpcName="b")
    house.vpc("CreateVpc", VpcName="a")
    assert house.vpc("DescribeVpcs", VpcName="a")["TotalCount"] == 2


def test_tags_find_and_are_limited(house: House) -> None:
    """A tag is found by key and value; keys of the vendor's own and over-long values are refused."""
    tagged = house.vpc("CreateVpc", Tag__1__Key="garret:deployment", Tag__1__Value="中文 a+b")["VpcId"]
    network(house)
    found = house.vpc("DescribeVpcs", Tag__1__Key="garret:deployment", Tag__1__Value="中文 a+b")["Vpcs"]["Vpc"]
    assert [vpc["VpcId"] for vpc in found] == [tagged]
    assert found[0]["Tags"]["Tag"] == [{"Key": "garret:deployment", "Value": "中文 a+b"}]
    assert house.vpc("DescribeVpcs", Tag__1__Key="garret:deployment")["TotalCount"] == 1
    assert house.vpc("DescribeVpcs", Tag__1__Key="garret:deployment", Tag__1__Value="b")["TotalCount"] == 0
    for key, value in (("acs:x", "y"), ("x" * 129, "y"), ("x", "y" * 129)):
        with pytest.raises(Exception, match=r"InvalidTag(Key|Value)\.Malformed"):
            house.vpc("CreateVpc", Tag__1__Key=key, Tag__1__Value=value)


def test_regions_do_not_see_each_other(house: House) -> None:
    """A network of one region is not listed in another; a region that is none is refused by name."""
    network(house)
    assert house.common("2016-04-28", "DescribeVpcs", RegionId="cn-beijing")["TotalCount"] == 0
    with pytest.raises(Exception, match=r"InvalidRegionId\.NotFound") as refused:
        house.common("2016-04-28", "DescribeVpcs", RegionId="cn-atlantis")
    assert "cn-atlantis" in refused.value.get_error_msg()
    assert house.common("2016-04-28", "DescribeVpcs", RegionId=REGION)["TotalCount"] == 1


def test_pages(house: House) -> None:
    """Pages do not overlap and cover everything."""
    made = {network(house) for _ in range(5)}
    pages = [house.vpc("DescribeVpcs", PageSize="2", PageNumber=str(n))["Vpcs"]["Vpc"] for n in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [2, 2, 1, 0]
    assert {vpc["VpcId"] for page in pages for vpc in page} == made
