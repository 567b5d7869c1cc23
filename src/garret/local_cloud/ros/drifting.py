"""Drift: what the cloud has by now, compared with what a stack's template said."""

import functools
import json
import sys
import traceback
from typing import Any

from garret.local_cloud.clock import stamp
from garret.local_cloud.core import ApiError, Call, Cloud, LostReply
from garret.local_cloud.params import number
from garret.local_cloud.ros import errors, records, replies, requests, tokens
from garret.local_cloud.ros.differences import same
from garret.local_cloud.ros.previews import masked
from garret.local_cloud.ros.resources import type_of
from garret.local_cloud.ros.resources.base import ResourceType
from garret.local_cloud.ros.stack_plan import plan_of
from garret.local_cloud.ros.waking import wake_of
from garret.local_cloud.ros.working import patiently, work_of

DETECTION = "drift_detection"
Body = dict[str, Any]


def detect_stack_drift(call: Call, cloud: Cloud) -> Body:
    """Starts looking at a stack's resources, or at those named."""
    region, token = requests.region_of(call), requests.client_token(call)
    known = tokens.known(cloud, region, token, requests.fingerprint(call))
    if known:
        return {"DriftDetectionId": known}
    stack, names = _quiet(call, cloud), requests.pick(call.params, "LogicalResourceId")
    for name in names:
        if records.resource(cloud, stack["id"], name) is None:
            raise errors.resource_not_found(name, stack["id"])
    id = records.new_id()
    body = {"id": id, "region": region, "stack_id": stack["id"], "names": names, "time": stamp(cloud.clock.now())}
    with cloud.store.transaction():
        cloud.store.put(DETECTION, id, {**body, "status": "DETECTION_IN_PROGRESS", "reason": "", "count": 0}, region)
        tokens.remember(cloud, region, token, requests.fingerprint(call), id)
    look(cloud, id)
    return {"DriftDetectionId": id}


def _quiet(call: Call, cloud: Cloud) -> records.Body:
    """The stack, which must not be at work."""
    stack = records.stack(cloud, call.params["StackId"], requests.region_of(call))
    if stack["status"] == records.GONE:
        raise errors.stack_not_found(stack["id"])
    if stack["status"].endswith("_IN_PROGRESS"):
        raise errors.action_in_progress(stack["name"], stack["status"].removesuffix("_IN_PROGRESS"))
    return stack


def look(cloud: Cloud, id: str) -> None:
    """Starts or takes up a detection."""
    cloud.background.start(f"drift {id}", lambda: _look(cloud, id))


def _look(cloud: Cloud, id: str) -> None:
    body = cloud.store.get(DETECTION, id)
    stack = cloud.store.get(records.STACK, body["stack_id"]) if body else None
    if body is None or stack is None or body["status"] != "DETECTION_IN_PROGRESS":
        return
    problems = []
    for one in records.resources(cloud, stack["id"]):
        if not body["names"] or one["slot"] in body["names"]:
            try:
                _check(cloud, stack, one)
            except (ApiError, LostReply) as problem:
                problems.append(f"{one['name']}: {problem}")
            except Exception as bug:  # noqa: BLE001 - a bug here must end in a failed detection, not in one that hangs
                traceback.print_exc(file=sys.stderr)
                problems.append(f"{one['name']}: {type(bug).__name__}: {bug}")
    found = [one["drift"]["status"] for one in records.resources(cloud, stack["id"]) if one["drift"]]
    count = len([status for status in found if status in ("MODIFIED", "DELETED")])
    checked = [status for status in found if status != "NOT_CHECKED"]
    state = "DRIFTED" if count else "IN_SYNC" if checked else "NOT_CHECKED"
    cloud.store.update(records.STACK, stack["id"], drift={"status": state, "time": body["time"]})
    status, reason = ("DETECTION_FAILED" if problems else "DETECTION_COMPLETE"), "; ".join(problems)
    cloud.store.update(DETECTION, id, status=status, reason=reason, count=count, state=state)
    wake_of(cloud).everybody()


def _check(cloud: Cloud, stack: records.Body, resource: records.Body) -> Body:
    """Looks at one resource and writes down what was found."""
    kind = type_of(resource["type"], f"Resources.{resource['name']}.Type")
    actual: Body | None = {}
    if resource["status"] in records.THERE and type(kind).drift is not ResourceType.drift:
        work = work_of(cloud, stack, resource, lambda _: None)
        actual = patiently(cloud, lambda: kind.drift(work))
    expected = {key: value for key, value in resource["properties"].items() if value is not None}
    if "Tags" in (actual or {}):
        expected["Tags"] = work_of(cloud, stack, resource, lambda _: None).tag_list()
    differences = _differences(expected, actual or {})
    hide = functools.partial(masked, plan_of(cloud, stack))  # what parameters with NoEcho put in is not told
    status = "MODIFIED" if differences else "IN_SYNC" if actual else "NOT_CHECKED"
    drift = {
        "status": "DELETED" if actual is None else status,
        "time": stamp(cloud.clock.now()),
        "expected": json.dumps(hide(expected), ensure_ascii=False),
        "actual": json.dumps(hide({**expected, **actual}) if actual else {}, ensure_ascii=False),
        "differences": hide(differences),
    }
    records.note_resource(cloud, stack["id"], resource["slot"], drift=drift)
    return {**resource, "drift": drift}


def _differences(expected: Body, actual: Body) -> list[Body]:
    """Only what the template says is compared; what the cloud chose by itself is no drift."""
    found = []
    for key in expected:
        if key in actual and not same(_sorted(expected[key]), _sorted(actual[key])):
            kind = "REMOVE" if actual[key] in (None, "", []) else "NOT_EQUAL"
            values = {"ExpectedValue": _text(expected[key]), "ActualValue": _text(actual[key])}
            found.append({"PropertyPath": f"/{key}", "DifferenceType": kind, **values})
    return found


def _sorted(value: Any) -> Any:
    """Lists without their order, which the cloud does not keep."""
    return sorted(value, key=lambda one: json.dumps(one, sort_keys=True)) if isinstance(value, list) else value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def detect_stack_resource_drift(call: Call, cloud: Cloud) -> Body:
    """Looks at one resource and answers with what it found."""
    stack, name = _quiet(call, cloud), call.params["LogicalResourceId"]
    resource = records.resource(cloud, stack["id"], name)
    if resource is None:
        raise errors.resource_not_found(name, stack["id"])
    return replies.drift_row(_check(cloud, stack, resource))


def get_stack_drift_detection_status(call: Call, cloud: Cloud) -> Body:
    """How far a detection is."""
    body = cloud.store.get(DETECTION, call.params["DriftDetectionId"])
    if body is None or body["region"] != requests.region_of(call):
        raise errors.drift_detection_not_found(call.params["DriftDetectionId"])
    reply = {
        "DriftDetectionId": body["id"],
        "DriftDetectionStatus": body["status"],
        "DriftDetectionStatusReason": body["reason"],
        "DriftDetectionTime": records.told(body["time"]),
        "StackId": body["stack_id"],
    }
    if body["status"] == "DETECTION_IN_PROGRESS":
        return reply
    return {**reply, "DriftedStackResourceCount": body["count"], "StackDriftStatus": body["state"]}


def list_stack_resource_drifts(call: Call, cloud: Cloud) -> Body:
    """What was found of each resource that was looked at; NextToken leads to the next page."""
    stack = records.stack(cloud, call.params["StackId"], requests.region_of(call))
    states, size = requests.pick(call.params, "ResourceDriftStatus"), number(call.params, "MaxResults", 50, 1, 100)
    found = [one for one in records.resources(cloud, stack["id"]) if one["drift"]]
    found = [one for one in found if not states or one["drift"]["status"] in states]
    begin = number(call.params, "NextToken", 0, 0, 1_000_000)
    reply: Body = {"ResourceDrifts": [replies.drift_row(one) for one in found[begin : begin + size]]}
    return {**reply, "NextToken": str(begin + size)} if begin + size < len(found) else reply
