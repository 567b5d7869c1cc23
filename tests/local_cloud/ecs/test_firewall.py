"""What security groups say becomes the list of ingress rules that a node's driver is told, now and at every change."""

from __future__ import annotations

from typing import Any

import pytest

from garret.local_cloud.ecs.firewall import AFTER_ALL, ingress
from garret.local_cloud.nodes.driver import Rule
from tests.local_cloud.house import REGION, House, PaperDriver, until
from tests.local_cloud.machines import describe, plot, running

ANYBODY = "0.0.0.0/0"


def allow(house: House, group: str, **rule: Any) -> None:
    """Add one rule for what comes in."""
    permission = {"IpProtocol": "TCP", "PortRange": "443/443", **rule}
    if "SourceGroupId" not in rule:
        permission.setdefault("SourceCidrIp", ANYBODY)
    house.call("AuthorizeSecurityGroup", RegionId=REGION, SecurityGroupId=group, Permissions=[permission])


def told(driver: PaperDriver, instance: str) -> list[str]:
    """Return the rules of an instance as its driver was told them, one a line."""
    return [
        f"{rule.priority} {rule.policy} {rule.protocol} {rule.port_from}-{rule.port_to} {rule.cidr}"
        for rule in driver.rules[instance]
    ]


def here(house: House, vswitch: str, group: str, **fields: Any) -> str:
    """Run an instance in this switch and group."""
    return running(house, VSwitchId=vswitch, SecurityGroupId=group, **fields)


def address(house: House, instance: str) -> str:
    """Return an instance's private address."""
    return str(describe(house, instance)["VpcAttributes"]["PrivateIpAddress"]["IpAddress"][0])


def test_a_node_is_guarded_before_it_boots_and_at_every_change(house: House, driver: PaperDriver) -> None:
    """Nothing comes in at first; added, changed and revoked rules are told, an unchanged list is not told again."""
    vswitch, group = plot(house)
    instance = here(house, vswitch, group)
    assert told(driver, instance) == []
    allow(house, group, SourceCidrIp="203.0.113.0/24")
    until(lambda: told(driver, instance) == ["1 accept tcp 443-443 203.0.113.0/24"])
    shown = house.call("DescribeSecurityGroupAttribute", RegionId=REGION, SecurityGroupId=group)
    rule = shown["Permissions"]["Permission"][0]["SecurityGroupRuleId"]
    change = {"RegionId": REGION, "SecurityGroupId": group, "SecurityGroupRuleId": rule}
    house.call("ModifySecurityGroupRule", **change, Policy="drop", Priority="7")
    until(lambda: told(driver, instance) == ["7 drop tcp 443-443 203.0.113.0/24"])
    driver.rules.clear()
    house.call("AuthorizeSecurityGroupEgress", RegionId=REGION, SecurityGroupId=group, IpProtocol="all",
               PortRange="-1/-1", DestCidrIp=ANYBODY)  # fmt: skip
    house.cloud.background.join(5)
    assert driver.rules == {}
    house.call("RevokeSecurityGroup", RegionId=REGION, SecurityGroupId=group, SecurityGroupRuleId=[rule])
    until(lambda: driver.rules.get(instance) == ())


def test_rules_are_told_again_after_a_restart(house: House, driver: PaperDriver) -> None:
    """A driver that keeps them in memory has them back when the server is up again, and the address too."""
    vswitch, group = plot(house)
    allow(house, group)
    instance = here(house, vswitch, group)
    eip = house.vpc("AllocateEipAddress")
    house.vpc("AssociateEipAddress", AllocationId=eip["AllocationId"], InstanceId=instance)
    until(lambda: driver.addresses.get(instance) == eip["EipAddress"])
    driver.rules.clear()
    driver.addresses.clear()
    house.cloud.recover()
    until(lambda: instance in driver.rules and driver.addresses.get(instance) == eip["EipAddress"])
    assert told(driver, instance) == [f"1 accept tcp 443-443 {ANYBODY}"]


def test_members_of_a_group_reach_each_other_and_who_names_it(house: House, driver: PaperDriver) -> None:
    """Coming, moving and leaving members change what the others are told, and those whose rules name the group."""
    vswitch, group = plot(house)
    vpc = house.call("DescribeSecurityGroups", RegionId=REGION, SecurityGroupId=group)
    vpc_id = vpc["SecurityGroups"]["SecurityGroup"][0]["VpcId"]
    fields = {"RegionId": REGION, "VpcId": vpc_id, "SecurityGroupType": "enterprise"}
    other = house.call("CreateSecurityGroup", **fields)["SecurityGroupId"]
    allow(house, other, SourceGroupId=group, PortRange="22/22")
    watcher, first = here(house, vswitch, other), here(house, vswitch, group)
    one = address(house, first)
    until(lambda: told(driver, watcher) == [f"1 accept tcp 22-22 {one}/32"])
    second = here(house, vswitch, group)
    two = address(house, second)
    until(lambda: told(driver, first) == [f"{AFTER_ALL} accept all 1-65535 {two}/32"])
    until(lambda: len(driver.rules[watcher]) == 2)
    house.call("JoinSecurityGroup", RegionId=REGION, SecurityGroupId=group, InstanceId=watcher)
    until(lambda: len(driver.rules[first]) == 2 and len(driver.rules[watcher]) == 4)
    house.call("LeaveSecurityGroup", RegionId=REGION, SecurityGroupId=group, InstanceId=watcher)
    until(lambda: len(driver.rules[first]) == 1 and len(driver.rules[watcher]) == 2)
    house.call("ModifyInstanceAttribute", InstanceId=second, SecurityGroupIds=[other])
    until(lambda: driver.rules[first] == () and told(driver, watcher) == [f"1 accept tcp 22-22 {one}/32"])
    house.call("DeleteInstance", InstanceId=first, Force=True)
    until(lambda: driver.rules[watcher] == ())


def test_joining_and_leaving_are_refused_where_they_make_no_sense(house: House) -> None:
    """Twice, in another network, out of the last one, out of one that it is not in."""
    vswitch, group = plot(house)
    _, foreign = plot(house)
    instance = here(house, vswitch, group)
    for action, wanted, code in (
        ("Join", group, "InvalidInstanceId.AlreadyExists"),
        ("Join", foreign, "InvalidInstanceId.VpcNotMatch"),
        ("Join", "sg-none", "InvalidSecurityGroupId.NotFound"),
        ("Leave", group, "InstanceLastSecurityGroup"),
        ("Leave", foreign, "InstanceNotInSecurityGroup"),
    ):
        with pytest.raises(Exception, match=code.replace(".", r"\.")):
            house.call(f"{action}SecurityGroup", RegionId=REGION, SecurityGroupId=wanted, InstanceId=instance)


def written(**fields: str) -> dict[str, str]:
    """Return a rule as a group keeps it."""
    ends = dict.fromkeys(("SourceCidrIp", "SourceGroupId", "Ipv6SourceCidrIp", "DestCidrIp", "SourcePortRange"), "")
    rule = {"Direction": "ingress", "IpProtocol": "TCP", "PortRange": "80/90", "Policy": "Accept", "Priority": "1"}
    return {**ends, **rule, **fields}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"SourceCidrIp": "10.0.0.0/8"}, [Rule("tcp", 80, 90, "10.0.0.0/8")]),
        ({"SourceCidrIp": "10.0.0.0/8", "SourceGroupId": "sg-a"}, [Rule("tcp", 80, 90, "10.0.0.0/8")]),
        ({"SourceGroupId": "sg-a"}, [Rule("tcp", 80, 90, "192.168.1.1/32"), Rule("tcp", 80, 90, "192.168.1.2/32")]),
        ({"SourceGroupId": "sg-empty"}, []),
        ({"IpProtocol": "ICMP", "PortRange": "-1/-1", "SourceCidrIp": ANYBODY}, [Rule("icmp", 1, 65535, ANYBODY)]),
        ({"IpProtocol": "ALL", "PortRange": "-1/-1", "SourceCidrIp": ANYBODY, "Policy": "Drop", "Priority": "100"},
         [Rule("all", 1, 65535, ANYBODY, "drop", 100)]),
        ({"SourceCidrIp": ANYBODY, "DestCidrIp": "192.168.1.0/24"}, [Rule("tcp", 80, 90, ANYBODY)]),
        ({"SourceCidrIp": ANYBODY, "DestCidrIp": "192.168.9.0/24"}, []),
        ({"SourceCidrIp": ANYBODY, "SourcePortRange": "1024/2048"}, []),
        ({"SourceCidrIp": ANYBODY, "SourcePortRange": "1024/2048", "Policy": "Drop"},
         [Rule("tcp", 80, 90, ANYBODY, "drop")]),
        ({"Ipv6SourceCidrIp": "::/0"}, []),
        ({"IpProtocol": "GRE", "PortRange": "-1/-1", "SourceCidrIp": ANYBODY}, []),
        ({"Direction": "egress", "SourceCidrIp": ANYBODY}, []),
    ],
)  # fmt: skip
def test_one_rule_as_nodes_are_told_it(rule: dict[str, str], expected: list[Rule]) -> None:
    """Sources, ports, protocols, near ends, and what a node of IPv4 does not hear of."""
    group = {"SecurityGroupId": "sg-b", "SecurityGroupType": "enterprise", "Rules": [written(**rule)]}
    members = {"sg-a": ["192.168.1.1", "192.168.1.2"], "sg-b": ["192.168.1.9"]}
    assert list(ingress([group], members, "192.168.1.9")) == expected


def test_the_order_is_the_vendors() -> None:
    """A smaller priority first, drop before accept at the same one, two groups as one list, members last."""
    source = {"SourceCidrIp": ANYBODY}
    first = {"SecurityGroupId": "sg-a", "SecurityGroupType": "normal", "Rules": [written(**source, Priority="2")]}
    drop = [written(**source, Priority="2", Policy="Drop"), written(**source, PortRange="1/1")]
    second = {"SecurityGroupId": "sg-b", "SecurityGroupType": "enterprise", "Rules": drop}
    found = ingress([first, second], {"sg-a": ["10.0.0.1", "10.0.0.2"]}, "10.0.0.1")
    assert [(rule.priority, rule.policy, rule.port_from) for rule in found] == [
        (1, "accept", 1), (2, "drop", 80), (2, "accept", 80), (AFTER_ALL, "accept", 1),
    ]  # fmt: skip
