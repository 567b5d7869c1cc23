"""The actions that look at stacks: GetStack, ListStacks, their events, resources and templates."""

from typing import Any

from garret.local_cloud.clock import parse_stamp
from garret.local_cloud.core import ApiError, Call, Cloud
from garret.local_cloud.params import flag, groups, has_tags, page
from garret.local_cloud.ros import errors, records, replies
from garret.local_cloud.ros.change_set_records import change_set
from garret.local_cloud.ros.children import root_of
from garret.local_cloud.ros.parameters import resolve_parameters
from garret.local_cloud.ros.previews import known
from garret.local_cloud.ros.requests import pick, refuse_what_is_not_emulated, region_of
from garret.local_cloud.ros.resources import type_of
from garret.local_cloud.ros.stack_plan import outputs_of
from garret.local_cloud.ros.template import parse_template
from garret.local_cloud.ros.working import patiently, work_of

PAGE = 50  # the vendor's largest page
REMEMBERED_S = 3600  # how long a deleted stack still answers to its id; afterwards it is StackNotFound


def _stack(call: Call, cloud: Cloud) -> records.Body:
    stack = records.stack(cloud, call.params["StackId"], region_of(call))
    gone_s = (cloud.clock.now() - parse_stamp(stack["update_time"])).total_seconds()
    if stack["status"] == records.GONE and gone_s > REMEMBERED_S:
        raise errors.stack_not_found(stack["id"])
    return stack


def get_stack(call: Call, cloud: Cloud) -> dict[str, Any]:
    """One stack with its parameters and, unless OutputOption is Disabled, its outputs."""
    stack = _stack(call, cloud)
    template = parse_template(stack["template"])
    values = resolve_parameters(template.parameters, stack["parameters"])
    reply = {
        **replies.stack_row(stack),
        "Description": replies.localized(template.description),
        "TemplateDescription": replies.localized(template.description),
        "Parameters": replies.pseudo_rows(stack) + replies.parameter_rows(values),
        "NotificationURLs": [],
        "RootStackId": root_of(cloud, stack),
        **_checked(cloud, stack),
    }
    option = call.params.get("ShowResourceProgress", "Disabled")
    if option != "Disabled":
        reply["ResourceProgress"] = replies.progress(cloud, stack, option)
    if call.params.get("OutputOption", "Enabled") != "Disabled":
        found = outputs_of(cloud, stack) if stack["status"] != records.GONE else []
        reply["Outputs"] = [{**one, "OutputValue": known(one["OutputValue"])} for one in found]
    return reply


def _checked(cloud: Cloud, stack: records.Body) -> dict[str, Any]:
    """How many resources were compared with the cloud, once somebody has asked for it."""
    if not stack["drift"]:
        return {}
    states = [(one["drift"] or {}).get("status", "NOT_CHECKED") for one in records.resources(cloud, stack["id"])]
    unseen = states.count("NOT_CHECKED")
    return {"CheckedStackResourceCount": len(states) - unseen, "NotCheckedStackResourceCount": unseen}


def list_stacks(call: Call, cloud: Cloud) -> dict[str, Any]:
    """The region's stacks, newest first; deleted ones only when Status or StackId asks for them."""
    refuse_what_is_not_emulated(call, "ParentStackId")
    names, states = pick(call.params, "StackName"), pick(call.params, "Status")
    ids = pick(call.params, "StackIds") + ([call.params["StackId"]] if call.params.get("StackId") else [])
    tags = [{"Key": one.get("Key", ""), "Value": one.get("Value", "")} for one in groups(call.params, "Tag")]
    parent = call.params.get("ParentStackId", "")
    nested = flag(call.params, "ShowNestedStack")
    if parent and not nested:
        raise errors.invalid_parameter("ShowNestedStack", "it must be true when ParentStackId is given")
    found = []
    for stack in reversed(cloud.store.find(records.STACK, region_of(call))):
        if (stack["parent_id"] and not nested and stack["id"] not in ids) or (parent and stack["parent_id"] != parent):
            continue
        shown = stack["status"] in states if states else stack["status"] != records.GONE or stack["id"] in ids
        named = (not names or stack["name"] in names) and (not ids or stack["id"] in ids)
        if shown and named and has_tags({"Tags": stack["tags"]}, tags) and _in_time(call, stack):
            found.append(replies.stack_row(stack))
    items, counts = page(call, found, high=PAGE)
    return {"Stacks": items, **counts}


def _in_time(call: Call, stack: records.Body) -> bool:
    begin, end = call.params.get("StartTime", ""), call.params.get("EndTime", "")
    try:
        created = parse_stamp(stack["create_time"])
        return not (begin and created < parse_stamp(begin)) and not (end and created > parse_stamp(end))
    except ValueError:
        raise errors.invalid_parameter("StartTime or EndTime", "it must look like 2026-01-31T08:00:00Z") from None


def list_stack_events(call: Call, cloud: Cloud) -> dict[str, Any]:
    """A stack's events, newest first."""
    stack = _stack(call, cloud)
    wanted = {
        "Status": pick(call.params, "Status"),
        "ResourceType": pick(call.params, "ResourceType"),
        "LogicalResourceId": pick(call.params, "LogicalResourceId"),
    }
    found = [
        event
        for event in reversed(records.events(cloud, stack["id"]))
        if all(not values or event[key] in values for key, values in wanted.items())
    ]
    items, counts = page(call, found, high=PAGE)
    return {"Events": items, **counts}


def list_stack_resources(call: Call, cloud: Cloud) -> dict[str, Any]:
    """All resources of a stack."""
    stack = _stack(call, cloud)
    return {"Resources": [replies.resource_row(stack, one) for one in records.resources(cloud, stack["id"])]}


def get_stack_resource(call: Call, cloud: Cloud) -> dict[str, Any]:
    """One resource, with its attributes when ShowResourceAttributes or ResourceAttributes asks for them."""
    stack = _stack(call, cloud)
    name = call.params["LogicalResourceId"]
    resource = records.resource(cloud, stack["id"], name)
    if resource is None:
        raise errors.resource_not_found(name, stack["id"])
    defined = parse_template(stack["template"]).resources.get(name.partition("[")[0])  # a counted one is name[0], …
    about = {"Description": defined.description, "Metadata": defined.metadata} if defined else {}
    reply = {**replies.resource_row(stack, resource), **about}
    asked = pick(call.params, "ResourceAttributes")
    if asked or flag(call.params, "ShowResourceAttributes"):
        values = _attributes(cloud, stack, resource)
        chosen = {key: value for key, value in values.items() if not asked or key in asked}
        reply["ResourceAttributes"] = [
            {"ResourceAttributeName": key, "ResourceAttributeValue": value} for key, value in chosen.items()
        ]
    return reply


def _attributes(cloud: Cloud, stack: records.Body, resource: records.Body) -> dict[str, Any]:
    if resource["status"] not in records.THERE:
        return {}
    work = work_of(cloud, stack, resource, lambda _: None)
    try:
        values: dict[str, Any] = patiently(cloud, lambda: type_of(resource["type"], resource["name"]).read(work))
    except ApiError:
        return {}
    return values


def get_template(call: Call, cloud: Cloud) -> dict[str, Any]:
    """The template's text, as it was passed."""
    refuse_what_is_not_emulated(call, "ChangeSetId")
    if call.params.get("ChangeSetId"):
        found = change_set(cloud, call.params["ChangeSetId"], region_of(call))
        who = {"ChangeSetId": found["id"], "RegionId": found["region"]}
        return {**who, "TemplateBody": found["asked"]["template"]}
    if not call.params.get("StackId"):
        raise errors.invalid_parameter("StackId", "the local cloud keeps templates of stacks only")
    stack = _stack(call, cloud)
    return {"StackId": stack["id"], "TemplateBody": stack["template"], "RegionId": stack["region"]}
