"""ContinueCreateStack: a creation that failed without rollback goes on, with what failed made anew or left out."""

import json
from collections.abc import Mapping
from typing import Any

from garret.local_cloud.clock import stamp
from garret.local_cloud.core import Call, Cloud
from garret.local_cloud.params import flag, number
from garret.local_cloud.ros import change_set_records, errors, records, requests
from garret.local_cloud.ros.differences import changed_keys
from garret.local_cloud.ros.emulated import check_emulated
from garret.local_cloud.ros.engine import CHANGING, go_on
from garret.local_cloud.ros.graph import references
from garret.local_cloud.ros.new_resource import new_resource
from garret.local_cloud.ros.plan import Plan, make_plan
from garret.local_cloud.ros.stack_plan import plan_of, pseudo_of, scope_of
from garret.local_cloud.ros.template import parse_template
from garret.local_cloud.ros.yaml_text import read_yaml

MAY_CHANGE = ("Description", "Metadata", "Resources", "Outputs")


def continue_create_stack(call: Call, cloud: Cloud) -> dict[str, Any]:
    """Checks what may change, records it and goes on; DryRun only checks."""
    requests.refuse_what_is_not_emulated(call)
    stack = records.stack(cloud, call.params["StackId"], requests.region_of(call))
    _check_ready(stack)
    if call.params.get("Mode") == "Ignore":
        again = _unmade(cloud, stack)
        template, parameters = _without(stack, again), dict(stack["parameters"])
        plan = make_plan(cloud, template, parameters, pseudo_of(stack))
    else:
        template = call.params.get("TemplateBody") or stack["template"]
        defined = parse_template(template).parameters
        earlier = {key: value for key, value in stack["parameters"].items() if key in defined}
        parameters = {**earlier, **requests.parameters(call)}
        plan = make_plan(cloud, template, parameters, pseudo_of(stack))
        again = _again(cloud, stack, requests.pick(call.params, "RecreatingResources"))
        _check_template(stack, template, again)
        check_emulated(cloud, plan, stack)
        _check_kept(cloud, stack, plan, again)
    if not flag(call.params, "DryRun"):
        said = call.params.get("Parallelism", "")
        parallelism = number(call.params, "Parallelism", 0, 0, 1000) if said else stack["parallelism"]
        _start(cloud, stack, plan, again, template=template, parameters=parameters, parallelism=parallelism)
        go_on(cloud, stack["id"])
    return {"StackId": stack["id"]}


def _check_ready(stack: records.Body) -> None:
    status = stack["status"]
    if status == records.GONE:
        raise errors.stack_not_found(stack["id"])
    if status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
        raise errors.action_in_progress(stack["name"], status.removesuffix("_IN_PROGRESS"))
    if status != "CREATE_FAILED":
        raise errors.cannot_continue(stack["name"], f"it is {status}, only CREATE_FAILED can go on")


def _unmade(cloud: Cloud, stack: records.Body) -> set[str]:
    return {one["slot"] for one in records.resources(cloud, stack["id"]) if one["status"] not in records.THERE}


def _again(cloud: Cloud, stack: records.Body, named: list[str]) -> set[str]:
    """What is not there, what the caller names, and everything that needs one of these."""
    graph = plan_of(cloud, stack).graph
    for name in named:
        if name not in graph:
            raise errors.resource_not_found(name, stack["id"])
    found = _unmade(cloud, stack) | set(named)
    while more := {name for name, needs in graph.items() if name not in found and needs & found}:
        found |= more
    return found


def _base(name: str) -> str:
    return name.partition("[")[0]  # a counted resource is name[0], name[1], … of one entry in the template


def _without(stack: records.Body, names: set[str]) -> str:
    """The template without these resources and without the outputs that tell of them."""
    document: dict[str, Any] = read_yaml(stack["template"])
    gone = {_base(name) for name in names}
    kept = {key: value for key, value in document["Resources"].items() if key not in gone}
    outputs = {
        key: value
        for key, value in (document.get("Outputs") or {}).items()
        if not {_base(name) for name in references(value)} & gone
    }
    if not kept:
        raise errors.cannot_continue(stack["name"], "without what failed nothing is left of it")
    changed = {**document, "Resources": kept, "Outputs": outputs}
    return json.dumps(changed if "Outputs" in document else {**document, "Resources": kept}, ensure_ascii=False)


def _check_template(stack: records.Body, template: str, again: set[str]) -> None:
    before, after = read_yaml(stack["template"]), read_yaml(template)
    if before.keys() != after.keys():
        sections = ", ".join(sorted(before.keys() ^ after.keys()))
        raise errors.cannot_continue(stack["name"], f"sections were added or removed: {sections}")
    for section in before:
        if section not in MAY_CHANGE and before[section] != after[section]:
            raise errors.cannot_continue(stack["name"], f"the section {section} was changed")
    free = {_base(name) for name in again}
    for name, entry in before["Resources"].items():
        if name not in free and _body(after["Resources"].get(name)) != _body(entry):
            text = f"the resource {name} is there; name it in RecreatingResources to change it"
            raise errors.cannot_continue(stack["name"], text)


def _body(entry: Any) -> Any:
    return dict(entry) if isinstance(entry, Mapping) else entry


def _check_kept(cloud: Cloud, stack: records.Body, plan: Plan, again: set[str]) -> None:
    """A parameter must not change what is there already."""
    scope = scope_of(cloud, stack, plan)
    for one in records.resources(cloud, stack["id"]):
        if one["slot"] in again or one["slot"] not in plan.resources:
            continue
        changed = changed_keys(one, plan.properties(one["slot"], scope))
        if changed:
            where = f"Resources.{one['slot']}.Properties.{changed[0]}"
            text = f"{where} would change; name {one['slot']} in RecreatingResources to make it anew"
            raise errors.cannot_continue(stack["name"], text)


def _start(cloud: Cloud, stack: records.Body, plan: Plan, again: set[str], **more: Any) -> None:
    stack_id = stack["id"]
    with CHANGING, cloud.store.transaction():
        if records.stack(cloud, stack_id, stack["region"]) != stack:
            raise errors.action_in_progress(stack["name"], "CREATE")
        there = {one["slot"] for one in records.resources(cloud, stack_id)}
        for name in plan.resources:
            if name not in there:
                records.put_resource(cloud, stack["region"], new_resource(cloud, stack_id, plan, name))
        change_set_records.begun(cloud, stack_id)
        more |= {"begun": stamp(cloud.clock.now()), "again": sorted(again), "operation": None, "cause": ""}
        records.change_stack(cloud, stack_id, "CREATE_IN_PROGRESS", "Stack CREATE continued", **more)
