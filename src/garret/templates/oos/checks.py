"""Checks of an OOS template against the vendor's actions (facts.json), and against garret's own rules.

Of those the first is that nothing a person fills in ever stands inside a shell text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from garret.templates.checks.finding import Finding, walk
from garret.templates.oos.parts import FORMAT, as_yaml

LARGEST = 64 << 10
_REFERENCE = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,199}")
_OWN = ("ACS::RegionId", "ACS::ExecutionId", "ACS::AccountId", "ACS::TaskLoopItem", "ACS::CurrentDate")
_SECRET = re.compile(r"(?i)passw|secret|token|credential|accesskey")
_COMMANDS = ("commandContent", "CommandContent")
_TRIGGERS = ("ACS::TimerTrigger", "ACS::AlarmTrigger", "ACS::EventTrigger")
_NEEDED = {
    "ACS::ExecuteAPI": ("Service", "API"), "ACS::WaitFor": ("Service", "API", "PropertySelector", "DesiredValues"),
    "ACS::CheckFor": ("Service", "API", "PropertySelector"), "ACS::Sleep": ("Duration",),
    "ACS::Choice": ("Choices", "DefaultTask"), "ACS::TimerTrigger": ("Type", "Expression", "EndDate"),
}  # fmt: skip
Template = Mapping[str, Any]


@cache
def facts() -> dict[str, Any]:
    """What the vendor's own actions and templates use."""
    found: dict[str, Any] = json.loads(Path(__file__).with_name("facts.json").read_text("utf-8"))
    return found


def check(template: Template) -> list[Finding]:
    """Everything that is wrong with a template; empty when nothing is."""
    return [finding for one in CHECKS for finding in one(template)]


def form(template: Template) -> Iterator[Finding]:
    """The version, the sections, the size."""
    if template.get("FormatVersion") != FORMAT:
        yield Finding("form", "FormatVersion", f"is not {FORMAT}", f"FormatVersion: {FORMAT}")
    for section in template:
        if section not in facts()["sections"]:
            yield Finding("form", str(section), "is no section of an OOS template", "leave it out")
    if len(as_yaml(dict(template))) > LARGEST:
        yield Finding("form", "template", f"has more than {LARGEST} characters", "make it shorter")
    tasks = template.get("Tasks")
    if not isinstance(tasks, list) or not tasks:
        yield Finding("form", "Tasks", "is no list of tasks", "a template needs at least one")


def labels(template: Template) -> Iterator[Finding]:
    """Everything that a person reads in the console is there in English and Chinese."""
    shown = [("Description", template.get("Description"))]
    shown += [(f"Parameters.{name}.Label", one.get("Label")) for name, one in _parameters(template).items()]
    shown += [(f"Tasks.{task['Name']}.Description", task.get("Description")) for task in _tasks(template)]
    for where, text in shown:
        if not isinstance(text, Mapping) or not (text.get("en") and text.get("zh-cn")):
            yield Finding("labels", where, "is not there in English and Chinese", "{en: …, zh-cn: …}")


def parameters(template: Template) -> Iterator[Finding]:
    """Types and keys are the vendor's; each is used, grouped for the console, and none is a secret."""
    used = set(_references({key: part for key, part in template.items() if key != "Parameters"}))
    groups = ((template.get("Metadata") or {}).get("ALIYUN::OOS::Interface") or {}).get("ParameterGroups") or []
    grouped = [name for group in groups for name in group.get("Parameters", [])]
    for name, one in _parameters(template).items():
        where = f"Parameters.{name}"
        if one.get("Type") not in facts()["types"]:
            yield Finding("parameters", where, f"has the type {one.get('Type')!r}", ", ".join(facts()["types"]))
        for key in one:
            if key not in facts()["parameter"]:
                yield Finding("parameters", f"{where}.{key}", "is nothing that a parameter has", "leave it out")
        kind = one.get("AssociationProperty")
        if kind is not None and kind not in facts()["association_properties"]:
            yield Finding("parameters", where, f"has the picker {kind!r}, which is not known", "leave it out")
        if name not in used:
            yield Finding("parameters", where, "is used nowhere", "use it or leave it out")
        if grouped.count(name) != 1:
            yield Finding("parameters", where, f"is in {grouped.count(name)} groups of the console", "put it into one")
        if _SECRET.search(name):
            yield Finding("parameters", where, "is a secret, which whoever lists executions reads", "leave it out")
    for name in set(grouped) - set(_parameters(template)):
        yield Finding("parameters", "Metadata", f"groups {name}, which is no parameter", "leave it out")


def actions(template: Template) -> Iterator[Finding]:
    """Each task's action is one of the vendor's, with the properties that it has and needs."""
    for index, task in enumerate(_tasks(template)):
        name, action = f"Tasks.{task['Name']}", str(task.get("Action"))
        properties = task.get("Properties") or {}
        for key in task:
            if key not in facts()["task"]:
                yield Finding("actions", f"{name}.{key}", "is nothing that a task has", ", ".join(facts()["task"]))
        known, needed = _properties(action)
        if known is None:
            yield Finding("actions", name, f"has the action {action}, which the vendor does not have", "see facts.json")
            continue
        for key in properties:
            if key not in known:
                yield Finding("actions", f"{name}.Properties.{key}", f"{action} has no such property", ", ".join(known))
        for key in needed:
            if key not in properties:
                yield Finding("actions", f"{name}.Properties", f"{action} needs {key}", f"{key}: …")
        if action in _TRIGGERS and index:
            yield Finding("actions", name, "is a trigger and not the first task", "put it first")


def _properties(action: str) -> tuple[list[str] | None, list[str]]:
    known = facts()["actions"].get(action)
    if known is not None:
        return list(known["properties"]), [key for key, needed in known["properties"].items() if needed]
    atomic = facts()["atomic"].get(action)
    return atomic, list(_NEEDED.get(action, ()))


def ways(template: Template) -> Iterator[Finding]:
    """Names are unique, and every task that another leads to is there, further on: no way leads in a circle."""
    names = [task["Name"] for task in _tasks(template)]
    for index, task in enumerate(_tasks(template)):
        where = f"Tasks.{task['Name']}"
        if not _NAME.fullmatch(task["Name"]) or names.count(task["Name"]) > 1:
            yield Finding("ways", where, "is no name, or the name of two tasks", "another name")
        choices = (task.get("Properties") or {}).get("Choices") or []
        led = [task.get("OnError"), task.get("OnSuccess"), *(one.get("NextTask") for one in choices)]
        led.append((task.get("Properties") or {}).get("DefaultTask"))
        for target in led:
            if target is not None and target not in ("ACS::END", "ACS::NEXT", *names[index + 1 :]):
                yield Finding("ways", where, f"leads to {target!r}, which is no task after it", "a later task's name")


def references(template: Template) -> Iterator[Finding]:
    """Every {{ name }} is a parameter, the cloud's own, or an output of an earlier task; every function is known."""
    known = {*_parameters(template), *_OWN}
    for task in _tasks(template):
        for name in _references({key: part for key, part in task.items() if key != "Outputs"}):
            if name not in known:
                yield Finding(
                    "references", f"Tasks.{task['Name']}", f"{{{{ {name} }}}} is nothing before it", "a parameter"
                )
        outputs = [*(task.get("Outputs") or {}), *((task.get("Loop") or {}).get("Outputs") or {})]
        known |= {f"{task['Name']}.{name}" for name in outputs}
        action = facts()["actions"].get(task.get("Action"))
        for name, output in (task.get("Outputs") or {}).items():
            if action is not None and output.get("ValueSelector") not in action["outputs"]:
                text = f"{task['Action']} has no output {output.get('ValueSelector')!r}"
                yield Finding("references", f"Tasks.{task['Name']}.Outputs.{name}", text, ", ".join(action["outputs"]))
    for part in ("Outputs", "RamRole"):
        for name in _references(template.get(part)):
            if name not in known:
                yield Finding("references", part, f"{{{{ {name} }}}} is nothing", "an output of a task")
    for path, value in walk(template):
        for name in value if isinstance(value, Mapping) else ():
            if str(name).startswith("Fn::") and name not in facts()["functions"]:
                yield Finding(
                    "references", path, f"calls {name}, which OOS does not have", ", ".join(facts()["functions"])
                )


def no_shell(template: Template) -> Iterator[Finding]:
    """A command is the same whatever was filled in, or it is wholly what a person typed as a command."""
    for path, value in walk(template.get("Tasks")):
        if path.rpartition(".")[2] not in _COMMANDS:
            continue
        for _, text in walk(value):
            if not isinstance(text, str) or _REFERENCE.fullmatch(text.strip()):
                continue
            for name in set(_references(text)) - {"ACS::ExecutionId"}:
                hint = "send it as a file of lines, and let garret-node read that"
                yield Finding("no_shell", f"Tasks.{path}", f"{{{{ {name} }}}} stands inside a shell text", hint)


def _parameters(template: Template) -> Mapping[str, Mapping[str, Any]]:
    found = template.get("Parameters")
    return {name: one for name, one in found.items() if isinstance(one, Mapping)} if isinstance(found, Mapping) else {}


def _tasks(template: Template) -> list[Mapping[str, Any]]:
    found = template.get("Tasks")
    rows = found if isinstance(found, list) else []
    return [task for task in rows if isinstance(task, Mapping) and isinstance(task.get("Name"), str)]


def _references(value: Any) -> list[str]:
    return [name for _, one in walk(value) if isinstance(one, str) for name in _REFERENCE.findall(one)]


CHECKS: tuple[Callable[[Template], Iterator[Finding]], ...] = (
    form, labels, parameters, actions, ways, references, no_shell,
)  # fmt: skip
