"""Resources with Count: each becomes Name[0], Name[1], … before the template is evaluated."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from garret.local_cloud.ros import errors
from garret.local_cloud.ros.functions import evaluate, function_of
from garret.local_cloud.ros.scope import COUNT, UNKNOWN, Scope
from garret.local_cloud.ros.template import RESOURCES, Resource, Template

_INSTANCE = re.compile(r"(.*)\[(?:0|[1-9]\d*)\]", re.DOTALL)
_INDEX_IN_SUB = re.compile(r"\$\{\s*ALIYUN::Index\s*\}")


def base_of(name: str, resources: Mapping[str, Resource]) -> str:
    """`Name` for `Name[3]` where Name has a Count, else the name itself."""
    match = _INSTANCE.fullmatch(name)
    if match and match.group(1) in resources and resources[match.group(1)].count is not None:
        return match.group(1)
    return name


def defined_resource(resources: Mapping[str, Resource], name: str) -> Resource:
    """The template's entry that a resource of a stack was made from."""
    return resources[base_of(name, resources)]


def counted(template: Template) -> frozenset[str]:
    """The names of the resources that have a Count."""
    return frozenset(name for name, one in template.resources.items() if one.count is not None)


def count_of(resource: Resource, scope: Scope) -> Any:
    """A resource's Count as a whole number, or UNKNOWN in a partial scope."""
    where = f"Resources.{resource.name}.Count"
    value = evaluate(resource.count, replace(scope, context=COUNT), where)
    if value is UNKNOWN:
        return UNKNOWN
    if isinstance(value, bool) or not re.fullmatch(r"\d+", str(value)):
        raise errors.validation_failed(f"{where} is {value!r}; it must be a whole number of at least 0.")
    return int(value)


def unfold(template: Template, scope: Scope) -> Template:
    """The template with every counted resource as so many of it, and with what refers to them put right."""
    if not counted(template):
        return template
    found = {name: count_of(template.resources[name], scope) for name in counted(template)}
    sizes = {name: 1 if size is UNKNOWN else size for name, size in found.items()}
    total = len(template.resources) + sum(size - 1 for size in sizes.values())
    if total > RESOURCES:
        raise errors.validation_failed(f"With Count the template has {total} resources; at most {RESOURCES} are.")
    resources: dict[str, Resource] = {}
    for name, resource in template.resources.items():
        for one in _instances(resource, sizes):
            if one.name in resources or (one.name != name and one.name in template.resources):
                raise errors.validation_failed(f"Resources.{one.name} has the name of one that Count makes.")
            resources[one.name] = one
    outputs = {name: replace(one, value=_put_in(one.value, sizes, None)) for name, one in template.outputs.items()}
    return replace(template, resources=resources, outputs=outputs)


def _instances(resource: Resource, sizes: Mapping[str, int]) -> list[Resource]:
    indexes = range(sizes[resource.name]) if resource.name in sizes else (None,)
    depends_on = tuple(
        name for other in resource.depends_on for name in (_names(other, sizes) if other in sizes else [other])
    )
    return [
        replace(
            resource,
            name=resource.name if index is None else f"{resource.name}[{index}]",
            properties={key: _put_in(value, sizes, index) for key, value in resource.live().items()} | resource.raw(),
            depends_on=depends_on,
            count=None,
        )
        for index in indexes
    ]


def _names(name: str, sizes: Mapping[str, int]) -> list[str]:
    return [f"{name}[{index}]" for index in range(sizes[name])]


def _put_in(value: Any, sizes: Mapping[str, int], index: int | None) -> Any:
    if isinstance(value, list):
        return [_put_in(item, sizes, index) for item in value]
    if not isinstance(value, dict):
        return value
    name = function_of(value)
    if name in _REWRITTEN and (name != "Fn::Sub" or index is not None):
        return _REWRITTEN[name](value[name], sizes, index)
    return {key: _put_in(item, sizes, index) for key, item in value.items()}


def _ref(name: Any, sizes: Mapping[str, int], index: int | None) -> Any:
    if not isinstance(name, str):
        return {"Ref": _put_in(name, sizes, index)}
    if name == "ALIYUN::Index" and index is not None:
        return index
    return [{"Ref": one} for one in _names(name, sizes)] if name in sizes else {"Ref": name}


def _get_att(argument: Any, sizes: Mapping[str, int], index: int | None) -> Any:
    parts = argument.split(".", 1) if isinstance(argument, str) else argument
    if isinstance(parts, list) and len(parts) == 2 and isinstance(parts[0], str) and parts[0] in sizes:
        attribute = _put_in(parts[1], sizes, index)
        return [{"Fn::GetAtt": [one, attribute]} for one in _names(parts[0], sizes)]
    return {"Fn::GetAtt": _put_in(argument, sizes, index)}


def _select(argument: Any, sizes: Mapping[str, int], index: int | None) -> Any:
    """Of a counted resource only the chosen one stays, so that nothing waits for the others."""
    parts = _put_in(argument, sizes, index)
    if isinstance(parts, list) and len(parts) in (2, 3) and isinstance(parts[0], int) and isinstance(parts[1], list):
        raw = argument[1]
        chosen = isinstance(raw, dict) and len(raw) == 1 and next(iter(raw)) in ("Ref", "Fn::GetAtt")
        if chosen and -len(parts[1]) <= parts[0] < len(parts[1]):
            return parts[1][parts[0]]
    return {"Fn::Select": parts}


def _sub(argument: Any, sizes: Mapping[str, int], index: int | None) -> Any:
    if isinstance(argument, str):
        return {"Fn::Sub": _INDEX_IN_SUB.sub(str(index), argument)}
    if isinstance(argument, list) and argument and isinstance(argument[0], str):
        text = _INDEX_IN_SUB.sub(str(index), argument[0])
        return {"Fn::Sub": [text, *(_put_in(item, sizes, index) for item in argument[1:])]}
    return {"Fn::Sub": _put_in(argument, sizes, index)}


_REWRITTEN = {"Ref": _ref, "Fn::GetAtt": _get_att, "Fn::Select": _select, "Fn::Sub": _sub}
