"""Instances for tests: a network around them, and what the cloud says of them."""

from __future__ import annotations

import base64
from typing import Any

from tests.local_cloud.house import FAMILY, REGION, TYPE, Clients, until

ZONE = "cn-hangzhou-i"


def plot(house: Clients, zone: str = ZONE) -> tuple[str, str]:
    """Make a network with a switch and a security group; returns the ids of the last two."""
    vpc = house.vpc("CreateVpc", CidrBlock="192.168.0.0/16")["VpcId"]
    vswitch = house.vpc("CreateVSwitch", VpcId=vpc, CidrBlock="192.168.1.0/24", ZoneId=zone)["VSwitchId"]
    group = house.call("CreateSecurityGroup", RegionId=REGION, VpcId=vpc)["SecurityGroupId"]
    return vswitch, group


def order(house: Clients, user_data: str = "", **fields: Any) -> dict[str, Any]:
    """Make the fields of a RunInstances call."""
    if "VSwitchId" not in fields:
        fields["VSwitchId"], fields["SecurityGroupId"] = plot(house)
    image = house.call("DescribeImageFromFamily", RegionId=REGION, ImageFamily=FAMILY)["Image"]["ImageId"]
    return {
        "RegionId": REGION,
        "InstanceType": TYPE,
        "ImageId": image,
        "SystemDisk": {"Category": "cloud_essd", "Size": "100"},
        "UserData": base64.b64encode(user_data.encode()).decode(),
        **fields,
    }


def launch(house: Clients, user_data: str = "", **fields: Any) -> str:
    """Run one instance and return its id."""
    reply = house.call("RunInstances", **order(house, user_data, **fields))
    return str(reply["InstanceIdSets"]["InstanceIdSet"][0])


def describe(house: Clients, instance: str) -> dict[str, Any]:
    """Return what the cloud says of an instance, or nothing when it is gone."""
    import json

    reply = house.call("DescribeInstances", RegionId=REGION, InstanceIds=json.dumps([instance]))
    found: list[dict[str, Any]] = reply["Instances"]["Instance"]
    return found[0] if found else {}


def status(house: Clients, instance: str) -> str:
    """Return an instance's status, "" when it is gone."""
    return str(describe(house, instance).get("Status", ""))


def running(house: Clients, user_data: str = "", **fields: Any) -> str:
    """Run one instance and wait until it runs."""
    instance = launch(house, user_data, **fields)
    until(lambda: status(house, instance) == "Running")
    return instance
