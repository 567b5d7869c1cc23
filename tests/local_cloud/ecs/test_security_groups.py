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


def test_rules_for_what_goes_out(house: House) -> None:
    """Egress rules live beside ingress ones, have their own ends, and are taken away by what they say or by id."""
    id = group(house)
    allow(house, id)
    out = {"IpProtocol": "tcp", "PortRange": "1/65535", "DestCidrIp": "0.0.0.0/0", "Policy": "drop", "Priority": "2"}
    named = {"RegionId": REGION, "SecurityGroupId": id}
    house.call("AuthorizeSecurityGroupEgress", **named, Permissions=[out, out])
    house.call(
        "AuthorizeSecurityGroupEgress", **named,
        Permissions=[{"IpProtocol": "ALL", "PortRange": "-1/-1", "Ipv6DestCidrIp": "2001:db8::/64"}],
    )  # fmt: skip
    with pytest.raises(Exception, match=r"MissingParameter\.Dest"):
        house.call("AuthorizeSecurityGroupEgress", **named, Permissions=[{"IpProtocol": "ALL", "PortRange": "-1/-1"}])
    seen = house.call("DescribeSecurityGroupAttribute", **named, Direction="egress")["Permissions"]["Permission"]
    assert [(one["DestCidrIp"], one["Ipv6DestCidrIp"], one["Policy"]) for one in seen] == [
        ("0.0.0.0/0", "", "Drop"),
        ("", "2001:db8::/64", "Accept"),
    ]
    house.call("RevokeSecurityGroupEgress", **named, Permissions=[out])
    house.call("RevokeSecurityGroup", **named, SecurityGroupRuleId=[seen[1]["SecurityGroupRuleId"]])
    assert [one["Direction"] for one in rules(house, id)] == ["ingress", "egress"]
    house.call("RevokeSecurityGroupEgress", **named, SecurityGroupRuleId=[seen[1]["SecurityGroupRuleId"]])
    assert [one["Direction"] for one in rules(house, id)] == ["ingress"]


def test_a_rule_is_changed_in_place(house: House) -> None:
    """By its id; what the call does not say stays, and a rule that is there already is refused."""
    id = group(house)
    allow(house, id, Description="the office")
    allow(house, id, PortRange="22/22")
    first = rules(house, id)[0]
    named = {"RegionId": REGION, "SecurityGroupId": id, "SecurityGroupRuleId": first["SecurityGroupRuleId"]}
    house.call("ModifySecurityGroupRule", **named, SourceCidrIp="198.51.100.0/24")
    now = rules(house, id)[0]
    assert (now["SourceCidrIp"], now["PortRange"], now["Description"]) == ("198.51.100.0/24", "443/443", "the office")
    with pytest.raises(Exception, match="RuleRepeat"):
        house.call("ModifySecurityGroupRule", **named, SourceCidrIp="203.0.113.7/32", PortRange="22/22")
    house.call("ModifySecurityGroupAttribute", RegionId=REGION, SecurityGroupId=id, SecurityGroupName="new")
    seen = house.call("DescribeSecurityGroups", RegionId=REGION, SecurityGroupName="new")
    assert seen["TotalCount"] == 1


def test_tags_go_again(house: House) -> None:
    """UntagResources takes the named keys, or all."""
    id = group(house)
    at = {"RegionId": REGION, "ResourceType": "securitygroup", "ResourceId": [id]}
    house.call("TagResources", **at, Tag=[{"Key": key, "Value": "1"} for key in ("a", "b", "c")])
    house.call("UntagResources", **at, TagKey=["a", "never"])
    left = house.call("ListTagResources", **at)["TagResources"]["TagResource"]
    assert [one["TagKey"] for one in left] == ["b", "c"]
    house.call("UntagResources", **at, All=True)
    assert house.call("ListTagResources", **at)["TagResources"].get("TagResource", []) == []
