"""Every name that is referred to exists: ROS finds a missing one only when the stack is half made."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from garret.templates.checks.finding import Finding, Subject, walk

ID = "references"
RULE = ""
_SUBSTITUTION = re.compile(r"\$\{([^!}][^}]*)\}")


def check(subject: Subject) -> Iterator[Finding]:
    """Ref, Fn::GetAtt, Fn::Sub, DependsOn and Condition, in resources and outputs; and the groups of the console."""
    resources = set(subject.section("Resources"))
    for where, kind, name in _references(subject):
        known = resources
        if kind == "Ref":
            known = resources | set(subject.section("Parameters")) | set(subject.section("Locals"))
        elif kind == "Condition":
            known = set(subject.section("Conditions"))
        elif kind == "Fn::GetAtt":
            known = resources | set(subject.section("Locals"))
        if name not in known and not (kind == "Ref" and name.startswith("ALIYUN::")):
            yield Finding(ID, where, f"{kind} to {name!r}, which does not exist", f"known: {', '.join(sorted(known))}")
    if subject.own:
        yield from _groups(subject)


def _references(subject: Subject) -> Iterator[tuple[str, str, str]]:
    for section in ("Conditions", "Rules", "Locals", "Resources", "Outputs"):
        for where, value in walk(subject.section(section), section):
            if isinstance(value, dict) and ".TemplateBody" not in where:  # a nested template has names of its own
                yield from _in_mapping(where, value)
    for name, body in subject.section("Resources").items():
        if isinstance(body, dict):
            wanted = body.get("DependsOn") or []
            for other in [wanted] if isinstance(wanted, str) else wanted:
                yield f"Resources.{name}.DependsOn", "DependsOn", str(other)
    for section in ("Resources", "Outputs"):
        for name, body in subject.section(section).items():
            if isinstance(body, dict) and isinstance(body.get("Condition"), str):
                yield f"{section}.{name}", "Condition", body["Condition"]


def _in_mapping(where: str, value: dict[Any, Any]) -> Iterator[tuple[str, str, str]]:
    if isinstance(value.get("Ref"), str):
        yield where, "Ref", value["Ref"]
    attribute = value.get("Fn::GetAtt")
    if isinstance(attribute, str):
        attribute = attribute.split(".", 1)
    if isinstance(attribute, list) and attribute and isinstance(attribute[0], str):
        yield where, "Fn::GetAtt", attribute[0]
    if "Fn::Sub" in value:
        yield from _in_substitution(where, value["Fn::Sub"])


def _in_substitution(where: str, value: Any) -> Iterator[tuple[str, str, str]]:
    text, own = (value, {}) if isinstance(value, str) else (value[0], value[1] if len(value) > 1 else {})
    for name in _SUBSTITUTION.findall(str(text)):
        if name not in own:
            yield where, "Fn::GetAtt" if "." in name else "Ref", name.split(".", 1)[0]


def _groups(subject: Subject) -> Iterator[Finding]:
    interface = subject.section("Metadata").get("ALIYUN::ROS::Interface")
    groups = interface.get("ParameterGroups") if isinstance(interface, dict) else None
    shown = [name for group in groups or [] for name in group.get("Parameters", [])]
    known = set(subject.section("Parameters"))
    for name in shown:
        if name not in known:
            where = "Metadata.ALIYUN::ROS::Interface"
            yield Finding(ID, where, f"shows {name!r}, which is no parameter", "take it out of its group")
    for name in sorted(known - set(shown)) if groups else []:
        where = f"Parameters.{name}"
        yield Finding(ID, where, "is in no group, so the console shows it last and alone", "add it to a group")
