"""A template together with what was passed to it: checked, its conditions decided, its order known."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from garret.local_cloud.core import ACCOUNT_ID, Cloud
from garret.local_cloud.ros import errors
from garret.local_cloud.ros.conditions import resolve_conditions
from garret.local_cloud.ros.functions import LAZY, evaluate, function_of
from garret.local_cloud.ros.graph import Graph, dependencies, references, wanted
from garret.local_cloud.ros.parameters import Parameter, check_definition, resolve_parameters
from garret.local_cloud.ros.plain_functions import PLAIN
from garret.local_cloud.ros.resources import type_of
from garret.local_cloud.ros.resources.base import check_properties
from garret.local_cloud.ros.scope import PSEUDO, PSEUDO_PREFIX, Scope
from garret.local_cloud.ros.template import Resource, Template, parse_template


@dataclass(frozen=True)
class Plan:
    """What a stack will make: `resources` are those whose condition holds, `graph` says what waits for what."""

    template: Template
    parameters: Mapping[str, Parameter]
    scope: Scope
    resources: Mapping[str, Resource]
    graph: Graph

    def properties(self, name: str, scope: Scope | None = None) -> dict[str, Any]:
        """The evaluated properties of one resource."""
        where = f"Resources.{name}.Properties"
        return dict(evaluate(self.resources[name].properties, scope or self.scope, where))


def check_template(template: Template) -> None:
    """What can be said without parameters: every name is known, every type and function is emulated, no circles."""
    for name, definition in template.parameters.items():
        check_definition(name, definition)
    known = set(template.parameters) | set(template.resources)
    known |= {f"{PSEUDO_PREFIX}{name}" for name in PSEUDO}
    for place, value in _values(template):
        for name in references(value):
            if name not in known:
                raise errors.invalid_reference(name, place)
        _check_calls(template, value, place)
    for name, resource in template.resources.items():
        type_of(resource.type, f"Resources.{name}.Type")
        _check_condition(template, resource.condition, f"Resources.{name}")
    for name, output in template.outputs.items():
        _check_condition(template, output.condition, f"Outputs.{name}")
    dependencies(template)


def _values(template: Template) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = [(f"Conditions.{name}", value) for name, value in template.conditions.items()]
    found += [(f"Resources.{name}.Properties", one.properties) for name, one in template.resources.items()]
    found += [(f"Outputs.{name}.Value", one.value) for name, one in template.outputs.items()]
    return found


def _check_condition(template: Template, condition: str | None, where: str) -> None:
    if condition is not None and condition not in template.conditions:
        raise errors.invalid_reference(condition, f"{where}.Condition")


def _check_calls(template: Template, value: Any, where: str) -> None:
    """Functions by name, and Fn::GetAtt by the attributes that the resource's type has."""
    name = function_of(value)
    if name is not None and name not in LAZY and name not in PLAIN:
        raise errors.not_emulated(f"the function {name} ({where})")
    if name == "Fn::GetAtt":
        parts = value[name].split(".", 1) if isinstance(value[name], str) else value[name]
        if isinstance(parts, list) and len(parts) == 2 and isinstance(parts[1], str):
            check_attribute(template, str(parts[0]), parts[1])
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in children:
        _check_calls(template, item, f"{where}.{key}")


def check_attribute(template: Template, resource: str, attribute: str) -> None:
    """Refuses an attribute that the resource's type does not have."""
    if resource not in template.resources:
        raise errors.invalid_reference(resource, "Fn::GetAtt")
    kind = type_of(template.resources[resource].type, f"Resources.{resource}.Type")
    if attribute not in kind.attributes:
        raise errors.invalid_attribute(resource, attribute, tuple(kind.attributes))


def make_plan(cloud: Cloud, text: str, passed: Mapping[str, str], pseudo: Mapping[str, Any]) -> Plan:
    """Parses and checks everything that can be known before the first resource is made."""
    template = parse_template(text)
    check_template(template)
    parameters = resolve_parameters(template.parameters, passed)
    scope = Scope(
        values={name: one.value for name, one in parameters.items()},
        pseudo={"AccountId": ACCOUNT_ID, "TenantId": ACCOUNT_ID, "ResourceGroupId": "", **pseudo},
        mappings=template.mappings,
        resources=frozenset(template.resources),
        zones=zones_of(cloud),
    )
    conditions = resolve_conditions(template.conditions, scope)
    scope = replace(scope, conditions=conditions)
    plan = Plan(template, parameters, scope, wanted(template, conditions), dependencies(template, conditions))
    _check_absent(plan, conditions)
    _check_properties(plan)
    return plan


def zones_of(cloud: Cloud) -> Callable[[str], list[str]]:
    """Fn::GetAZs, asked of the cloud itself."""

    def zones(region: str) -> list[str]:
        reply = cloud.call("Ecs", "DescribeZones", region, {"RegionId": region})
        return [str(one["ZoneId"]) for one in reply["Zones"]["Zone"]]

    return zones


def _check_absent(plan: Plan, conditions: Mapping[str, bool]) -> None:
    """A resource that its condition leaves out must not be asked for in a branch that is taken."""
    absent = set(plan.template.resources) - set(plan.resources)
    for name, resource in plan.resources.items():
        for other in references(resource.properties, conditions):
            if other in absent:
                raise errors.invalid_reference(other, f"Resources.{name}.Properties; its Condition is false")


def _check_properties(plan: Plan) -> None:
    preview = replace(plan.scope, partial=True)
    for name, resource in plan.resources.items():
        kind = type_of(resource.type, f"Resources.{name}.Type")
        check_properties(kind, name, plan.properties(name, preview))
