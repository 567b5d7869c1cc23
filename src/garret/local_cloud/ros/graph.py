"""Which resource waits for which, and that none waits for itself."""

from collections.abc import Iterator, Mapping
from typing import Any

from garret.local_cloud.ros import errors
from garret.local_cloud.ros.functions import function_of
from garret.local_cloud.ros.sub import PLACEHOLDER, placeholder
from garret.local_cloud.ros.template import Resource, Template

Graph = dict[str, frozenset[str]]


def references(
    value: Any, conditions: Mapping[str, Any] | None = None, resources: frozenset[str] = frozenset()
) -> Iterator[str]:
    """Every name that Ref, Fn::GetAtt and Fn::Sub mention; with `conditions`, only in the branch an Fn::If takes."""
    name = function_of(value)
    if name == "Ref" and isinstance(value[name], str):
        yield value[name]
    elif name == "Fn::GetAtt":
        argument = value[name]
        parts = argument.split(".", 1) if isinstance(argument, str) else argument
        if isinstance(parts, list) and parts and isinstance(parts[0], str):
            yield parts[0]
            parts = parts[1:]
        yield from references(parts, conditions, resources)
    elif name == "Fn::Sub":
        yield from _of_sub(value[name], conditions, resources)
    elif name == "Fn::If" and conditions is not None and _takes(value[name], conditions) is not None:
        yield from references(value[name][_takes(value[name], conditions) or 0], conditions, resources)
    elif isinstance(value, dict):
        for item in value.values():
            yield from references(item, conditions, resources)
    elif isinstance(value, list):
        for item in value:
            yield from references(item, conditions, resources)


def _of_sub(argument: Any, conditions: Mapping[str, Any] | None, resources: frozenset[str]) -> Iterator[str]:
    parts = argument if isinstance(argument, list) else [argument]
    own = parts[1] if len(parts) == 2 and isinstance(parts[1], dict) else {}
    if parts and isinstance(parts[0], str):
        for match in PLACEHOLDER.finditer(parts[0]):
            found = placeholder(match, own, resources, "Fn::Sub")
            if found.literal is None and found.variable is None:
                yield found.resource
    yield from references(parts[1:] if parts and isinstance(parts[0], str) else parts, conditions, resources)


def _takes(argument: Any, conditions: Mapping[str, Any]) -> int | None:
    """Which entry of Fn::If's list is taken, where its condition is a name."""
    if not isinstance(argument, list) or len(argument) != 3:
        return None
    name = argument[0]["Condition"] if isinstance(argument[0], dict) and "Condition" in argument[0] else argument[0]
    truth = conditions.get(name) if isinstance(name, str) else None
    return None if not isinstance(truth, bool) else 1 if truth else 2


def wanted(template: Template, conditions: Mapping[str, Any]) -> dict[str, Resource]:
    """The resources whose condition is true or that have none."""
    return {
        name: resource
        for name, resource in template.resources.items()
        if resource.condition is None or conditions.get(resource.condition, True)
    }


def dependencies(template: Template, conditions: Mapping[str, Any] | None = None) -> Graph:
    """For each resource the names it waits for; refuses unknown names in DependsOn and circles."""
    resources = template.resources if conditions is None else wanted(template, conditions)
    every = frozenset(template.resources)
    graph: Graph = {}
    for name, resource in resources.items():
        for other in resource.depends_on:
            if other not in every:
                raise errors.invalid_reference(other, f"Resources.{name}.DependsOn")
        mentioned = set(references(list(resource.live().values()), conditions, every)) | set(resource.depends_on)
        graph[name] = frozenset(mentioned & set(resources))
    check_circles(graph)
    return graph


def check_circles(graph: Graph) -> None:
    """Raises CircularDependency with the names of the circle in order."""
    done: set[str] = set()
    for start in graph:
        path: list[str] = [start]
        pending = [iter(sorted(graph[start]))]
        while path:
            following = next((name for name in pending[-1] if name not in done), None)
            if following is None:
                done.add(path.pop())
                pending.pop()
            elif following in path:
                raise errors.circular_dependency([*path[path.index(following) :], following])
            else:
                path.append(following)
                pending.append(iter(sorted(graph[following])))


def ready(graph: Graph, finished: set[str], started: set[str]) -> list[str]:
    """The resources that can start now: not started, and all they wait for is finished."""
    return [name for name, waits_for in graph.items() if name not in started and waits_for <= finished]


def reverse(graph: Graph) -> Graph:
    """The same edges seen from the other end, for deleting."""
    return {name: frozenset(other for other, needs in graph.items() if name in needs) for name in graph}
