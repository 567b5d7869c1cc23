"""Properties and attributes are those that the resource types have: ROS finds a wrong one only when it is sent.

The facts are in resource_types.json; a type that is not in it is left to the cloud.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from garret.templates.checks.finding import Finding, Subject, walk

ID = "properties"
RULE = ""
_CONTAINERS = {"map": dict, "list": list}
LEGACY = {
    "ALIYUN::ECS::Instance": (
        "InternetMaxBandwidthIn",
        "SystemDisk_Category",
        "SystemDisk_DiskName",
        "SystemDisk_Size",
    ),
    "ALIYUN::ECS::InstanceGroup": ("InternetMaxBandwidthIn", "MinAmount", "SystemDisk_Category", "SystemDisk_Size"),
    "ALIYUN::VPC::NatGateway": ("AutoPay", "PricingCycle", "ZoneId"),
    "ALIYUN::VPC::EIPAssociation": ("InstanceType",),
    "ALIYUN::ECS::RunCommand": ("Timed",),
    "ALIYUN::ROS::WaitCondition": ("JoinedLastErrorData", "LastData", "LastErrorData"),
}
"""Names that no page has any more, and official templates still use: ROS takes them."""


@cache
def facts() -> dict[str, dict[str, Any]]:
    """Return what is known of each type: `properties` by name, and `attributes`."""
    text = (Path(__file__).parent / "resource_types.json").read_text("utf-8")
    known: dict[str, dict[str, Any]] = json.loads(text)["types"]
    return known


def check(subject: Subject) -> Iterator[Finding]:
    """Nothing required is missing, nothing unknown is there, no literal is outside its range; and so for attributes."""
    for name, body in subject.section("Resources").items():
        known = facts().get(str(body.get("Type"))) if isinstance(body, Mapping) else None
        if known is not None:
            properties = body.get("Properties") or {}
            yield from _in_mapping(f"Resources.{name}", properties, known["properties"], str(body["Type"]))
    for section in ("Resources", "Outputs", "Conditions", "Locals"):
        for where, value in walk(subject.section(section), section):
            if isinstance(value, Mapping) and "Fn::GetAtt" in value:
                yield from _attribute(subject, where, value["Fn::GetAtt"])


def _in_mapping(where: str, values: Any, known: Mapping[str, Any], owner: str) -> Iterator[Finding]:
    if not isinstance(values, Mapping) or _is_function(values):
        return
    for key, fact in known.items():
        if fact.get("required") and values.get(key) is None:
            yield Finding(ID, where, f"{key} is missing, and {owner} needs it", f"give it: {key}: …")
    for key, value in values.items():
        if key not in known and key not in LEGACY.get(owner, ()):
            near = next(iter(get_close_matches(str(key), known, 1)), "")
            hint = f"{near} is meant?" if near else f"known: {', '.join(sorted(known))}"
            yield Finding(ID, f"{where}.{key}", f"is not a property of {owner}", hint)
        elif key in known:
            yield from _in_value(f"{where}.{key}", value, known[key], owner)


def _in_value(where: str, value: Any, fact: Mapping[str, Any], owner: str) -> Iterator[Finding]:
    if value is None or _is_function(value):
        return  # known only to the cloud
    wanted = _CONTAINERS.get(fact["type"])
    if wanted and not isinstance(value, wanted):
        yield Finding(ID, where, f"{value!r} is not a {fact['type']}", f"write a {fact['type']}")
        return
    allowed = fact.get("allowedValues")
    if allowed and not isinstance(value, (dict, list)) and not _among(value, allowed):
        yield Finding(ID, where, f"{value!r} is none of {', '.join(map(str, allowed))}", f"for example {allowed[0]}")
    limits = fact.get("range")
    if limits and isinstance(value, int | float) and not _within(value, limits):
        text = f"{value} is outside {limits.get('min', '')}..{limits.get('max', '')}"
        yield Finding(ID, where, text, "keep to the range")
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _in_value(f"{where}.{index}", item, fact.get("items") or {"type": "any"}, owner)
    if isinstance(value, dict) and fact.get("properties"):
        yield from _in_mapping(where, value, fact["properties"], f"{owner} at {where.rpartition('.')[2]}")


def _attribute(subject: Subject, where: str, asked: Any) -> Iterator[Finding]:
    parts = asked.split(".", 1) if isinstance(asked, str) else asked
    if not isinstance(parts, list) or len(parts) != 2 or not all(isinstance(part, str) for part in parts):
        return
    body = subject.section("Resources").get(parts[0])
    kind = str(body.get("Type")) if isinstance(body, Mapping) else ""
    known = facts().get(kind)
    if known is not None and not _is_attribute(kind, parts[1], known["attributes"]):
        hint = f"it has: {', '.join(known['attributes'])}"
        yield Finding(ID, where, f"{parts[0]} is {kind}, which has no attribute {parts[1]}", hint)


def _is_attribute(kind: str, name: str, known: list[str]) -> bool:
    """Whether a type has an attribute; the outputs of a nested stack are whatever its template names."""
    return name in (*known, *LEGACY.get(kind, ())) or (kind == "ALIYUN::ROS::Stack" and name.startswith("Outputs."))


def _within(value: float, limits: Mapping[str, float]) -> bool:
    return limits.get("min", value) <= value <= limits.get("max", value)


def _among(value: Any, allowed: list[Any]) -> bool:
    """Whether a literal is one of the allowed ones, however YAML read it: true, "true" and True are one."""
    return str(value).lower() in {str(one).lower() for one in allowed}


def _is_function(value: Any) -> bool:
    return isinstance(value, Mapping) and len(value) == 1 and str(next(iter(value))).startswith(("Ref", "Fn::"))
