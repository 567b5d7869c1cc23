"""Change sets: what an update or a creation would do, compared once, seen, and carried out or forgotten."""

import fnmatch
import re
import sys
import traceback
from typing import Any

from garret.local_cloud.clock import stamp
from garret.local_cloud.core import ApiError, Call, Cloud, missing
from garret.local_cloud.params import flag, page
from garret.local_cloud.ros import change_set_records, creating, errors, records, replies, requests, tokens, updating
from garret.local_cloud.ros.change_rows import change_row
from garret.local_cloud.ros.change_set_records import CHANGE_SET
from garret.local_cloud.ros.differences import Change, differences
from garret.local_cloud.ros.emulated import check_emulated
from garret.local_cloud.ros.engine import CHANGING, go_on
from garret.local_cloud.ros.plan import Plan, make_plan
from garret.local_cloud.ros.stack_plan import pseudo_of
from garret.local_cloud.ros.waking import wake_of

SETS = 20  # of one stack
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}")
HEEDED = ("UsePreviousParameters", "ChangeSetId")


def create_change_set(call: Call, cloud: Cloud) -> dict[str, Any]:
    """Checks the template and records the set; the comparison goes on after the answer."""
    token, fingerprint = requests.client_token(call), requests.fingerprint(call)
    known = tokens.known(cloud, requests.region_of(call), token, fingerprint)
    if not known:
        name, kind = call.params["ChangeSetName"], call.params.get("ChangeSetType", "UPDATE")
        if not NAME.fullmatch(name):
            rule = "it starts with a letter or digit and has letters, digits, hyphens and underscores, at most 255"
            raise errors.invalid_parameter("ChangeSetName", rule)
        if kind == "IMPORT":
            raise errors.not_emulated("change sets of the type IMPORT")
        body = _of_creation(call, cloud) if kind == "CREATE" else _of_update(call, cloud)
        with CHANGING, cloud.store.transaction():
            known = tokens.known(cloud, body["region"], token, fingerprint)  # somebody may have been quicker
            if not known:
                _put(cloud, body, kind)
                tokens.remember(cloud, body["region"], token, fingerprint, body["id"])
        known = known or body["id"]
        compare(cloud, known)
    found = change_set_records.change_set(cloud, known, requests.region_of(call))
    return {"ChangeSetId": found["id"], "StackId": found["stack_id"]}


def _put(cloud: Cloud, body: records.Body, kind: str) -> None:
    stack = body.pop("stack", None)
    if kind == "CREATE" and stack is not None:
        creating.check_room(cloud, stack["region"], stack["name"])
        cloud.store.put(records.STACK, stack["id"], stack, stack["region"])
        records.change_stack(cloud, stack["id"], "REVIEW_IN_PROGRESS", "Stack REVIEW started")
    there = change_set_records.of_stack(cloud, body["stack_id"])
    if any(one["name"] == body["name"] for one in there):
        raise errors.change_set_exists(body["name"], body["stack_name"])
    if len(there) >= SETS:
        raise errors.validation_failed(f"{body['stack_name']} has {len(there)} change sets; the quota is {SETS}.")
    cloud.store.put(CHANGE_SET, body["id"], body, body["region"])


def _of_creation(call: Call, cloud: Cloud) -> records.Body:
    wanted = requests.wanted(call)
    stack = creating.stack_record(cloud, requests.region_of(call), records.new_id(), wanted)
    plan = make_plan(cloud, wanted.template, wanted.parameters, pseudo_of(stack))
    check_emulated(cloud, plan, stack)
    stack["description"] = plan.template.description
    return {
        **_record(call, cloud, stack, {"template": wanted.template, "parameters": wanted.parameters}),
        "stack": stack,
    }


def _of_update(call: Call, cloud: Cloud) -> records.Body:
    if not call.params.get("StackId"):
        raise missing("StackId")
    stack = records.stack(cloud, call.params["StackId"], requests.region_of(call))
    updating.check_ready(stack)
    wanted = requests.update(call)
    check_emulated(cloud, updating.plan_for(cloud, stack, wanted), stack)
    return _record(call, cloud, stack, updating.asked(stack, wanted))


def _record(call: Call, cloud: Cloud, stack: records.Body, asked: records.Body) -> records.Body:
    return {
        "id": records.new_id(),
        "name": call.params["ChangeSetName"],
        "type": call.params.get("ChangeSetType", "UPDATE"),
        "description": call.params.get("Description", ""),
        "region": stack["region"],
        "stack_id": stack["id"],
        "stack_name": stack["name"],
        "status": "CREATE_IN_PROGRESS",
        "status_reason": "",
        "execution": "UNAVAILABLE",
        "create_time": stamp(cloud.clock.now()),
        "asked": asked,
        "changes": [],
    }


def compare(cloud: Cloud, id: str) -> None:
    """Starts or takes up the comparison."""
    cloud.background.start(f"change set {id}", lambda: _compare(cloud, id))


def _compare(cloud: Cloud, id: str) -> None:
    body = cloud.store.get(CHANGE_SET, id)
    stack = cloud.store.get(records.STACK, body["stack_id"]) if body else None
    if body is None or stack is None or body["status"] != "CREATE_IN_PROGRESS":
        return
    changes: tuple[Change, ...] = ()
    problem = ""
    try:
        changes, plan = _changes(cloud, stack, body)
        if body["type"] == "UPDATE":
            wanted = updating.Update(**body["asked"])
            if updating.is_same(cloud, stack, plan, wanted):
                raise errors.no_change(stack["name"])
            updating.refuse(stack, changes, wanted.replacing)
    except ApiError as refusal:
        problem = f"{refusal.code}: {refusal.message}"
    except Exception as bug:  # noqa: BLE001 - a bug here must end in a failed set, not in one that hangs
        traceback.print_exc(file=sys.stderr)
        problem = f"{type(bug).__name__}: {bug}"
    with CHANGING:
        usable = not problem and cloud.store.get(records.STACK, stack["id"]) == stack
        execution = "AVAILABLE" if usable else "UNAVAILABLE" if problem else "OBSOLETE"
        said = {"status": "CREATE_FAILED" if problem else "CREATE_COMPLETE", "status_reason": problem}
        rows = [change_row(one) for one in changes]
        cloud.store.update(CHANGE_SET, id, execution=execution, changes=rows, **said)
    wake_of(cloud).everybody()


def _changes(cloud: Cloud, stack: records.Body, body: records.Body) -> tuple[tuple[Change, ...], Plan]:
    if body["type"] == "UPDATE":
        plan = updating.plan_for(cloud, stack, updating.Update(**body["asked"]))
    else:
        plan = make_plan(cloud, body["asked"]["template"], body["asked"]["parameters"], pseudo_of(stack))
    return differences(cloud, stack, plan), plan


def execute_change_set(call: Call, cloud: Cloud) -> dict[str, Any]:
    """Starts what the set says; one that is older than the stack's last action is refused."""
    region, id = requests.region_of(call), call.params["ChangeSetId"]
    token, fingerprint = requests.client_token(call), requests.fingerprint(call)
    if tokens.known(cloud, region, token, fingerprint):
        return {}
    body = change_set_records.change_set(cloud, id, region)
    stack = records.stack(cloud, body["stack_id"], region)
    plan = _changes(cloud, stack, body)[1] if body["execution"] == "AVAILABLE" else None
    with CHANGING, cloud.store.transaction():
        if tokens.known(cloud, region, token, fingerprint):
            return {}
        body = change_set_records.change_set(cloud, id, region)
        if body["type"] == "UPDATE":
            updating.check_ready(records.stack(cloud, stack["id"], region))
        if body["execution"] != "AVAILABLE" or plan is None:
            state = f"{body['status']} and {body['execution']}"
            raise errors.validation_failed(f"The change set {body['name']} is {state}; make a new one.")
        if body["type"] == "UPDATE":
            updating.start(cloud, stack, plan, updating.Update(**body["asked"]), used=id)
        else:
            creating.start(cloud, stack, plan, used=id)
        tokens.remember(cloud, region, token, fingerprint, id)
    go_on(cloud, stack["id"])
    return {}


def delete_change_set(call: Call, cloud: Cloud) -> dict[str, Any]:
    """Forgets a set that is not being carried out; the stack stays as it is."""
    with CHANGING:
        body = change_set_records.change_set(cloud, call.params["ChangeSetId"], requests.region_of(call))
        if body["execution"] == "EXECUTE_IN_PROGRESS":
            raise errors.action_in_progress(body["stack_name"], "UPDATE" if body["type"] == "UPDATE" else "CREATE")
        cloud.store.delete(CHANGE_SET, body["id"])
    return {}


def get_change_set(call: Call, cloud: Cloud) -> dict[str, Any]:
    """One set with its changes; the template only when ShowTemplate asks for it."""
    body = change_set_records.change_set(cloud, call.params["ChangeSetId"], requests.region_of(call))
    stack = records.stack(cloud, body["stack_id"], body["region"])
    parameters = requests.resolved(body["asked"]["template"], _parameters(stack, body))
    reply = {
        **_row(body),
        "Changes": body["changes"],
        "Parameters": replies.pseudo_rows(stack) + replies.parameter_rows(parameters),
        "DisableRollback": body["asked"].get("disable_rollback", stack["disable_rollback"]),
        "TimeoutInMinutes": body["asked"].get("timeout_minutes", stack["timeout_minutes"]),
    }
    return {**reply, "TemplateBody": body["asked"]["template"]} if flag(call.params, "ShowTemplate") else reply


def _parameters(stack: records.Body, body: records.Body) -> dict[str, str]:
    if body["type"] == "UPDATE":
        return updating.merged(stack, updating.Update(**body["asked"]))
    return dict(body["asked"]["parameters"])


def _row(body: records.Body) -> dict[str, Any]:
    return {
        "ChangeSetId": body["id"],
        "ChangeSetName": body["name"],
        "ChangeSetType": body["type"],
        "Description": body["description"],
        "RegionId": body["region"],
        "StackId": body["stack_id"],
        "StackName": body["stack_name"],
        "Status": body["status"],
        "StatusReason": body["status_reason"],
        "ExecutionStatus": body["execution"],
        "CreateTime": records.told(body["create_time"]),
    }


def list_change_sets(call: Call, cloud: Cloud) -> dict[str, Any]:
    """A stack's sets, newest first; names may hold asterisks."""
    stack = records.stack(cloud, call.params["StackId"], requests.region_of(call))
    names, id = requests.pick(call.params, "ChangeSetName"), call.params.get("ChangeSetId", "")
    states, executions = requests.pick(call.params, "Status"), requests.pick(call.params, "ExecutionStatus")
    found = [
        _row(one)
        for one in reversed(change_set_records.of_stack(cloud, stack["id"]))
        if (not names or any(fnmatch.fnmatchcase(one["name"], name) for name in names))
        and (not id or one["id"] == id)
        and (not states or one["status"] in states)
        and (not executions or one["execution"] in executions)
    ]
    items, counts = page(call, found, high=50)
    return {"ChangeSets": items, **counts}
