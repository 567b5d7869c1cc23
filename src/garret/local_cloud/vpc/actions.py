"""The actions of VPC."""

from __future__ import annotations

from garret.local_cloud import tagging
from garret.local_cloud.core import Action, Call, Cloud, Parameter
from garret.local_cloud.params import Reply
from garret.local_cloud.vpc import addresses, networks, switches

KINDS = {"vpc": "vpc", "vswitch": "vswitch", "eip": "eip"}
REGION = Parameter("RegionId", required=True)
VPC = Parameter("VpcId", required=True)
VSWITCH = Parameter("VSwitchId", required=True)
ALLOCATION = Parameter("AllocationId", required=True)
RESOURCE_TYPE = Parameter("ResourceType", required=True)


def _tag_resources(call: Call, cloud: Cloud) -> Reply:
    return tagging.tag_resources(call, cloud, KINDS)


def _list_tag_resources(call: Call, cloud: Cloud) -> Reply:
    return tagging.list_tag_resources(call, cloud, KINDS)


ACTIONS = {
    "CreateVpc": Action(networks.create_vpc, (REGION,), note="IPv4; available at once"),
    "DescribeVpcs": Action(networks.describe_vpcs, (REGION,)),
    "DeleteVpc": Action(networks.delete_vpc, (VPC,)),
    "CreateVSwitch": Action(
        switches.create_vswitch,
        (VPC, Parameter("ZoneId", required=True), Parameter("CidrBlock", required=True)),
        note="IPv4; available at once",
    ),
    "DescribeVSwitches": Action(switches.describe_vswitches),
    "DeleteVSwitch": Action(switches.delete_vswitch, (VSWITCH,)),
    "AllocateEipAddress": Action(
        addresses.allocate_eip_address,
        (REGION, Parameter("InternetChargeType", choices=("PayByBandwidth", "PayByTraffic"))),
        note="a loopback address: 127.88.x.y on Linux, 127.0.0.1 elsewhere",
    ),
    "DescribeEipAddresses": Action(addresses.describe_eip_addresses, (REGION,)),
    "AssociateEipAddress": Action(
        addresses.associate_eip_address,
        (
            ALLOCATION,
            Parameter("InstanceId", required=True),
            Parameter("InstanceType", choices=("EcsInstance",)),
        ),
        note="ECS instances only",
    ),
    "UnassociateEipAddress": Action(addresses.unassociate_eip_address, (ALLOCATION,)),
    "ReleaseEipAddress": Action(addresses.release_eip_address, (ALLOCATION,)),
    "TagResources": Action(_tag_resources, (REGION, RESOURCE_TYPE, Parameter("ResourceId.N", required=True))),
    "ListTagResources": Action(_list_tag_resources, (REGION, RESOURCE_TYPE)),
}
