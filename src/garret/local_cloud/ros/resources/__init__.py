"""The resource types that stacks can make here, by name."""

from garret.local_cloud.ros import errors
from garret.local_cloud.ros.resources.base import ResourceType
from garret.local_cloud.ros.resources.eip import Eip, EipAssociation
from garret.local_cloud.ros.resources.instances import Instance, InstanceGroup
from garret.local_cloud.ros.resources.security_group import SecurityGroup, SecurityGroupIngress
from garret.local_cloud.ros.resources.vpc import Vpc
from garret.local_cloud.ros.resources.vswitch import VSwitch
from garret.local_cloud.ros.resources.wait_condition import WaitCondition, WaitConditionHandle

_ALL: tuple[ResourceType, ...] = (
    Vpc(),
    VSwitch(),
    SecurityGroup(),
    SecurityGroupIngress(),
    InstanceGroup(),
    Instance(),
    Eip(),
    EipAssociation(),
    WaitConditionHandle(),
    WaitCondition(),
)
TYPES: dict[str, ResourceType] = {one.name: one for one in _ALL}


def type_of(name: str, where: str) -> ResourceType:
    """The type of this name; refused by name when it is not emulated."""
    if name not in TYPES:
        raise errors.not_emulated(f"the resource type {name} ({where}); it has {', '.join(sorted(TYPES))}")
    return TYPES[name]
