"""The vendor's ROS client against a local cloud, and the templates that the tests of this room use."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.local_cloud.house import FAMILY, REGION, TYPE, House, until

ENDS = ("_COMPLETE", "_FAILED")
TAG = {"Key": "garret:deployment", "Value": "demo"}


def network(**more: Any) -> dict[str, Any]:
    """Return the resources of a VPC with one switch."""
    vpc = {"Type": "ALIYUN::ECS::VPC", "Properties": {"CidrBlock": "192.168.0.0/16", "VpcName": {"Ref": "Name"}}}
    switch = {
        "Type": "ALIYUN::ECS::VSwitch",
        "Properties": {"VpcId": {"Ref": "Vpc"}, "ZoneId": {"Ref": "Zone"}, "CidrBlock": "192.168.1.0/24"},
    }
    return {"Vpc": vpc, "Switch": switch, **more}


def node(**properties: Any) -> dict[str, Any]:
    """Return a security group and one gn7i machine in the network."""
    rule = {"IpProtocol": "tcp", "PortRange": "443/443", "SourceCidrIp": "203.0.113.7/32", "Policy": "accept"}
    group = {"VpcId": {"Ref": "Vpc"}, "SecurityGroupName": "demo", "SecurityGroupIngress": [rule]}
    machine = {
        "InstanceType": TYPE,
        "ImageFamily": FAMILY,
        "ZoneId": {"Ref": "Zone"},
        "VSwitchId": {"Ref": "Switch"},
        "SecurityGroupId": {"Ref": "Group"},
        "SystemDiskCategory": "cloud_essd",
        "SystemDiskSize": 100,
        "MaxAmount": 1,
        **properties,
    }
    return {
        "Group": {"Type": "ALIYUN::ECS::SecurityGroup", "Properties": group},
        "Node": {"Type": "ALIYUN::ECS::InstanceGroup", "Properties": machine},
    }


def waiting(timeout: int = 60, **more: Any) -> dict[str, Any]:
    """Return a handle and a condition that waits on it."""
    condition = {"Handle": {"Ref": "Handle"}, "Timeout": timeout, **more}
    return {
        "Handle": {"Type": "ALIYUN::ROS::WaitConditionHandle"},
        "Ready": {"Type": "ALIYUN::ROS::WaitCondition", "Properties": condition},
    }


def template(resources: Mapping[str, Any], **sections: Any) -> str:
    """Return the text of a template with the parameters Name and Zone."""
    parameters = {"Name": {"Type": "String", "Default": "demo"}, "Zone": {"Type": "String", "Default": f"{REGION}-i"}}
    parameters |= sections.pop("Parameters", {})
    head = {"ROSTemplateFormatVersion": "2015-09-01", "Parameters": parameters}
    return json.dumps({**head, "Resources": dict(resources), **sections})


class Ros:
    """The typed ROS client of one house."""

    def __init__(self, house: House) -> None:
        from alibabacloud_ros20190910.client import Client

        self.house = house
        self.client = Client(house.config())

    def ask(self, action: str, **fields: Any) -> Any:
        """Call an action by its name in the client and return the body of the reply."""
        from alibabacloud_ros20190910 import models

        name = "".join(part.capitalize() for part in action.split("_")) + "Request"
        fields.setdefault("region_id", REGION)
        return getattr(self.client, action)(getattr(models, name)(**fields)).body

    def create(self, text: str, name: str = "demo", **fields: Any) -> str:
        """Create a stack and return its id."""
        from alibabacloud_ros20190910 import models

        given = fields.pop("parameters", {})
        pairs = [
            models.CreateStackRequestParameters(parameter_key=key, parameter_value=value)
            for key, value in given.items()
        ]
        tags = [models.CreateStackRequestTags(key=TAG["Key"], value=TAG["Value"])]
        asked = {"stack_name": name, "template_body": text, "parameters": pairs, "tags": tags, **fields}
        return str(self.ask("create_stack", **asked).stack_id)

    def see(self, stack_id: str) -> Any:
        """Return GetStack's body."""
        return self.ask("get_stack", stack_id=stack_id)

    def settled(self, stack_id: str, seconds: float = 15.0) -> Any:
        """Wait until the stack's action has ended and return GetStack's body."""
        until(lambda: self.see(stack_id).status.endswith(ENDS), seconds)
        return self.see(stack_id)

    def outputs(self, stack_id: str) -> dict[str, Any]:
        """Return the outputs by key."""
        return {one["OutputKey"]: one["OutputValue"] for one in self.see(stack_id).outputs}

    def resources(self, stack_id: str) -> dict[str, Any]:
        """Return the resources by logical name."""
        return {one.logical_resource_id: one for one in self.ask("list_stack_resources", stack_id=stack_id).resources}

    def events(self, stack_id: str) -> list[tuple[str, str]]:
        """Return the events as (name, status), oldest first."""
        found = self.ask("list_stack_events", stack_id=stack_id, page_size=50).events
        return [(one.logical_resource_id, one.status) for one in reversed(found)]


def left_over(house: House) -> dict[str, int]:
    """Count everything that the cloud still has and that a stack could have made."""
    kinds = ("vpc", "vswitch", "security_group", "instance", "disk", "eip")
    return {kind: len(house.store.find(kind)) for kind in kinds if house.store.find(kind)}
