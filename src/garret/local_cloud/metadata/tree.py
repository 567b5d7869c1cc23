"""The content below /latest/meta-data as a tree: a folder is a map, a value a text.

Nothing is in it that has no value, so that whoever walks the tree (cloud-init before 24 does) meets no 404.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from garret.local_cloud.core import ACCOUNT_ID, Cloud
from garret.local_cloud.ecs.instance_types import INSTANCE_TYPES
from garret.local_cloud.metadata.facts import gateway_of, interface_of, mac_of, netmask_of, serial_number

Tree = dict[str, "str | Tree"]

NAMESERVERS = ("100.100.2.136", "100.100.2.138")
TIME_SERVERS = ("ntp1.aliyun.com", "ntp1.cloud.aliyuncs.com", "ntp10.cloud.aliyuncs.com")
SOURCE_ADDRESS = "http://mirrors.cloud.aliyuncs.com"
_VIRTUALIZATION = {"virtualization-solution": "ECS Virt", "virtualization-solution-version": "2.0"}


def meta_data(cloud: Cloud, instance: Mapping[str, Any]) -> Tree:
    """The whole tree of one instance but its role's keys, which are made when they are asked for."""
    id = str(instance["InstanceId"])
    vpc = cloud.store.get("vpc", instance["VpcId"]) or {}
    vswitch = cloud.store.get("vswitch", instance["VSwitchId"]) or {}
    blocks = {"vpc-cidr-block": vpc.get("CidrBlock", ""), "vswitch-cidr-block": vswitch.get("CidrBlock", "")}
    tree: Tree = {
        "disks": _disks(cloud, id),
        "dns-conf": {"nameservers": "\n".join(NAMESERVERS)},
        "eipv4": str(instance["EipAddress"]),
        "public-ipv4": str(instance.get("PublicIp", "")),
        "hibernation": {"configured": "false"},
        "hostname": str(instance["HostName"]),
        "image-id": str(instance["ImageId"]),
        "instance": _machine(instance),
        "instance-id": id,
        "mac": mac_of(id),
        "network": {"interfaces": {"macs": {mac_of(id): _interface(instance, blocks)}}},
        "network-type": "vpc",
        "ntp-conf": {"ntp-servers": "\n".join(TIME_SERVERS)},
        "owner-account-id": ACCOUNT_ID,
        "private-ipv4": str(instance["PrivateIp"]),
        "public-keys": _keys(instance),
        "region-id": str(instance["RegionId"]),
        "serial-number": serial_number(id),
        "source-address": SOURCE_ADDRESS,
        "vpc-id": str(instance["VpcId"]),
        "vswitch-id": str(instance["VSwitchId"]),
        "zone-id": str(instance["ZoneId"]),
        **blocks,
    }
    return {name: tree[name] for name in sorted(tree) if tree[name]}


def identity_document(cloud: Cloud, instance: Mapping[str, Any]) -> str:
    """The instance identity document, JSON; there is nobody here who could sign it."""
    tree = meta_data(cloud, instance)
    names = ("image-id", "instance-id", "mac", "owner-account-id", "private-ipv4", "region-id", "serial-number")
    document = {name: tree[name] for name in (*names, "zone-id")}
    return json.dumps({**document, "instance-type": str(instance["InstanceType"])}, sort_keys=True)


def _machine(instance: Mapping[str, Any]) -> Tree:
    kind = str(instance["InstanceType"])
    width = str(INSTANCE_TYPES[kind].network_gbps * 1024 * 1024)  # in kbit/s
    found: Tree = {
        "instance-name": str(instance["InstanceName"]),
        "instance-type": kind,
        "max-netbw-egress": width,
        "max-netbw-ingress": width,
    }
    if instance.get("ReclaimAt"):
        found["spot"] = {"termination-time": str(instance["ReclaimAt"])}
    return {**found, **_VIRTUALIZATION}


def _interface(instance: Mapping[str, Any], blocks: Mapping[str, str]) -> Tree:
    address, block = str(instance["PrivateIp"]), blocks["vswitch-cidr-block"]
    found: Tree = {
        "network-interface-id": interface_of(str(instance["InstanceId"])),
        "primary-ip-address": address,
        "private-ipv4s": json.dumps([address]),
        "vpc-id": str(instance["VpcId"]),
        "vswitch-id": str(instance["VSwitchId"]),
        **blocks,
    }
    if block:
        found |= {"gateway": gateway_of(block), "netmask": netmask_of(block)}
    return {name: found[name] for name in sorted(found) if found[name]}


def _disks(cloud: Cloud, instance_id: str) -> Tree:
    disks = cloud.store.find("disk", InstanceId=instance_id)
    return {one["DiskId"].partition("-")[2]: {"id": one["DiskId"], "name": one["DiskName"]} for one in disks}


def _keys(instance: Mapping[str, Any]) -> Tree:
    public = str(instance.get("PublicKey") or "")
    return {"0": {"openssh-key": public}} if public else {}
