"""The resource types that stacks can make here, by name."""

from garret.local_cloud.ros import errors
from garret.local_cloud.ros.resources.base import ResourceType
from garret.local_cloud.ros.resources.disk import Disk, DiskAttachment, Snapshot
from garret.local_cloud.ros.resources.eip import Eip, EipAssociation
from garret.local_cloud.ros.resources.instances import Instance, InstanceGroup
from garret.local_cloud.ros.resources.key_pair import SshKeyPair, SshKeyPairAttachment
from garret.local_cloud.ros.resources.nat_gateway import NatGateway, SnatEntry
from garret.local_cloud.ros.resources.nested_stack import NestedStack
from garret.local_cloud.ros.resources.oos_template import OosTemplate
from garret.local_cloud.ros.resources.ram_policy import AttachPolicyToRole, ManagedPolicy
from garret.local_cloud.ros.resources.ram_role import Role
from garret.local_cloud.ros.resources.random_string import RandomString
from garret.local_cloud.ros.resources.run_command import RunCommand
from garret.local_cloud.ros.resources.security_group import (
    SecurityGroup,
    SecurityGroupEgress,
    SecurityGroupEgresses,
    SecurityGroupIngress,
    SecurityGroupIngresses,
)
from garret.local_cloud.ros.resources.sleep import Sleep
from garret.local_cloud.ros.resources.vpc import Vpc
from garret.local_cloud.ros.resources.vswitch import VSwitch
from garret.local_cloud.ros.resources.wait_condition import WaitCondition, WaitConditionHandle

_ALL: tuple[ResourceType, ...] = (
    *(Vpc(), VSwitch()),
    *(SecurityGroup(), SecurityGroupIngress(), SecurityGroupEgress()),
    *(SecurityGroupIngresses(), SecurityGroupEgresses()),
    *(InstanceGroup(), Instance(), RunCommand(), SshKeyPair(), SshKeyPairAttachment()),
    *(Disk(), DiskAttachment(), Snapshot()),
    *(Eip(), EipAssociation(), NatGateway(), SnatEntry()),
    *(WaitConditionHandle(), WaitCondition(), Sleep(), NestedStack()),
    *(Role(), ManagedPolicy(), AttachPolicyToRole()),
    *(OosTemplate(), RandomString()),
)
TYPES: dict[str, ResourceType] = {one.name: one for one in _ALL}


def type_of(name: str, where: str) -> ResourceType:
    """The type of this name; refused by name when it is not emulated."""
    if name not in TYPES:
        raise errors.not_emulated(f"the resource type {name} ({where}); it has {', '.join(sorted(TYPES))}")
    return TYPES[name]
