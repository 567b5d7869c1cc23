"""Disks are encrypted: prompts, pictures and models outlive the node in snapshots and on discarded hardware."""

from __future__ import annotations

from collections.abc import Iterator

from garret.templates.checks.finding import NODE_TYPES, Finding, Subject

ID = "disk-encrypted"
RULE = "ecs-disk-encrypted"


def check(subject: Subject) -> Iterator[Finding]:
    """System disk and data disks; the cloud's default is unencrypted.

    ALIYUN::ECS::Instance has no property for it, its disks are as their image and snapshots are: ours are of a group.
    """
    for name, properties in subject.resources(*(NODE_TYPES if subject.own else NODE_TYPES[:1])):
        if not _is_true(properties.get("SystemDiskEncrypted")):
            where = f"Resources.{name}.SystemDiskEncrypted"
            hint = f"{NODE_TYPES[0]} with SystemDiskEncrypted: 'true'"
            yield Finding(ID, where, "the system disk is not encrypted", hint)
        for index, disk in enumerate(properties.get("DiskMappings") or []):
            if not (isinstance(disk, dict) and _is_true(disk.get("Encrypted"))):
                where = f"Resources.{name}.DiskMappings.{index}"
                yield Finding(ID, where, "the data disk is not encrypted", "Encrypted: 'true'")
    for name, properties in subject.resources("ALIYUN::ECS::Disk"):
        if not _is_true(properties.get("Encrypted")):
            yield Finding(ID, f"Resources.{name}.Encrypted", "the disk is not encrypted", "Encrypted: true")


def _is_true(value: object) -> bool:
    return value is True or value == "true"
