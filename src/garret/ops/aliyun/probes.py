"""Questions that tell whether an action is allowed and change nothing, whatever the answer.

A read is asked for something that need not exist. A write is asked either as the vendor's own rehearsal (DryRun), or
of a thing that cannot exist: the cloud looks at the rights first, and answers "not found" to whoever has them. An
action for which neither holds has no line here, and is not asked about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_NOBODY = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class Probe:
    """The parameters of a call that tells."""

    parameters: Mapping[str, Any] = field(default_factory=dict)


_TEMPLATE = '{"ROSTemplateFormatVersion": "2015-09-01", "Resources": {}}'
_INSTANCE, _DISK = "i-garretnobody0000000", "d-garretnobody0000000"
_STACK: Mapping[str, Any] = {"StackId": _NOBODY}

PROBES: Mapping[str, Probe] = {
    # Reads.
    "ros:ListStacks": Probe({"PageSize": 1}),
    "ros:GetStack": Probe(_STACK),
    "ros:ListStackResources": Probe(_STACK),
    "ros:ListStackEvents": Probe(_STACK),
    "ros:ValidateTemplate": Probe({"TemplateBody": _TEMPLATE}),
    "ros:GetTemplateEstimateCost": Probe({"TemplateBody": _TEMPLATE}),
    "ros:PreviewStack": Probe({"TemplateBody": _TEMPLATE, "StackName": "garret-nobody"}),
    "ros:GetChangeSet": Probe({"ChangeSetId": _NOBODY}),
    "ros:ListChangeSets": Probe(_STACK),
    "ecs:DescribeRegions": Probe(),
    "ecs:DescribeAvailableResource": Probe({"DestinationResource": "Zone"}),
    "ecs:DescribePrice": Probe({"ResourceType": "instance"}),
    "ecs:DescribeImageFromFamily": Probe({"ImageFamily": "garret-nobody"}),
    "ecs:DescribeImages": Probe({"PageSize": 1}),
    "ecs:DescribeInstances": Probe({"PageSize": 10}),
    "ecs:GetInstanceConsoleOutput": Probe({"InstanceId": _INSTANCE}),
    "ecs:DescribeInstanceTypes": Probe({"MaxResults": 10}),
    "ecs:DescribeDisks": Probe({"PageSize": 10}),
    "ecs:DescribeSnapshots": Probe({"PageSize": 10}),
    "ecs:DescribeSecurityGroups": Probe({"PageSize": 10}),
    "ecs:DescribeSecurityGroupAttribute": Probe({"SecurityGroupId": "sg-garretnobody000000"}),
    "ecs:DescribeInvocationResults": Probe({"InvokeId": "t-garretnobody000000"}),
    "ecs:DescribeSendFileResults": Probe({"InvokeId": "f-garretnobody000000"}),
    "ecs:DescribeCloudAssistantStatus": Probe({"InstanceId": [_INSTANCE]}),
    "ecs:DescribeAccountAttributes": Probe({"AttributeName": ["max-security-groups"]}),
    "oos:ListExecutions": Probe({"MaxResults": 1}),
    "oos:ListTaskExecutions": Probe({"ExecutionId": "exec-garretnobody00000"}),
    "vpc:DescribeVpcs": Probe({"PageSize": 1}),
    "vpc:DescribeVSwitches": Probe({"PageSize": 1}),
    "vpc:DescribeEipAddresses": Probe({"PageSize": 10}),
    "vpc:DescribeNatGateways": Probe({"PageSize": 10}),
    "quotas:ListProductQuotas": Probe({"ProductCode": "vpc", "MaxResults": 1}),
    "bssapi:QueryAccountBalance": Probe(),
    "bssapi:DescribeInstanceBill": Probe({"BillingCycle": "2026-01", "InstanceID": _INSTANCE}),
    # Writes, of what cannot exist or rehearsed.
    "ros:DeleteStack": Probe(_STACK),
    "ros:UpdateStack": Probe(_STACK),
    "ros:ContinueCreateStack": Probe(_STACK),
    "ros:CreateChangeSet": Probe({**_STACK, "ChangeSetName": "garret-nobody", "ChangeSetType": "UPDATE"}),
    "ros:ExecuteChangeSet": Probe({"ChangeSetId": _NOBODY}),
    "ros:DeleteChangeSet": Probe({"ChangeSetId": _NOBODY}),
    "ecs:RunInstances": Probe({"DryRun": True, "ImageId": "m-garretnobody000000", "InstanceType": "ecs.garret.nobody"}),
    "ecs:StartInstance": Probe({"DryRun": True, "InstanceId": _INSTANCE}),
    "ecs:StopInstance": Probe({"DryRun": True, "InstanceId": _INSTANCE}),
    "ecs:ModifyInstanceAutoReleaseTime": Probe({"InstanceId": _INSTANCE}),
    "ecs:DeleteInstance": Probe({"DryRun": True, "InstanceId": _INSTANCE}),
    "ecs:DeleteInstances": Probe({"DryRun": True, "InstanceId": [_INSTANCE]}),
    "ecs:ModifyInstanceSpec": Probe({"InstanceId": _INSTANCE, "InstanceType": "ecs.garret.nobody"}),
    "ecs:ResizeDisk": Probe({"DiskId": _DISK, "NewSize": 100}),
    "ecs:ResetDisk": Probe({"DryRun": True, "DiskId": _DISK, "SnapshotId": "s-garretnobody0000000"}),
    "ecs:CreateSnapshot": Probe({"DiskId": _DISK}),
    "ecs:CreateImage": Probe({"DryRun": True, "InstanceId": _INSTANCE}),
    "ecs:DeleteImage": Probe({"DryRun": True, "ImageId": "m-garretnobody0000000"}),
    "ecs:DeleteSnapshot": Probe({"SnapshotId": "s-garretnobody0000000"}),
    "ecs:AuthorizeSecurityGroup": Probe({"SecurityGroupId": "sg-garretnobody000000"}),
    "ecs:RevokeSecurityGroup": Probe({"SecurityGroupId": "sg-garretnobody000000"}),
    "ecs:CreateSecurityGroup": Probe({"VpcId": "vpc-garretnobody00000"}),
    "ecs:DeleteSecurityGroup": Probe({"SecurityGroupId": "sg-garretnobody000000"}),
    "ecs:RunCommand": Probe({"InstanceId": [_INSTANCE], "Type": "RunShellScript", "CommandContent": "dHJ1ZQ==",
                             "ContentEncoding": "Base64"}),
    "ecs:SendFile": Probe({"InstanceId": [_INSTANCE], "Name": "nobody", "TargetDir": "/root", "Content": "nothing"}),
    "ecs:TagResources": Probe({"ResourceType": "instance", "ResourceId": [_INSTANCE],
                               "Tag": [{"Key": "garret", "Value": "nobody"}]}),
    "oos:StartExecution": Probe({"TemplateName": "garret-nobody"}),
    "oos:CancelExecution": Probe({"ExecutionId": "exec-garretnobody00000"}),
    "vpc:CreateVpc": Probe({"DryRun": True, "CidrBlock": "192.168.0.0/16"}),
    "vpc:DeleteVpc": Probe({"VpcId": "vpc-garretnobody00000"}),
    "vpc:CreateVSwitch": Probe({"VpcId": "vpc-garretnobody00000", "CidrBlock": "192.168.0.0/24", "ZoneId": "nowhere"}),
    "vpc:DeleteVSwitch": Probe({"VSwitchId": "vsw-garretnobody00000"}),
    "vpc:AssociateEipAddress": Probe({"AllocationId": "eip-garretnobody00000", "InstanceId": _INSTANCE}),
    "vpc:UnassociateEipAddress": Probe({"AllocationId": "eip-garretnobody00000", "InstanceId": _INSTANCE}),
    "vpc:ReleaseEipAddress": Probe({"AllocationId": "eip-garretnobody00000"}),
    "vpc:ModifyEipAddressAttribute": Probe({"AllocationId": "eip-garretnobody00000", "Bandwidth": "5"}),
    "vpc:TagResources": Probe({"ResourceType": "VPC", "ResourceId": ["vpc-garretnobody00000"],
                               "Tag": [{"Key": "garret"}]}),
}  # fmt: skip
