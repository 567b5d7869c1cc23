"""What an update would change: the resources as they are, compared with what a template now asks for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from garret.local_cloud.core import Cloud
from garret.local_cloud.ros import records
from garret.local_cloud.ros.causes import Cause, Sides, cause_of
from garret.local_cloud.ros.graph import Graph
from garret.local_cloud.ros.plan import Plan
from garret.local_cloud.ros.resources import type_of
from garret.local_cloud.ros.resources.base import ResourceType
from garret.local_cloud.ros.scope import UNKNOWN, NotYetKnownError, Scope
from garret.local_cloud.ros.stack_plan import plan_of, scope_of

NEVER, PERHAPS, ALWAYS = "Never", "Conditionally", "Always"
IN_PLACE, REPLACES, NOT_EMULATED = "in place", "replaces", "not emulated"


@dataclass(frozen=True)
class Detail:
    """One property (or other attribute) that changes; `how` is IN_PLACE, REPLACES or NOT_EMULATED."""

    attribute: str
    name: str
    how: str
    sure: bool
    cause: Cause


@dataclass(frozen=True)
class Change:
    """What happens to one resource; `replacement` is True, False or Conditional, and empty unless it is modified."""

    name: str
    type: str
    physical_id: str
    action: str  # Add, Modify or Remove
    replacement: str = ""
    details: tuple[Detail, ...] = ()


def differences(cloud: Cloud, stack: records.Body, plan: Plan) -> tuple[Change, ...]:
    """The changes in the order in which they would be made: additions and modifications, then removals."""
    before = plan_of(cloud, stack)
    found = {one["slot"]: one for one in records.resources(cloud, stack["id"]) if one["status"] != records.GONE}
    changes: dict[str, Change] = {}
    for name in in_order(plan.graph):
        scope = replace(_scope(cloud, stack, plan, changes), partial=True)
        if name not in found:
            changes[name] = Change(name, plan.resources[name].type, "", "Add")
        else:
            change = _modification(found[name], Sides(before, plan, changes), scope)
            if change is not None:
                changes[name] = change
    gone = [one for slot, one in found.items() if slot not in plan.resources]
    removals = [Change(one["name"], one["type"], one["physical_id"], "Remove") for one in gone]
    return (*changes.values(), *removals)


def in_order(graph: Graph) -> list[str]:
    """The names, each after those it needs."""
    done: list[str] = []
    waiting = dict(graph)
    while waiting:
        now = [name for name, needs in waiting.items() if needs <= set(done)]
        done += now
        waiting = {name: needs for name, needs in waiting.items() if name not in now}
    return done


def _scope(cloud: Cloud, stack: records.Body, plan: Plan, changes: Mapping[str, Change]) -> Scope:
    """The scope before the update: what a change may move is not known yet."""
    now = scope_of(cloud, stack, plan)

    def reference(name: str) -> Any:
        if name in changes and changes[name].replacement != "False":
            raise NotYetKnownError
        return now.reference(name)

    def attribute(name: str, attribute: str) -> Any:
        if name not in changes:
            return now.attribute(name, attribute)
        physical_id, value = reference(name), now.attribute(name, attribute)
        as_text = ",".join(map(str, value)) if isinstance(value, list) else value
        if as_text != physical_id:  # an id stays what it is while its resource is changed in place
            raise NotYetKnownError
        return value

    return replace(now, reference=reference, attribute=attribute)


def _modification(resource: records.Body, sides: Sides, scope: Scope) -> Change | None:
    name, plan = resource["name"], sides.plan
    kind = type_of(plan.resources[name].type, f"Resources.{name}.Type")
    physical_id = resource["physical_id"]
    if resource["status"] not in records.THERE or resource["type"] != kind.name:
        attribute = "Type" if resource["type"] != kind.name else "Status"  # one that failed is made anew
        detail = Detail(attribute, "", REPLACES, True, Cause.direct())
        return Change(name, kind.name, physical_id, "Modify", "True", (detail,))
    wanted = plan.properties(name, scope)
    details = [
        Detail("Properties", key, how_of(kind, key), *cause_of(sides, name, key, wanted.get(key)))
        for key in changed_keys(resource, wanted)
    ]
    old = sides.before.resources.get(name)
    if old is not None and old.metadata != plan.resources[name].metadata:
        details.append(Detail("Metadata", "", IN_PLACE, True, Cause.direct()))
    if resource["retain"] != plan.resources[name].retain:
        details.append(Detail("DeletionPolicy", "", IN_PLACE, True, Cause.direct()))
    if not details:
        return None
    return Change(name, kind.name, physical_id, "Modify", _replacement(details), tuple(details))


def _replacement(details: Iterable[Detail]) -> str:
    replacing = [one for one in details if one.how != IN_PLACE]
    if not replacing:
        return "False"
    return "True" if any(one.sure for one in replacing) else "Conditional"


def how_of(kind: ResourceType, key: str) -> str:
    """How a change of this property is carried out."""
    if key in kind.updatable:
        return IN_PLACE
    return REPLACES if key in kind.replace_on else NOT_EMULATED


def changed_keys(resource: records.Body, wanted: Mapping[str, Any]) -> list[str]:
    """The properties in which a resource differs from what is wanted, or may differ after an update that failed."""
    states = [resource["properties"], *(one["properties"] for one in resource["tried"])]
    keys = dict.fromkeys(key for state in (*states, wanted) for key in state)
    return [key for key in keys if any(not same(state.get(key), wanted.get(key)) for state in states)]


def same(one: Any, other: Any) -> bool:
    """Whether two values mean the same: 100 and "100" do, and an absent one and null; UNKNOWN never does."""
    return bool(_plain(one) == _plain(other))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return f"{value:g}" if float(value) == value and abs(value) < 1e6 else str(value)
    return object() if value is UNKNOWN else value
