"""Templates that change, and the calls that change them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.local_cloud.ros.stage import Ros, network, template


def group(*ports: int, **more: Any) -> dict[str, Any]:
    """Return a security group in the network that lets in these ports."""
    rules = [
        {"IpProtocol": "tcp", "PortRange": f"{port}/{port}", "SourceCidrIp": "203.0.113.7/32", "Policy": "accept"}
        for port in ports
    ]
    return {
        "Type": "ALIYUN::ECS::SecurityGroup",
        "Properties": {"VpcId": {"Ref": "Vpc"}, "SecurityGroupIngress": rules},
        **more,
    }


def switch(cidr: str, **more: Any) -> dict[str, Any]:
    """Return one more switch of the network."""
    properties = {"VpcId": {"Ref": "Vpc"}, "ZoneId": {"Ref": "Zone"}, "CidrBlock": cidr}
    return {"Type": "ALIYUN::ECS::VSwitch", "Properties": properties, **more}


def with_group(*ports: int, **sections: Any) -> str:
    """Return the template of a network with a group."""
    return template(network(Group=group(*ports)), **sections)


def pairs(kind: str, given: Mapping[str, str]) -> list[Any]:
    """Return parameters as the typed client takes them in requests of this kind."""
    from alibabacloud_ros20190910 import models

    record = getattr(models, f"{kind}RequestParameters")
    return [record(parameter_key=key, parameter_value=value) for key, value in given.items()]


def update(ros: Ros, stack_id: str, text: str, **fields: Any) -> str:
    """Call UpdateStack and return the stack's id."""
    given = pairs("UpdateStack", fields.pop("parameters", {}))
    return str(ros.ask("update_stack", stack_id=stack_id, template_body=text, parameters=given, **fields).stack_id)


def made(ros: Ros, text: str, **fields: Any) -> str:
    """Create a stack, wait until it is complete and return its id."""
    stack_id = ros.create(text, **fields)
    stack = ros.settled(stack_id)
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    return stack_id


def ports(ros: Ros, group_id: str) -> set[str]:
    """Return the port ranges that a group lets in."""
    found = ros.house.call("DescribeSecurityGroupAttribute", RegionId="cn-hangzhou", SecurityGroupId=group_id)
    return {one["PortRange"] for one in found["Permissions"]["Permission"]}
