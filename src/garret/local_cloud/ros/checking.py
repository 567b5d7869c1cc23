"""What can be said of a template without its parameters' values."""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from garret.local_cloud.ros import errors
from garret.local_cloud.ros.conditions import resolve_conditions
from garret.local_cloud.ros.counts import base_of, count_of, counted
from garret.local_cloud.ros.facts import OUTPUTS, facts_of
from garret.local_cloud.ros.functions import attribute_parts, evaluate, evaluate_each, function_of
from garret.local_cloud.ros.graph import check_circles, references
from garret.local_cloud.ros.locals import put_in_locals
from garret.local_cloud.ros.parameters import check_definition
from garret.local_cloud.ros.property_rules import check_properties
from garret.local_cloud.ros.rules import check_rules
from garret.local_cloud.ros.scope import PSEUDO, PSEUDO_PREFIX, UNKNOWN, Scope
from garret.local_cloud.ros.template import Resource, Template, parse_template, read_document

INTERFACE = "ALIYUN::ROS::Interface"
NESTING = 5


@functools.lru_cache(maxsize=64)
def checked(text: str) -> Template:
    """The template of this text, once it has passed every check that needs no parameters."""
    template = parse_template(text)
    check_template(template)
    return template


def check_template(template: Template, depth: int = 1) -> None:
    """Every name is known, every type and function is emulated, every literal keeps the rules, no circles."""
    for name, definition in template.parameters.items():
        check_definition(name, definition)
    _check_interface(template)
    _check_names(template)
    for name, resource in template.resources.items():
        facts_of(resource.type, f"Resources.{name}.Type")
    scope = _blank(template)
    template = put_in_locals(template, scope)
    _check_references(template)
    scope = replace(scope, conditions=resolve_conditions(template.conditions, scope))
    check_rules(template.rules, scope)
    for name, resource in template.resources.items():
        _check_resource(name, resource, scope, depth)
    for name, output in template.outputs.items():
        evaluate(output.value, scope, f"Outputs.{name}.Value")
    _check_circles(template)


def _blank(template: Template) -> Scope:
    """A scope in which every name is known and no value is."""
    names = set(template.resources)
    for name in counted(template):
        names |= {f"{name}[{index}]" for index in range(10)}
    return Scope(
        values=dict.fromkeys(template.parameters, UNKNOWN),
        mappings=template.mappings,
        resources=frozenset(names),
        partial=True,
    )


def _check_interface(template: Template) -> None:
    """The groups in which a console shows the parameters."""
    interface = template.metadata.get(INTERFACE)
    if interface is None:
        return
    groups = interface.get("ParameterGroups") if isinstance(interface, dict) else interface
    if groups is not None and (not isinstance(groups, list) or not all(isinstance(one, dict) for one in groups)):
        raise errors.invalid_schema(f"Metadata.{INTERFACE}.ParameterGroups must be a list of maps.")
    for index, group in enumerate(groups or []):
        if not isinstance(group.get("Parameters") or [], list):
            raise errors.invalid_schema(f"Metadata.{INTERFACE}.ParameterGroups[{index}].Parameters must be a list.")


def _check_names(template: Template) -> None:
    """One name stands for one thing."""
    for kind, names in (("Resources", template.resources), ("Locals", template.locals)):
        for name in names:
            if name in template.parameters or (kind == "Locals" and name in template.resources):
                raise errors.validation_failed(f"{kind}.{name} has the name of something else in the template.")


def _values(template: Template) -> Iterator[tuple[str, Any]]:
    for name, value in template.conditions.items():
        yield f"Conditions.{name}", value
    for name, resource in template.resources.items():
        yield f"Resources.{name}.Properties", list(resource.live().values())
        yield f"Resources.{name}.DeletionPolicy", resource.deletion_policy
    for name, output in template.outputs.items():
        yield f"Outputs.{name}.Value", output.value


def _check_references(template: Template) -> None:
    every = frozenset(template.resources)
    pseudo = {f"{PSEUDO_PREFIX}{name}" for name in PSEUDO}
    for place, value in _values(template):
        for name in references(value, None, every):
            if (
                name not in template.parameters
                and name not in pseudo
                and base_of(name, template.resources) not in every
            ):
                raise errors.invalid_reference(name, place)
        _check_attributes(template, value)
    for name, resource in template.resources.items():
        _check_condition(template, resource.condition, f"Resources.{name}")
        for other in resource.depends_on:
            if base_of(other, template.resources) not in every:
                raise errors.invalid_reference(other, f"Resources.{name}.DependsOn")
    for name, output in template.outputs.items():
        _check_condition(template, output.condition, f"Outputs.{name}")


def _check_condition(template: Template, condition: str | None, where: str) -> None:
    if condition is not None and condition not in template.conditions:
        raise errors.invalid_reference(condition, f"{where}.Condition")


def _check_attributes(template: Template, value: Any) -> None:
    if function_of(value) == "Fn::GetAtt":
        parts = attribute_parts(value["Fn::GetAtt"], "Fn::GetAtt")
        if isinstance(parts[0], str) and isinstance(parts[1], str):
            check_attribute(template, parts[0], parts[1])
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check_attributes(template, item)


def check_attribute(template: Template, resource: str, attribute: str) -> None:
    """Refuses an attribute that the resource's type does not have, and an output that a nested stack does not."""
    name = base_of(resource, template.resources)
    if name not in template.resources:
        raise errors.invalid_reference(resource, "Fn::GetAtt")
    facts = facts_of(template.resources[name].type, f"Resources.{name}.Type")
    known = facts.attributes
    nested = template.resources[name].raw().get("TemplateBody")
    if nested is not None and "Transform" in nested:
        return  # refused by name in a moment
    if nested is not None:
        outputs = nested.get("Outputs") if isinstance(nested.get("Outputs"), dict) else {}
        known = tuple(f"{OUTPUTS}{output}" for output in outputs)
    if attribute not in known if nested is not None else not facts.has_attribute(attribute):
        raise errors.invalid_attribute(resource, attribute, known)


def _check_resource(name: str, resource: Resource, scope: Scope, depth: int) -> None:
    where = f"Resources.{name}"
    inside = scope
    if resource.count is not None:
        count_of(resource, scope)
        inside = replace(scope, pseudo={**scope.pseudo, "Index": UNKNOWN})
    values = evaluate_each(resource.live(), inside, f"{where}.Properties")
    check_properties(facts_of(resource.type, f"{where}.Type"), name, {**values, **resource.raw()})
    for body in resource.raw().values():
        nested = check_nested(body, f"{where}.Properties.TemplateBody", depth)
        passed = values.get("Parameters")
        for key in passed if isinstance(passed, dict) else ():
            if key not in nested.parameters:
                raise errors.unknown_parameter(key, sorted(nested.parameters))


def check_nested(body: Mapping[str, Any], where: str, depth: int) -> Template:
    """A nested stack's template is a template like any other, without locals."""
    if depth >= NESTING:
        raise errors.validation_failed(f"{where}: stacks are nested more than {NESTING} deep.")
    nested = read_document(body, "")
    if nested.locals:
        raise errors.validation_failed(f"{where}: a nested stack's template cannot have Locals.")
    check_template(nested, depth + 1)
    return nested


def _check_circles(template: Template) -> None:
    """Circles among what there is one of; what Count makes is looked at once its number is known."""
    several, every = counted(template), frozenset(template.resources)
    graph = {}
    for name, resource in template.resources.items():
        if name not in several:
            mentioned = set(references(list(resource.live().values()), None, every)) | set(resource.depends_on)
            graph[name] = frozenset((mentioned & every) - several)
    check_circles(graph)
