"""Whether the local cloud can execute a template: every action, call, function and reference in it, each by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from garret.local_cloud.oos import calling, cron
from garret.local_cloud.oos.products import PRODUCT_ACTIONS, REQUIRED
from garret.local_cloud.oos.values import FUNCTIONS, REFERENCE, WrongValue, duration, functions, references

CALLS = ("ACS::ExecuteAPI", "ACS::ExecuteApi", "ACS::WaitFor", "ACS::CheckFor")
TRIGGER = "ACS::TimerTrigger"
CONTROL = ("ACS::Choice", "ACS::Sleep", TRIGGER)
KNOWN = (*CALLS, *CONTROL, *PRODUCT_ACTIONS)
TYPES = ("String", "Number", "Boolean", "List", "Json")
_OWN = ("ACS::RegionId", "ACS::ExecutionId", "ACS::AccountId", "ACS::CurrentDate", "ACS::TaskLoopItem")
_TASK_KEYS = ("Name", "Action", "Description", "When", "Properties", "Outputs", "OnError", "OnSuccess", "Retries",
              "MaxRetryInterval", "Loop")  # fmt: skip
_NEEDS = {
    "ACS::ExecuteAPI": ("Service", "API"), "ACS::ExecuteApi": ("Service", "API"),
    "ACS::WaitFor": ("Service", "API", "PropertySelector", "DesiredValues"),
    "ACS::CheckFor": ("Service", "API", "PropertySelector"), "ACS::Sleep": ("Duration",),
    "ACS::Choice": ("Choices", "DefaultTask"), TRIGGER: ("Type", "Expression", "EndDate"),
}  # fmt: skip


def check(document: Mapping[str, Any]) -> None:
    """Refuse what nothing here executes; WrongValue says in which task and what."""
    names = [task["Name"] for task in document["Tasks"]]
    parameters = set(document.get("Parameters") or {})
    for name, parameter in (document.get("Parameters") or {}).items():
        if not isinstance(parameter, dict) or parameter.get("Type") not in TYPES:
            raise WrongValue(f"Parameters.{name}: its Type must be one of {', '.join(TYPES)}")
    known = parameters | set(_OWN)
    for index, task in enumerate(document["Tasks"]):
        try:
            _task(task, names, index)
            _names(task, known)
        except WrongValue as problem:
            raise WrongValue(f"Tasks.{task['Name']}: {problem}") from None
        loop = (task.get("Loop") or {}).get("Outputs") or {}
        known |= {f"{task['Name']}.{output}" for output in (*(task.get("Outputs") or {}), *loop)}
    for name, output in (document.get("Outputs") or {}).items():
        if not isinstance(output, dict) or "Value" not in output:
            raise WrongValue(f"Outputs.{name}: it has no Value")
        _names(output, known)


def _task(task: Mapping[str, Any], names: list[str], index: int) -> None:
    action, properties = task["Action"], task.get("Properties") or {}
    if action not in KNOWN:
        raise WrongValue(f"Action: garret's local cloud does not emulate {action}")
    for key in task:
        if key not in _TASK_KEYS:
            raise WrongValue(f"{key}: no task has that; known: {', '.join(_TASK_KEYS)}")
    for key in _NEEDS.get(action, ()):
        if key not in properties:
            raise WrongValue(f"Properties.{key}: it is missing")
    for key in ("OnError", "OnSuccess"):
        _goes_to(str(task.get(key, "ACS::END")), names, key)
    if action in CALLS:
        calling.action_named(str(properties["Service"]), str(properties["API"]))
    elif action in PRODUCT_ACTIONS:
        _product(action, properties)
    else:
        _control(action, properties, names, index)


def _control(action: str, properties: Mapping[str, Any], names: list[str], index: int) -> None:
    if action == "ACS::Choice":
        for where in (*(str(one.get("NextTask")) for one in properties["Choices"]), str(properties["DefaultTask"])):
            _goes_to(where, names, "NextTask")
    elif action == TRIGGER and index:
        raise WrongValue("a trigger is the first task of a template")
    elif action == TRIGGER and not REFERENCE.search(str(properties["Type"])) and properties["Type"] not in cron.TYPES:
        raise WrongValue(f"Properties.Type: {properties['Type']!r} is none of {', '.join(cron.TYPES)}")
    elif action == "ACS::Sleep" and not functions(properties) and not references(properties):
        duration(properties["Duration"])


def _goes_to(where: str, names: list[str], key: str) -> None:
    if where not in (*names, "ACS::END", "ACS::NEXT"):
        raise WrongValue(f"{key}: there is no task {where!r}")


def _product(action: str, properties: Mapping[str, Any]) -> None:
    known = PRODUCT_ACTIONS[action].parameters
    for key in properties:
        if key not in known:
            raise WrongValue(f"Properties.{key}: {action} has {', '.join(known)}")
    for key, value in known.items():
        if value is REQUIRED and key not in properties:
            raise WrongValue(f"Properties.{key}: it is missing")


def _names(part: Any, known: set[str]) -> None:
    for name in functions(part):
        if name not in FUNCTIONS:
            raise WrongValue(f"{name}: the local cloud has {', '.join(sorted(FUNCTIONS))}")
    for name in references(part):
        if ("ACS::" + name[5:] if name[:5].upper() == "ACS::" else name) not in known:
            raise WrongValue(f"{{{{ {name} }}}}: there is no such parameter or output before it")
