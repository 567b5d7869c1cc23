"""The node lies in a VSwitch of a VPC: outside one, no rule of ours stands between it and other tenants."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from garret.templates.checks.finding import NODE_TYPES, Finding, Subject

ID = "in-vpc"
RULE = "ecs-instances-in-vpc"


def check(subject: Subject) -> Iterator[Finding]:
    """VPC and VSwitch are said, and the network is none of the classic ones."""
    for name, properties in subject.resources(*NODE_TYPES):
        for key in ("VpcId", "VSwitchId"):
            if not _is_said(properties.get(key)):
                yield Finding(
                    ID, f"Resources.{name}.{key}", "is not said, so the node is in no VPC of ours", f"{key}: …"
                )
        if properties.get("NetworkType", "vpc") != "vpc":
            where = f"Resources.{name}.NetworkType"
            yield Finding(ID, where, f"is {properties['NetworkType']!r}", "NetworkType: vpc")


def _is_said(value: Any) -> bool:
    """Whether a value is there whichever way the conditions go."""
    if isinstance(value, Mapping) and isinstance(value.get("Fn::If"), list):
        return all(map(_is_said, value["Fn::If"][1:]))
    return bool(value) and value != {"Ref": "ALIYUN::NoValue"}
