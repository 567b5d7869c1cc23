"""Properties against the vendor's facts: what passes, what is refused, and how it is said."""

from __future__ import annotations

from typing import Any

import pytest

from garret.local_cloud.core import ApiError
from garret.local_cloud.ros.facts import all_facts, facts_of
from garret.local_cloud.ros.property_rules import check_properties
from garret.local_cloud.ros.resources import TYPES
from garret.local_cloud.ros.scope import UNKNOWN

SWITCH = {"VpcId": "vpc-1", "ZoneId": "cn-hangzhou-h", "CidrBlock": "192.168.0.0/24"}
RULE = {"IpProtocol": "tcp", "PortRange": "22/22", "SourceCidrIp": "192.0.2.1/32"}

GOOD: list[tuple[str, dict[str, Any]]] = [
    ("ECS::VSwitch", SWITCH),
    ("ECS::VSwitch", {**SWITCH, "VpcId": UNKNOWN, "Tags": UNKNOWN}),
    ("ECS::VSwitch", {**SWITCH, "Description": None, "VSwitchName": ""}),
    ("ECS::InstanceGroup", {"InstanceType": "ecs.x", "MaxAmount": "2", "SystemDiskSize": "40"}),
    ("ECS::InstanceGroup", {"InstanceType": "ecs.x", "MaxAmount": 1, "MinAmount": 1, "SystemDisk_Category": "cloud"}),
    ("ECS::Instance", {"InstanceType": "ecs.x", "AllocatePublicIP": "True", "AutoRenew": True, "Period": "12"}),
    ("ECS::SecurityGroup", {"SecurityGroupIngress": [{**RULE, "Priority": "1"}, UNKNOWN]}),
    ("ECS::RunCommand", {"CommandContent": "ls", "Type": "RunShellScript", "InstanceIds": [UNKNOWN], "Timed": False}),
    ("RAM::ManagedPolicy", {"PolicyName": "p", "PolicyDocument": {"Version": "1", "Statement": [{"Action": "*"}]}}),
    ("RandomString", {"length": 8, "character_classes": [{"class": "digits", "min": 1}]}),
    ("RandomString", {}),
]


@pytest.mark.parametrize(("kind", "values"), GOOD, ids=range(len(GOOD)))
def test_good_properties(kind: str, values: dict[str, Any]) -> None:
    """Numbers and booleans as texts, unknown values, empty texts and names from older days pass."""
    check_properties(facts_of(f"ALIYUN::{kind}", "here"), "R", values)


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("ECS::VSwitch", {"VpcId": "vpc-1", "ZoneId": "z"}, "R.Properties.CidrBlock is required"),
    ("ECS::VSwitch", {**SWITCH, "CidrBlok": "x"}, "CidrBlok: ALIYUN::ECS::VSwitch has no such property"),
    ("ECS::VSwitch", {**SWITCH, "VSwitchName": "http://x"}, "must match"),
    ("ECS::VSwitch", {**SWITCH, "VpcId": ["vpc-1"]}, "must be a string"),
    ("ECS::VSwitch", {**SWITCH, "Tags": {"Key": "a"}}, "must be a list"),
    ("ECS::VSwitch", {**SWITCH, "Tags": [{"Value": "a"}]}, "Tags[0].Key is required"),
    ("ECS::VSwitch", {**SWITCH, "Tags": [{"Key": "k"}] * 21}, "at most 20"),
    ("ECS::InstanceGroup", {"InstanceType": "x", "MaxAmount": "many"}, "must be a number"),
    ("ECS::InstanceGroup", {"InstanceType": "x", "MaxAmount": 1001}, "at most 1000"),
    ("ECS::InstanceGroup", {"InstanceType": "x", "MaxAmount": True}, "must be a number"),
    ("ECS::Instance", {"InstanceType": "x", "InternetChargeType": "PayByMoon"}, "one of paybytraffic"),
    ("ECS::Instance", {"InstanceType": "x", "AllocatePublicIP": "maybe"}, "must be a boolean"),
    ("ECS::Instance", {"InstanceType": "x", "Period": 10}, "must be one of 1, 2"),
    ("ECS::SecurityGroup", {"SecurityGroupIngress": [{**RULE, "IpProtocol": "tpc"}]}, "Ingress[0].IpProtocol"),
    ("ECS::RunCommand", {"CommandContent": "ls", "Type": "x", "InstanceIds": []}, "at least 1"),
    ("ROS::WaitCondition", {"Handle": "h", "Timeout": 43201}, "at most 43200"),
]


@pytest.mark.parametrize(("kind", "values", "part"), BAD, ids=range(len(BAD)))
def test_bad_properties(kind: str, values: dict[str, Any], part: str) -> None:
    """The property, its value and its rule are named."""
    with pytest.raises(ApiError) as caught:
        check_properties(facts_of(f"ALIYUN::{kind}", "here"), "R", values)
    assert caught.value.code == "StackValidationFailed"
    assert part in caught.value.message


def test_a_type_that_is_not_there_is_refused_by_name() -> None:
    """The refusal names the type and what there is instead."""
    with pytest.raises(ApiError) as caught:
        facts_of("ALIYUN::RDS::DBInstance", "Resources.Db.Type")
    assert "ALIYUN::RDS::DBInstance" in caught.value.message
    assert "ALIYUN::ECS::VSwitch" in caught.value.message


def test_outputs_of_a_nested_stack_are_attributes() -> None:
    """Any Outputs.name may be asked of a stack whose template is not at hand, and nothing else."""
    stack = facts_of("ALIYUN::ROS::Stack", "here")
    assert stack.has_attribute("Outputs.VpcId")
    assert not stack.has_attribute("Outputs.")
    assert not stack.has_attribute("VpcId")


def test_facts_are_of_the_types_that_stacks_can_make() -> None:
    """Whatever validates can be made; whatever can be made is known with its attributes."""
    assert set(all_facts()) == set(TYPES)
    for name, kind in TYPES.items():
        assert all(all_facts()[name].has_attribute(one) for one in kind.attributes if "*" not in one), name
