"""GenerateTemplatePolicy: the RAM actions that a template's resource types need, and no more."""

import functools
from collections.abc import Iterable, Mapping
from typing import Any

from garret.local_cloud.core import Call, Cloud
from garret.local_cloud.ros import errors
from garret.local_cloud.ros.checking import checked
from garret.local_cloud.ros.facts import read_facts
from garret.local_cloud.ros.requests import pick, refuse_what_is_not_emulated, template_text
from garret.local_cloud.ros.template import Resource

# Which of a type's groups of actions each operation takes.
OPERATIONS: dict[str, tuple[str, ...]] = {
    "CreateStack": ("create", "read"),
    "UpdateStack": ("create", "read", "update", "delete"),
    "DeleteStack": ("read", "delete"),
    "DetectStackDrift": ("read",),
    "ListStackOperationRisks": ("read",),
    "GetTemplateEstimateCost": ("estimate",),
    "GetTemplateParameterConstraints": ("constraints",),
    "ImportResourcesToStack": ("read",),
    "SignalResource": (),
}


@functools.cache
def _table() -> Mapping[str, Mapping[str, Any]]:
    found: Mapping[str, Mapping[str, Any]] = read_facts("template_policy.json")
    return found


def generate_template_policy(call: Call, _cloud: Cloud) -> dict[str, Any]:
    """One statement that allows what the operations (all of them, unless OperationTypes says which) call."""
    refuse_what_is_not_emulated(call)
    template = checked(template_text(call))
    operations = pick(call.params, "OperationTypes") or list(OPERATIONS)
    for operation in operations:
        if operation not in OPERATIONS:
            reason = f"{operation!r}; it must be one of {', '.join(OPERATIONS)}"
            raise errors.invalid_parameter("OperationTypes.N", reason)
    groups = {group for operation in operations for group in OPERATIONS[operation]}
    actions = sorted({action for one in template.resources.values() for action in actions_of(one, groups)})
    statement = [{"Effect": "Allow", "Action": actions, "Resource": "*"}] if actions else []
    return {"Policy": {"Version": "1", "Statement": statement}}


def actions_of(resource: Resource, groups: Iterable[str]) -> set[str]:
    """The actions of these groups for one resource; some are needed only where a property is given."""
    known = _table().get(resource.type, {})
    found = {action for group in groups for action in known.get(group, ())}
    if "create" in groups or "update" in groups:
        given = known.get("given", {})
        found |= {action for name, more in given.items() if name in resource.properties for action in more}
    return found
