"""What RunInstances is asked for: each part read from the parameters, and refused by the vendor's code when wrong."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from garret.local_cloud.core import ApiError, Call, Cloud, invalid, missing
from garret.local_cloud.ecs import catalog
from garret.local_cloud.ecs.disks import check_performance
from garret.local_cloud.ecs.images import Image, find_image, newest_of_family
from garret.local_cloud.ecs.instance_types import DISK_CATEGORIES, FAMILY
from garret.local_cloud.ecs.key_pairs import find_key_pair
from garret.local_cloud.ecs.passwords import check_password
from garret.local_cloud.params import flag, number, numbered
from garret.local_cloud.ram.roles import check_instance_role
from garret.local_cloud.vpc.switches import find_vswitch

USER_DATA_LIMIT = 32 * 1024  # bytes before Base64
DISK_LIMIT_GIB = 32768
_REFUSED = {
    "LaunchTemplateId": "launch templates",
    "LaunchTemplateName": "launch templates",
    "DedicatedHostId": "dedicated hosts",
    "NetworkInterface.1.NetworkInterfaceId": "network interfaces made elsewhere",
    "DeploymentSetId": "deployment sets",
    "HpcClusterId": "clusters",
    "Ipv6AddressCount": "IPv6",
}


def refuse_unknown(params: Mapping[str, str]) -> None:
    """Refuse what a real cloud sells and this one does not."""
    for name, what in _REFUSED.items():
        if params.get(name):
            raise ApiError("InvalidParameter.NotSupported", f"{name}: the local cloud has no {what}.")


def metadata_options(params: Mapping[str, str]) -> dict[str, str]:
    """Whether the instance's metadata answers, and whether it asks for tokens."""
    choices = {"HttpEndpoint": ("enabled", "disabled"), "HttpTokens": ("optional", "required")}
    found = {name: params.get(name, "") or values[0] for name, values in choices.items()}
    for name, value in found.items():
        if value not in choices[name]:
            raise ApiError(f"Invalid{name}.NotSupported", f"{name} {value!r} is none of {', '.join(choices[name])}.")
    return found


def vswitch(call: Call, cloud: Cloud) -> dict[str, Any]:
    """The switch to put instances in: in the call's region, and in its zone when it names one."""
    zone = call.params.get("ZoneId", "")
    if zone:
        catalog.check_zone(zone, call.region)
    if not call.params.get("VSwitchId"):
        raise missing("VSwitchId")
    found = find_vswitch(cloud, call.params["VSwitchId"])
    if found["RegionId"] != call.region:
        raise ApiError("InvalidVSwitchId.NotFound", f"The VSwitch is in {found['RegionId']}.", 404)
    if zone not in ("", found["ZoneId"]):
        raise ApiError("InvalidParameter.Mismatch", f"ZoneId {zone} is not the VSwitch's zone {found['ZoneId']}.")
    return found


def image(call: Call, cloud: Cloud) -> Image:
    """The image, by id or as the newest of its family."""
    family, id = call.params.get("ImageFamily", ""), call.params.get("ImageId", "")
    if family and not id:
        id = newest_of_family(cloud, family, call.region)
        if not id:
            raise ApiError("InvalidImageFamily.NotFound", f"The image family {family!r} has no image.", 404)
    if not id:
        raise missing("ImageId")
    return find_image(cloud, id, call.region)


def security_groups(call: Call, cloud: Cloud, vpc_id: str) -> list[str]:
    """The security groups, all of the switch's network."""
    ids = numbered(call.params, "SecurityGroupIds") or [call.params.get("SecurityGroupId", "")]
    if not ids[0]:
        raise missing("SecurityGroupId")
    for id in ids:
        group = cloud.store.get("security_group", id)
        if group is None:
            raise ApiError("InvalidSecurityGroupId.NotFound", f"The security group {id!r} does not exist.", 404)
        if group["VpcId"] != vpc_id:
            text = f"The security group {id} is in the VPC {group['VpcId']}, the VSwitch in {vpc_id}."
            raise ApiError("InvalidParameter.Mismatch", text)
    return ids


def system_disk(params: Mapping[str, str], image: Image) -> dict[str, Any]:
    """The system disk's fields: of a category the type takes, and large enough for the image."""
    category = params.get("SystemDisk.Category", "cloud_essd")
    if category not in DISK_CATEGORIES:
        text = f"SystemDisk.Category {category!r}: {FAMILY} takes {', '.join(DISK_CATEGORIES)}."
        raise ApiError("InvalidSystemDiskCategory.ValueNotSupported", text, 403)
    size = number(params, "SystemDisk.Size", max(40, image.size_gib), 20, DISK_LIMIT_GIB)
    if size < image.size_gib:
        text = f"SystemDisk.Size {size} GiB is less than the image's {image.size_gib} GiB."
        raise ApiError("InvalidSystemDiskSize.LessThanImageSize", text)
    level = params.get("SystemDisk.PerformanceLevel", "")
    return {
        "Category": category,
        "Size": size,
        "PerformanceLevel": check_performance(category, level, size, "SystemDisk.PerformanceLevel"),
        "Encrypted": flag(params, "SystemDisk.Encrypted"),
        "DiskName": params.get("SystemDisk.DiskName", ""),
        "Description": params.get("SystemDisk.Description", ""),
    }


def user_data(params: Mapping[str, str]) -> str:
    """The user-data, still in Base64, at most 32 KB without it."""
    text = params.get("UserData", "")
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise invalid("UserData", "it is not Base64") from None
    if len(raw) > USER_DATA_LIMIT:
        text = f"The user-data has {len(raw)} bytes before Base64; {USER_DATA_LIMIT} is the most."
        raise ApiError("InvalidUserData.SizeExceeded", text)
    return text


def log_in(call: Call, cloud: Cloud) -> dict[str, Any]:
    """How people get into the instance, and as whom it calls the cloud; of a password only that there is one."""
    params = call.params
    name = params.get("KeyPairName", "")
    public = find_key_pair(cloud, call.region, name)["PublicKey"] if name else ""
    if params.get("Password"):
        check_password(params["Password"])
        if flag(params, "PasswordInherit"):
            raise ApiError("InvalidPasswordParam.Mismatch", "Password and PasswordInherit: one of them.")
    role = params.get("RamRoleName", "")
    if role:
        check_instance_role(cloud, role)
    return {
        "KeyPairName": name,
        "PublicKey": public,  # as the pair is now: its instances keep it when the pair is deleted
        "PasswordSet": bool(params.get("Password")),
        "RamRoleName": role,
    }
