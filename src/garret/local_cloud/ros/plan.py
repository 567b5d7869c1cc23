"""A template together with what was passed to it: checked, its conditions decided, its order known."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from garret.local_cloud.core import ACCOUNT_ID, Cloud
from garret.local_cloud.ros import errors
from garret.local_cloud.ros.checking import check_attribute, check_template, checked
from garret.local_cloud.ros.conditions import resolve_conditions
from garret.local_cloud.ros.counts import unfold
from garret.local_cloud.ros.facts import facts_of
from garret.local_cloud.ros.functions import evaluate, evaluate_each
from garret.local_cloud.ros.graph import Graph, dependencies, references, wanted
from garret.local_cloud.ros.locals import put_in_locals
from garret.local_cloud.ros.other_stacks import outputs_elsewhere
from garret.local_cloud.ros.parameters import Parameter, resolve_parameters
from garret.local_cloud.ros.property_rules import check_properties
from garret.local_cloud.ros.rules import check_rules
from garret.local_cloud.ros.scope import Scope
from garret.local_cloud.ros.template import Resource, Template

__all__ = ["Plan", "check_attribute", "check_template", "make_plan", "zones_of"]


@dataclass(frozen=True)
class Plan:
    """What a stack will make: `resources` are those whose condition holds, `graph` says what waits for what."""

    template: Template
    parameters: Mapping[str, Parameter]
    scope: Scope
    resources: Mapping[str, Resource]
    graph: Graph

    def properties(self, name: str, scope: Scope | None = None) -> dict[str, Any]:
        """The evaluated properties of one resource; without a scope, or with a partial one, some may be UNKNOWN."""
        resource, where = self.resources[name], f"Resources.{name}.Properties"
        return {**evaluate_each(resource.live(), scope or self.scope, where), **resource.raw()}


def make_plan(cloud: Cloud, text: str, passed: Mapping[str, str], pseudo: Mapping[str, Any]) -> Plan:
    """Parses and checks everything that can be known before the first resource is made."""
    template = checked(text)
    parameters = resolve_parameters(template.parameters, passed)
    scope = Scope(
        values={name: one.value for name, one in parameters.items()},
        pseudo={"AccountId": ACCOUNT_ID, "TenantId": ACCOUNT_ID, "ResourceGroupId": "", **pseudo},
        mappings=template.mappings,
        zones=zones_of(cloud),
        now=cloud.clock.now,
        stack_output=outputs_elsewhere(cloud, pseudo),
    )
    template = put_in_locals(template, scope)
    conditions = resolve_conditions(template.conditions, scope)
    scope = replace(scope, conditions=conditions)
    check_rules(template.rules, scope)
    template = _settled(unfold(template, scope), scope)
    scope = replace(scope, resources=frozenset(template.resources))
    plan = Plan(template, parameters, scope, wanted(template, conditions), dependencies(template, conditions))
    _check_absent(plan)
    _check_properties(plan)
    return plan


def _settled(template: Template, scope: Scope) -> Template:
    """DeletionPolicy may be a parameter's."""
    resources = {}
    for name, resource in template.resources.items():
        policy = evaluate(resource.deletion_policy, scope, f"Resources.{name}.DeletionPolicy")
        if policy not in ("Delete", "Retain", None):
            text = f"Resources.{name}.DeletionPolicy is {policy!r}; it must be Delete or Retain."
            raise errors.validation_failed(text)
        resources[name] = replace(resource, retain=policy == "Retain")
    return replace(template, resources=resources)


def zones_of(cloud: Cloud) -> Callable[[str], list[str]]:
    """Fn::GetAZs, asked of the cloud itself."""

    def zones(region: str) -> list[str]:
        reply = cloud.call("Ecs", "DescribeZones", region, {"RegionId": region})
        return [str(one["ZoneId"]) for one in reply["Zones"]["Zone"]]

    return zones


def _check_absent(plan: Plan) -> None:
    """A resource that its condition leaves out must not be asked for in a branch that is taken."""
    every = frozenset(plan.template.resources)
    absent = every - set(plan.resources)
    for name, resource in plan.resources.items():
        for other in references(list(resource.live().values()), plan.scope.conditions, every):
            if other in absent:
                raise errors.invalid_reference(other, f"Resources.{name}.Properties; its Condition is false")


def _check_properties(plan: Plan) -> None:
    preview = replace(plan.scope, partial=True)
    for name, resource in plan.resources.items():
        check_properties(facts_of(resource.type, f"Resources.{name}.Type"), name, plan.properties(name, preview))
