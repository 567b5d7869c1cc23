"""Security groups: their rules are kept as asked, and refused when they make no sense."""

from __future__ import annotations

from typing import Any

import pytest

from tests.local_cloud.house import REGION, House


def group(house: House) -> str:
    """Make a group and return its id."""
    vpc = house.vpc("CreateVpc")["VpcId"]
    return str(house.call("CreateSecurityGroup", RegionId=REGION, VpcId=vpc)["SecurityGroupId"])


def allow(house: House, id: str, **rule: Any) -> None:
    """Add one rule."""
    permission = {"IpProtocol": "TCP", "PortRange": "443/443", "SourceCidrIp": "203.0.113.7/32", **rule}
    house.call("AuthorizeSecurityGroup", RegionId=REGION, SecurityGroupId=id, Permissions=[permission])


def rules(house: House, id: str) -> list[dict[str, Any]]:
    """Return the rules of a group."""
    reply = house.call("DescribeSecurityGroupAttribute", RegionId=REGION, SecurityGroupId=id)
    found: list[dict[str, Any]] = reply["Permissions"]["Permission"]
    return found


def test_rules_are_kept_and_not_doubled(house: House) -> None:
    """A rule is there once, however often it is added."""
    id = group(house)
    for _ in range(2):
        allow(house, id)
    allow(house, id, SourceCidrIp="198.51.100.0/24")
    assert [(rule["PortRange"], rule["SourceCidrIp"], rule["Policy"]) for rule in rules(house, id)] == [
        ("443/443", "203.0.113.7/32", "Accept"),
        ("443/443", "198.51.100.0/24", "Accept"),
    ]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"PortRange": "443"}, "PortRange"),
        ({"PortRange": "9/8"}, "PortRange"),
        ({"PortRange": "0/70000"}, "PortRange"),
        ({"IpProtocol": "SMTP"}, "InvalidIpProtocol"),
        ({"SourceCidrIp": "everybody"}, "InvalidSourceCidrIp"),
        ({"SourceCidrIp": ""}, "MissingParameter"),
        ({"Policy": "Maybe"}, "InvalidPolicy"),
    ],
)
def test_rules_that_make_no_sense_are_refused(house: House, wrong: dict[str, str], code: str) -> None:
    """Ports, protocol, source and policy are checked, and nothing is added."""
    id = group(house)
    with pytest.raises(Exception, match=code):
        allow(house, id, **wrong)
    assert rules(house, id) == []


def test_a_group_belongs_to_a_network(house: House) -> None:
    """Without a network, or in one that is none, there is no group; a network with a group stays."""
    for vpc, code in (("", "MissingParameter"), ("vpc-1", "InvalidVpcId.NotFound")):
        with pytest.raises(Exception, match=code):
            house.call("CreateSecurityGroup", RegionId=REGION, VpcId=vpc)
    id = group(house)
    seen = house.call("DescribeSecurityGroups", RegionId=REGION, SecurityGroupId=id)["SecurityGroups"]["SecurityGroup"]
    with pytest.raises(Exception, match=r"DependencyViolation\.SecurityGroup"):
        house.vpc("DeleteVpc", VpcId=seen[0]["VpcId"])
    house.call("DeleteSecurityGroup", RegionId=REGION, SecurityGroupId=id)
    house.vpc("DeleteVpc", VpcId=seen[0]["VpcId"])
