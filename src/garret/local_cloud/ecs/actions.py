"""The actions of ECS."""

from __future__ import annotations

from garret.local_cloud import tagging
from garret.local_cloud.core import Action, Call, Cloud, Parameter
from garret.local_cloud.ecs import assistant, catalog, disks, files, images, instances, invocations, power
from garret.local_cloud.ecs import security_groups as groups
from garret.local_cloud.params import Reply

KINDS = {"instance": "instance", "disk": "disk", "securitygroup": "security_group"}


def _need(*names: str) -> tuple[Parameter, ...]:
    return tuple(Parameter(name, required=True) for name in names)


def _flags(*names: str) -> tuple[Parameter, ...]:
    return tuple(Parameter(name, kind="boolean") for name in names)


def _tag_resources(call: Call, cloud: Cloud) -> Reply:
    return tagging.tag_resources(call, cloud, KINDS)


def _list_tag_resources(call: Call, cloud: Cloud) -> Reply:
    return tagging.list_tag_resources(call, cloud, KINDS)


_MODE = Parameter("StoppedMode", choices=("KeepCharging", "StopCharging"))
_START, _STOP, _DELETE = _flags("DryRun"), (_MODE, *_flags("DryRun", "ForceStop")), _flags("DryRun", "Force")

_CATALOG = {
    "DescribeRegions": Action(catalog.describe_regions),
    "DescribeZones": Action(catalog.describe_zones, _need("RegionId")),
    "DescribeInstanceTypes": Action(
        catalog.describe_instance_types, note="the gn7i family; filters InstanceTypes and InstanceTypeFamily"
    ),
    "DescribeAvailableResource": Action(
        catalog.describe_available_resource,
        _need("RegionId", "DestinationResource"),
        note="DestinationResource InstanceType only; a made-up stock table",
    ),
    "DescribePrice": Action(
        catalog.describe_price, _need("RegionId"), note="instances with a system disk; made-up prices"
    ),
    "DescribeImageFromFamily": Action(images.describe_image_from_family, _need("RegionId", "ImageFamily")),
    "DescribeImages": Action(images.describe_images, _need("RegionId"), note="three public images"),
}

_INSTANCES = {
    "RunInstances": Action(
        instances.run_instances,
        (*_need("RegionId"), *_flags("DryRun", "DeletionProtection"), Parameter("Amount", kind="integer")),
        note="pay-as-you-go with a system disk in a VSwitch; no data disks, launch templates or dedicated hosts; "
        "spot strategies and key pairs are kept and shown, nothing more",
    ),
    "DescribeInstances": Action(instances.describe_instances, _need("RegionId"), note="pages, no NextToken"),
    "DescribeInstanceStatus": Action(instances.describe_instance_status, _need("RegionId")),
    "DescribeUserData": Action(instances.describe_user_data, _need("RegionId", "InstanceId")),
    "StartInstance": Action(power.start_instance, (*_need("InstanceId"), *_START)),
    "StartInstances": Action(power.start_instances, (*_need("RegionId", "InstanceId.N"), *_START)),
    "StopInstance": Action(power.stop_instance, (*_need("InstanceId"), *_STOP)),
    "StopInstances": Action(power.stop_instances, (*_need("RegionId", "InstanceId.N"), *_STOP)),
    "RebootInstance": Action(power.reboot_instance, (*_need("InstanceId"), *_flags("DryRun", "ForceStop"))),
    "DeleteInstance": Action(power.delete_instance, (*_need("InstanceId"), *_DELETE)),
    "DeleteInstances": Action(power.delete_instances, (*_need("RegionId", "InstanceId.N"), *_DELETE)),
    "DescribeDisks": Action(disks.describe_disks, _need("RegionId"), note="system disks"),
}

_SECURITY = {
    "CreateSecurityGroup": Action(groups.create_security_group, _need("RegionId")),
    "AuthorizeSecurityGroup": Action(
        groups.authorize_security_group,
        _need("RegionId", "SecurityGroupId"),
        note="IPv4 rules are checked, kept and shown; a process node has no firewall",
    ),
    "RevokeSecurityGroup": Action(groups.revoke_security_group, _need("RegionId", "SecurityGroupId")),
    "DescribeSecurityGroups": Action(groups.describe_security_groups, _need("RegionId")),
    "DescribeSecurityGroupAttribute": Action(
        groups.describe_security_group_attribute, _need("RegionId", "SecurityGroupId")
    ),
    "DeleteSecurityGroup": Action(groups.delete_security_group, _need("RegionId", "SecurityGroupId")),
    "TagResources": Action(_tag_resources, _need("RegionId", "ResourceType", "ResourceId.N")),
    "ListTagResources": Action(_list_tag_resources, _need("RegionId", "ResourceType")),
}

_ASSISTANT = {
    "DescribeCloudAssistantStatus": Action(assistant.describe_cloud_assistant_status, _need("RegionId")),
    "RunCommand": Action(
        assistant.run_command,
        (*_need("RegionId", "Type", "CommandContent", "InstanceId.N"), *_flags("EnableParameter", "KeepCommand")),
        note="shell scripts, once, at once; no custom parameters; a process node has one user",
    ),
    "DescribeInvocations": Action(invocations.describe_invocations, _need("RegionId")),
    "DescribeInvocationResults": Action(invocations.describe_invocation_results, _need("RegionId")),
    "StopInvocation": Action(assistant.stop_invocation, _need("RegionId", "InvokeId")),
    "SendFile": Action(
        files.send_file,
        (*_need("RegionId", "Name", "TargetDir", "Content", "InstanceId.N"), *_flags("Overwrite")),
        note="owner and group are kept and shown, nothing more",
    ),
    "DescribeSendFileResults": Action(
        files.describe_send_file_results, _need("RegionId"), note="without the file's content"
    ),
}

ACTIONS = {**_CATALOG, **_INSTANCES, **_SECURITY, **_ASSISTANT}
