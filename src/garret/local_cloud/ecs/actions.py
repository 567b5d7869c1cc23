"""The actions of ECS."""

from __future__ import annotations

from garret.local_cloud import tagging
from garret.local_cloud.core import Action, Call, Cloud, Parameter
from garret.local_cloud.ecs import (
    account,
    assistant,
    attaching,
    catalog,
    changing,
    charging,
    console,
    custom_images,
    disks,
    files,
    group_members,
    images,
    instance_roles,
    instances,
    invocations,
    key_pairs,
    power,
    releasing,
    resetting,
    snapshots,
)
from garret.local_cloud.ecs import security_groups as groups
from garret.local_cloud.params import Reply

KINDS = {
    "instance": "instance",
    "disk": "disk",
    "securitygroup": "security_group",
    "snapshot": "snapshot",
    "keypair": "key_pair",
    "image": "image",
}


def _need(*names: str) -> tuple[Parameter, ...]:
    return tuple(Parameter(name, required=True) for name in names)


def _flags(*names: str) -> tuple[Parameter, ...]:
    return tuple(Parameter(name, kind="boolean") for name in names)


def _tag_resources(call: Call, cloud: Cloud) -> Reply:
    return tagging.tag_resources(call, cloud, KINDS)


def _untag_resources(call: Call, cloud: Cloud) -> Reply:
    return tagging.untag_resources(call, cloud, KINDS)


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
        catalog.describe_price,
        (*_need("RegionId"), Parameter("Amount", kind="integer"), Parameter("Period", kind="integer")),
        note="instances with their disks, or disks alone; made-up prices",
    ),
    "DescribeImageFromFamily": Action(images.describe_image_from_family, _need("RegionId", "ImageFamily")),
    "DescribeImages": Action(images.describe_images, _need("RegionId"), note="three public images, and own ones"),
    "CreateImage": Action(
        custom_images.create_image,
        (*_need("RegionId"), *_flags("DryRun")),
        note="of the system disk of an instance that runs or is stopped; not of snapshots or data disks",
    ),
    "DeleteImage": Action(custom_images.delete_image, (*_need("RegionId", "ImageId"), *_flags("DryRun", "Force"))),
}

_INSTANCES = {
    "RunInstances": Action(
        instances.run_instances,
        (*_need("RegionId"), *_flags("DryRun", "DeletionProtection"), Parameter("Amount", kind="integer")),
        note="in a VSwitch; no launch templates, dedicated hosts or addresses of its own; data disks and passwords are "
        "records; key pairs reach nodes by their metadata; a spot price never moves (`spot_reclaim` takes one back)",
    ),
    "DescribeInstances": Action(instances.describe_instances, _need("RegionId"), note="pages, no NextToken"),
    "DescribeInstanceStatus": Action(instances.describe_instance_status, _need("RegionId")),
    "DescribeUserData": Action(instances.describe_user_data, _need("RegionId", "InstanceId")),
    "GetInstanceConsoleOutput": Action(
        console.get_instance_console_output,
        (*_need("RegionId", "InstanceId"), *_flags("RemoveSymbols")),
        note="what the driver keeps of the node's console, the last 64 KB",
    ),
    "StartInstance": Action(power.start_instance, (*_need("InstanceId"), *_START)),
    "StartInstances": Action(power.start_instances, (*_need("RegionId", "InstanceId.N"), *_START)),
    "StopInstance": Action(power.stop_instance, (*_need("InstanceId"), *_STOP)),
    "StopInstances": Action(power.stop_instances, (*_need("RegionId", "InstanceId.N"), *_STOP)),
    "RebootInstance": Action(power.reboot_instance, (*_need("InstanceId"), *_flags("DryRun", "ForceStop"))),
    "DeleteInstance": Action(power.delete_instance, (*_need("InstanceId"), *_DELETE)),
    "DeleteInstances": Action(power.delete_instances, (*_need("RegionId", "InstanceId.N"), *_DELETE)),
    "DescribeInstanceAttribute": Action(changing.describe_instance_attribute, _need("InstanceId")),
    "ModifyInstanceAttribute": Action(
        changing.modify_instance_attribute,
        _need("InstanceId"),
        note="names, description, groups, protection, user-data (for no boot any more); a password is checked only",
    ),
    "ModifyInstanceSpec": Action(
        changing.modify_instance_spec, _need("InstanceId"), note="InstanceType of a stopped instance"
    ),
    "ModifyPrepayInstanceSpec": Action(
        changing.modify_prepay_instance_spec, _need("InstanceId", "InstanceType"), note="of a stopped instance"
    ),
    "ModifyInstanceAutoReleaseTime": Action(
        releasing.modify_instance_auto_release_time,
        _need("InstanceId"),
        note="by the cloud's clock, running or stopped",
    ),
    "ModifyInstanceChargeType": Action(
        charging.modify_instance_charge_type, _need("RegionId", "InstanceIds"), note="no orders, no refunds"
    ),
    "AttachInstanceRamRole": Action(
        instance_roles.attach_instance_ram_role, _need("RegionId", "InstanceIds", "RamRoleName")
    ),
    "DetachInstanceRamRole": Action(instance_roles.detach_instance_ram_role, _need("RegionId", "InstanceIds")),
    "DescribeInstanceRamRole": Action(instance_roles.describe_instance_ram_role, _need("RegionId")),
    "DescribeAccountAttributes": Action(
        account.describe_account_attributes,
        _need("RegionId"),
        note="made-up limits; those of vCPUs and security groups are kept to",
    ),
}

_RECORD = "a record: a process node has no block devices"
_DISKS = {
    "DescribeDisks": Action(disks.describe_disks, _need("RegionId")),
    "CreateDisk": Action(
        disks.create_disk, (*_need("RegionId"), Parameter("Size", kind="integer"), *_flags("Encrypted")), note=_RECORD
    ),
    "DeleteDisk": Action(disks.delete_disk, _need("DiskId")),
    "ModifyDiskAttribute": Action(disks.modify_disk_attribute, _flags("DeleteWithInstance")),
    "AttachDisk": Action(
        attaching.attach_disk, (*_need("DiskId", "InstanceId"), *_flags("DeleteWithInstance")), note=_RECORD
    ),
    "DetachDisk": Action(attaching.detach_disk, _need("DiskId", "InstanceId"), note="data disks"),
    "ResizeDisk": Action(
        attaching.resize_disk,
        (Parameter("DiskId", required=True), Parameter("NewSize", required=True, kind="integer")),
        note=_RECORD,
    ),
    "CreateSnapshot": Action(
        snapshots.create_snapshot,
        (*_need("DiskId"), Parameter("RetentionDays", kind="integer")),
        note="of a node's disk with its content, of any other a record; RetentionDays deletes nothing",
    ),
    "ResetDisk": Action(resetting.reset_disk, _need("DiskId", "SnapshotId"), note="system disks in use"),
    "DescribeSnapshots": Action(snapshots.describe_snapshots, _need("RegionId")),
    "DeleteSnapshot": Action(snapshots.delete_snapshot, (*_need("SnapshotId"), *_flags("Force"))),
}

_KEYS = {
    "CreateKeyPair": Action(key_pairs.create_key_pair, _need("RegionId", "KeyPairName"), note="RSA, 2048 bits"),
    "ImportKeyPair": Action(key_pairs.import_key_pair, _need("RegionId", "KeyPairName", "PublicKeyBody")),
    "DescribeKeyPairs": Action(key_pairs.describe_key_pairs, _need("RegionId")),
    "DeleteKeyPairs": Action(key_pairs.delete_key_pairs, _need("RegionId", "KeyPairNames")),
    "AttachKeyPair": Action(
        key_pairs.attach_key_pair,
        _need("RegionId", "KeyPairName", "InstanceIds"),
        note="shown, and in the metadata; cloud-init takes a key at the first boot only",
    ),
    "DetachKeyPair": Action(key_pairs.detach_key_pair, _need("RegionId", "KeyPairName", "InstanceIds")),
}

_SECURITY = {
    "CreateSecurityGroup": Action(groups.create_security_group, _need("RegionId")),
    "AuthorizeSecurityGroup": Action(
        groups.authorize_security_group,
        _need("RegionId", "SecurityGroupId"),
        note="a process node has no firewall; other nodes: who comes in over IPv4, not through ports of its own "
        "(SourcePortRange), which nobody looks at: such an accept lets nobody in",
    ),
    "RevokeSecurityGroup": Action(groups.revoke_security_group, _need("RegionId", "SecurityGroupId")),
    "AuthorizeSecurityGroupEgress": Action(
        groups.authorize_security_group_egress,
        _need("RegionId", "SecurityGroupId"),
        note="kept and shown: everything may go out",
    ),
    "RevokeSecurityGroupEgress": Action(groups.revoke_security_group_egress, _need("RegionId", "SecurityGroupId")),
    "ModifySecurityGroupRule": Action(
        groups.modify_security_group_rule, _need("RegionId", "SecurityGroupId", "SecurityGroupRuleId")
    ),
    "ModifySecurityGroupEgressRule": Action(
        groups.modify_security_group_egress_rule, _need("RegionId", "SecurityGroupId", "SecurityGroupRuleId")
    ),
    "ModifySecurityGroupAttribute": Action(
        groups.modify_security_group_attribute, _need("RegionId", "SecurityGroupId")
    ),
    "DescribeSecurityGroups": Action(groups.describe_security_groups, _need("RegionId")),
    "DescribeSecurityGroupAttribute": Action(
        groups.describe_security_group_attribute, _need("RegionId", "SecurityGroupId")
    ),
    "JoinSecurityGroup": Action(
        group_members.join_security_group, _need("SecurityGroupId", "InstanceId"), note="instances, no interfaces"
    ),
    "LeaveSecurityGroup": Action(
        group_members.leave_security_group, _need("SecurityGroupId", "InstanceId"), note="instances, no interfaces"
    ),
    "DeleteSecurityGroup": Action(groups.delete_security_group, _need("RegionId", "SecurityGroupId")),
    "TagResources": Action(_tag_resources, _need("RegionId", "ResourceType", "ResourceId.N")),
    "UntagResources": Action(_untag_resources, (*_need("RegionId", "ResourceType", "ResourceId.N"), *_flags("All"))),
    "ListTagResources": Action(_list_tag_resources, _need("RegionId", "ResourceType")),
}

_ASSISTANT = {
    "DescribeCloudAssistantStatus": Action(assistant.describe_cloud_assistant_status, _need("RegionId")),
    "RunCommand": Action(
        assistant.run_command,
        (*_need("RegionId", "Type", "CommandContent", "InstanceId.N"), *_flags("EnableParameter", "KeepCommand")),
        note="shell scripts, once, at once; a process node has one user, root",
    ),
    "DescribeInvocations": Action(invocations.describe_invocations, _need("RegionId")),
    "DescribeInvocationResults": Action(invocations.describe_invocation_results, _need("RegionId")),
    "StopInvocation": Action(assistant.stop_invocation, _need("RegionId", "InvokeId")),
    "SendFile": Action(
        files.send_file,
        (*_need("RegionId", "Name", "TargetDir", "Content", "InstanceId.N"), *_flags("Overwrite")),
        note="a process node has one user and one group, root",
    ),
    "DescribeSendFileResults": Action(
        files.describe_send_file_results, _need("RegionId"), note="without the file's content"
    ),
}

ACTIONS = {**_CATALOG, **_INSTANCES, **_DISKS, **_KEYS, **_SECURITY, **_ASSISTANT}
