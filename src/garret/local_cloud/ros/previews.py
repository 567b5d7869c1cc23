"""PreviewStack of a stack that is there: what an update would add, change, replace and remove."""

from dataclasses import replace
from typing import Any

from garret.local_cloud.core import Call, Cloud
from garret.local_cloud.ros import records, requests, updating
from garret.local_cloud.ros.change_rows import by_name
from garret.local_cloud.ros.differences import Change, differences
from garret.local_cloud.ros.plan import Plan
from garret.local_cloud.ros.replies import parameter_rows
from garret.local_cloud.ros.scope import UNKNOWN, Scope
from garret.local_cloud.ros.stack_plan import scope_of


def preview_update(call: Call, cloud: Cloud) -> dict[str, Any]:
    """What UpdateStack with this template would do; nothing happens."""
    stack = records.stack(cloud, call.params["StackId"], requests.region_of(call))
    updating.check_ready(stack)
    wanted = requests.update(call)
    plan = updating.plan_for(cloud, stack, wanted)
    changes = differences(cloud, stack, plan)
    updating.refuse(stack, changes, replacing=True)
    planned, scope = by_name(changes), replace(scope_of(cloud, stack, plan), partial=True)
    rows = [_row(plan, scope, name, planned.get(name)) for name in plan.resources]
    for row in rows:
        there = records.resource(cloud, stack["id"], row["LogicalResourceId"])
        if there is not None and row["Action"] != "Add":
            row["PhysicalResourceId"] = there["physical_id"]
    reply = {
        "StackName": stack["name"],
        "RegionId": stack["region"],
        "Description": plan.template.description,
        "TemplateDescription": plan.template.description,
        "DisableRollback": wanted.disable_rollback,
        "TimeoutInMinutes": wanted.timeout_minutes,
        "Parameters": parameter_rows(dict(plan.parameters)),
        "Resources": rows + [_removal_row(one) for one in changes if one.action == "Remove"],
    }
    return {"Stack": reply}


def _row(plan: Plan, scope: Scope, name: str, change: Change | None) -> dict[str, Any]:
    resource = plan.resources[name]
    row = {
        "LogicalResourceId": name,
        "ResourceType": resource.type,
        "AcsResourceType": resource.type,
        "Action": change.action if change else "None",
        "Description": resource.description,
        "Properties": masked(plan, known(plan.properties(name, scope))),
        "RequiredBy": sorted(other for other, needs in plan.graph.items() if name in needs),
    }
    return {**row, "Replacement": change.replacement} if change and change.replacement else row


def _removal_row(change: Change) -> dict[str, Any]:
    who = {"LogicalResourceId": change.name, "PhysicalResourceId": change.physical_id}
    what = {"ResourceType": change.type, "AcsResourceType": change.type, "Action": "Remove"}
    return {**who, **what, "Description": "", "Properties": {}, "RequiredBy": []}


def known(value: Any) -> Any:
    """The value with null where only the cloud will know."""
    if isinstance(value, dict):
        return {key: known(item) for key, item in value.items()}
    if isinstance(value, list):
        return [known(item) for item in value]
    return None if value is UNKNOWN else value


def masked(plan: Plan, value: Any) -> Any:
    """The value without what parameters with NoEcho put into it."""
    secrets = [one.text for one in plan.parameters.values() if one.no_echo and one.text]
    if isinstance(value, dict):
        return {key: masked(plan, item) for key, item in value.items()}
    if isinstance(value, list):
        return [masked(plan, item) for item in value]
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, "******")
    return value
