"""The pieces that all OOS templates are made of: labels in two languages, parameters, and tasks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

FORMAT = "OOS-2019-06-01"
END, NEXT = "ACS::END", "ACS::NEXT"
Task = dict[str, Any]
Document = dict[str, Any]


def words(en: str, zh: str) -> dict[str, str]:
    """A text in English and Chinese, as the console wants it."""
    return {"en": en, "zh-cn": zh}


def parameter(kind: str, en: str, zh: str, **more: Any) -> dict[str, Any]:
    """A parameter with its label; `more` are the other keys of a parameter, like Default."""
    return {"Type": kind, "Label": words(en, zh), **more}


REGION = parameter("String", "Region", "地域", AssociationProperty="RegionId", Default="{{ ACS::RegionId }}")
INSTANCE = parameter(
    "String",
    "Instance",
    "实例",
    AssociationProperty="ALIYUN::ECS::Instance::InstanceId",
    AssociationPropertyMetadata={"RegionId": "regionId"},
    MinLength=1,
    MaxLength=30,
)
ROLE = parameter(
    "String",
    "RAM role that OOS takes; empty for your own rights",
    "OOS扮演的RAM角色，留空则使用您自己的权限",
    Default="",
)


def document(
    description: Mapping[str, str],
    parameters: Mapping[str, Any],
    tasks: Sequence[Task],
    outputs: Mapping[str, Any] | None = None,
    *,
    groups: Sequence[tuple[Mapping[str, str], Sequence[str]]] = (),
) -> Document:
    """A whole template; region and role are parameters of each."""
    whole = {"regionId": REGION, **parameters, "OOSAssumeRole": ROLE}
    left = [name for name in whole if not any(name in members for _, members in groups)]
    shown = [*groups, (words("Where and with which rights", "地域与权限"), left)]
    interface = {"ParameterGroups": [{"Label": dict(label), "Parameters": list(names)} for label, names in shown]}
    return {
        "FormatVersion": FORMAT,
        "Description": dict(description),
        "Parameters": whole,
        "RamRole": "{{ OOSAssumeRole }}",
        "Tasks": list(tasks),
        **({"Outputs": dict(outputs)} if outputs else {}),
        "Metadata": {"ALIYUN::OOS::Interface": interface},
    }


def task(name: str, action: str, label: Mapping[str, str], properties: Mapping[str, Any], **more: Any) -> Task:
    """One task; `more` are its other keys, like Outputs and OnError."""
    return {"Name": name, "Action": action, "Description": dict(label), **more, "Properties": dict(properties)}


def api(name: str, call: str, label: Mapping[str, str], given: Mapping[str, Any], **more: Any) -> Task:
    """A call of an API ("ECS:StopInstance") in the region of the template."""
    return task(name, "ACS::ExecuteAPI", label, _call(call, given), **more)


def wait_for(
    name: str, call: str, label: Mapping[str, str], given: Mapping[str, Any], where: str, *,
    wanted: Sequence[Any], hopeless: Sequence[Any] = (), **more: Any,
) -> Task:  # fmt: skip
    """Ask until what a selector finds is one of the wanted values; what is hopeless ends it at once."""
    stop = {"StopRetryValues": list(hopeless)} if hopeless else {}
    properties = {**_call(call, given), "PropertySelector": where, "DesiredValues": list(wanted), **stop}
    return task(name, "ACS::WaitFor", label, properties, **more)


def _call(call: str, given: Mapping[str, Any]) -> dict[str, Any]:
    service, _, name = call.partition(":")
    return {"Service": service, "API": name, "Parameters": {"RegionId": "{{ regionId }}", **given}}


def found(where: str, kind: str = "String") -> dict[str, str]:
    """An output of a task: what a selector finds in the answer."""
    return {"Type": kind, "ValueSelector": where}


def value(of: Any, kind: str = "String") -> dict[str, Any]:
    """An output of the template."""
    return {"Type": kind, "Value": of}


def as_yaml(whole: Document) -> str:
    """The text of a template, for people."""

    class Plain(yaml.SafeDumper):
        """Writes no anchors: a part that is used twice is written twice."""

        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - yaml's signature
            return True

    return yaml.dump(whole, Dumper=Plain, sort_keys=False, allow_unicode=True, width=110)


def as_json(whole: Document) -> str:
    """The text of a template, for the cloud: short."""
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":"))
