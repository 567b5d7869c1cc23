"""The actions of VPC."""

from __future__ import annotations

from garret.local_cloud import tagging
from garret.local_cloud.core import Action, Call, Cloud, Parameter
from garret.local_cloud.params import Reply
from garret.local_cloud.vpc import addresses, gateways, networks, switches

KINDS = {"vpc": "vpc", "vswitch": "vswitch", "eip": "eip", "natgateway": "nat_gateway"}
REGION = Parameter("RegionId", required=True)
VPC = Parameter("VpcId", required=True)
VSWITCH = Parameter("VSwitchId", required=True)
ALLOCATION = Parameter("AllocationId", required=True)
GATEWAY = Parameter("NatGatewayId", required=True)
RESOURCE_TYPE = Parameter("ResourceType", required=True)


def _tag_resources(call: Call, cloud: Cloud) -> Reply:
    return tagging.tag_resources(call, cloud, KINDS)


def _untag_resources(call: Call, cloud: Cloud) -> Reply:
    return tagging.untag_resources(call, cloud, KINDS)


def _list_tag_resources(call: Call, cloud: Cloud) -> Reply:
    return tagging.list_tag_resources(call, cloud, KINDS)


ACTIONS = {
    "CreateVpc": Action(networks.create_vpc, (REGION,), note="IPv4; available at once"),
    "DescribeVpcs": Action(networks.describe_vpcs, (REGION,)),
    "ModifyVpcAttribute": Action(networks.modify_vpc_attribute, (VPC,), note="name and description"),
    "DeleteVpc": Action(networks.delete_vpc, (VPC,)),
    "CreateVSwitch": Action(
        switches.create_vswitch,
        (VPC, Parameter("ZoneId", required=True), Parameter("CidrBlock", required=True)),
        note="IPv4; available at once",
    ),
    "DescribeVSwitches": Action(switches.describe_vswitches),
    "ModifyVSwitchAttribute": Action(switches.modify_vswitch_attribute, (VSWITCH,), note="name and description"),
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
            Parameter("InstanceType", choices=("EcsInstance", "Nat")),
        ),
        note="ECS instances and NAT gateways",
    ),
    "ModifyEipAddressAttribute": Action(
        addresses.modify_eip_address_attribute, (ALLOCATION,), note="nothing here is slowed to the bandwidth"
    ),
    "UnassociateEipAddress": Action(addresses.unassociate_eip_address, (ALLOCATION,)),
    "ReleaseEipAddress": Action(addresses.release_eip_address, (ALLOCATION,)),
    "CreateNatGateway": Action(
        gateways.create_nat_gateway, (REGION, VPC), note="enhanced ones; kept and shown, no packet passes through them"
    ),
    "DescribeNatGateways": Action(gateways.describe_nat_gateways, (REGION,)),
    "ModifyNatGatewayAttribute": Action(
        gateways.modify_nat_gateway_attribute, (REGION, GATEWAY), note="name and description"
    ),
    "DeleteNatGateway": Action(gateways.delete_nat_gateway, (REGION, GATEWAY)),
    "CreateSnatEntry": Action(gateways.create_snat_entry, (REGION, Parameter("SnatTableId", required=True))),
    "ModifySnatEntry": Action(gateways.modify_snat_entry, (REGION, Parameter("SnatEntryId", required=True))),
    "DescribeSnatTableEntries": Action(gateways.describe_snat_table_entries, (REGION,)),
    "DeleteSnatEntry": Action(gateways.delete_snat_entry, (REGION, Parameter("SnatEntryId", required=True))),
    "TagResources": Action(_tag_resources, (REGION, RESOURCE_TYPE, Parameter("ResourceId.N", required=True))),
    "UnTagResources": Action(_untag_resources, (REGION, RESOURCE_TYPE, Parameter("ResourceId.N", required=True))),
    "ListTagResources": Action(_list_tag_resources, (REGION, RESOURCE_TYPE)),
}
