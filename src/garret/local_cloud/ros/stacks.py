"""The life of a stack: created, rolled back, deleted, and taken up again after a crash."""

import sys
import threading
import traceback
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from garret.local_cloud.clock import stamp
from garret.local_cloud.core import Call, Cloud
from garret.local_cloud.ros import errors, records
from garret.local_cloud.ros.functions import evaluate
from garret.local_cloud.ros.graph import reverse
from garret.local_cloud.ros.operation import Halt, ServerGoesDownError, deadline_of, reason_text, run_graph
from garret.local_cloud.ros.plan import Plan, check_attribute, make_plan
from garret.local_cloud.ros.resources import type_of
from garret.local_cloud.ros.scope import NotYetKnownError, Scope
from garret.local_cloud.ros.working import make, patiently, unmake, work_of

STACKS = 200  # the vendor's quota of stacks in one region
TOKEN = "stack_token"  # noqa: S105 - a kind of record, no secret


@dataclass(frozen=True)
class Wanted:
    """What CreateStack asks for, already checked."""

    name: str
    template: str
    parameters: Mapping[str, str]
    tags: list[dict[str, str]] = field(default_factory=list)
    timeout_minutes: int = 60
    disable_rollback: bool = False
    deletion_protection: bool = False


def pseudo_of(stack: Mapping[str, Any]) -> dict[str, str]:
    """What ALIYUN::StackId and its like mean in this stack."""
    return {"StackId": stack["id"], "StackName": stack["name"], "Region": stack["region"]}


def create(cloud: Cloud, call: Call, wanted: Wanted, token: str, fingerprint: str) -> str:
    """Records the stack and starts making it; returns its id. The same token with the same request: the same id."""
    known = _known(cloud, call.region, token, fingerprint)
    if known:
        return known
    stack_id = records.new_id()
    body = _record(cloud, call.region, stack_id, wanted)
    plan = make_plan(cloud, wanted.template, wanted.parameters, pseudo_of(body))
    body["description"] = plan.template.description
    with cloud.store.transaction():
        known = _known(cloud, call.region, token, fingerprint)  # somebody may have been quicker
        if known:
            return known
        _check_room(cloud, call.region, wanted.name)
        cloud.store.put(records.STACK, stack_id, body, call.region)
        for name in plan.resources:
            entry = _resource_record(cloud, stack_id, plan, name)
            cloud.store.put(records.RESOURCE, f"{stack_id}/{name}", entry, call.region)
        if token:
            token_body = {"print": fingerprint, "stack_id": stack_id}
            cloud.store.put(TOKEN, f"{call.region}/{token}", token_body, call.region)
        records.change_stack(cloud, stack_id, "CREATE_IN_PROGRESS", "Stack CREATE started")
    go_on(cloud, stack_id)
    return stack_id


def _known(cloud: Cloud, region: str, token: str, fingerprint: str) -> str:
    known = cloud.store.get(TOKEN, f"{region}/{token}") if token else None
    if known is None:
        return ""
    if known["print"] != fingerprint:
        raise errors.token_mismatch(token)
    return str(known["stack_id"])


def _check_room(cloud: Cloud, region: str, name: str) -> None:
    living = records.living(cloud, region)
    if any(one["name"] == name for one in living):
        raise errors.stack_exists(name)
    if len(living) >= STACKS:
        raise errors.validation_failed(f"There are {len(living)} stacks in {region}; the quota is {STACKS}.")


def _record(cloud: Cloud, region: str, stack_id: str, wanted: Wanted) -> records.Body:
    now = stamp(cloud.clock.now())
    return {
        "id": stack_id,
        "name": wanted.name,
        "region": region,
        "status": "CREATE_IN_PROGRESS",
        "status_reason": "",
        "template": wanted.template,
        "description": "",
        "parameters": dict(wanted.parameters),
        "tags": wanted.tags,
        "timeout_minutes": wanted.timeout_minutes,
        "disable_rollback": wanted.disable_rollback,
        "deletion_protection": wanted.deletion_protection,
        "create_time": now,
        "update_time": now,
        "retain": [],
        "cause": "",
        "operation": None,
    }


def _resource_record(cloud: Cloud, stack_id: str, plan: Plan, name: str) -> records.Body:
    now = stamp(cloud.clock.now())
    resource = plan.resources[name]
    return {
        "stack_id": stack_id,
        "name": name,
        "type": resource.type,
        "status": "INIT_COMPLETE",
        "status_reason": "",
        "physical_id": "",
        "token": uuid.uuid4().hex,
        "started": "",
        "properties": {},
        "needs": sorted(plan.graph[name]),
        "retain": resource.retain,
        "create_time": now,
        "update_time": now,
    }


def go_on(cloud: Cloud, stack_id: str) -> None:
    """Starts or takes up the work that the stack's status asks for, unless it is under way."""
    with _CHANGING:
        at_work = _at_work(cloud)
        if stack_id in at_work:
            return
        if cloud.background.start(f"stack {stack_id} {uuid.uuid4().hex[:8]}", lambda: _work(cloud, stack_id)):
            at_work.add(stack_id)


def _at_work(cloud: Cloud) -> set[str]:
    found: set[str] = cloud.extras.setdefault("ros.at_work", set())
    return found


def _work(cloud: Cloud, stack_id: str) -> None:
    """Works until the status asks for nothing more; a status may change under the work (DeleteStack)."""
    verbs = {
        "CREATE_IN_PROGRESS": _create,
        "CREATE_ROLLBACK_IN_PROGRESS": _roll_back,
        "DELETE_IN_PROGRESS": _delete,
    }
    while True:
        with _CHANGING:
            stack = cloud.store.get(records.STACK, stack_id)
            if stack is None or stack["status"] not in verbs:
                _at_work(cloud).discard(stack_id)
                return
        try:
            verbs[stack["status"]](cloud, stack)
        except ServerGoesDownError:
            return
        except Exception as problem:  # noqa: BLE001 - a bug here must end in a failed stack, not in one that hangs
            traceback.print_exc(file=sys.stderr)
            failed = stack["status"].replace("_IN_PROGRESS", "_FAILED")
            _finish(cloud, stack_id, stack["status"], failed, f"{type(problem).__name__}: {problem}")


def _halts(cloud: Cloud) -> dict[str, Halt]:
    found: dict[str, Halt] = cloud.extras.setdefault("ros.halts", {})
    return found


_CHANGING = threading.Lock()  # between "the stack is still being created" and writing its next status


def _finish(cloud: Cloud, stack_id: str, expected: str, status: str, reason: str, **more: Any) -> None:
    """The next status, unless DeleteStack came in between."""
    with _CHANGING:
        stack = cloud.store.get(records.STACK, stack_id)
        if stack is not None and stack["status"] == expected:
            records.change_stack(cloud, stack_id, status, reason, **more)


def _watched(cloud: Cloud, stack: records.Body, halt: Halt) -> Halt:
    """Lets DeleteStack find the halt; one that came a moment earlier counts too."""
    _halts(cloud)[stack["id"]] = halt
    now = cloud.store.get(records.STACK, stack["id"])
    if now is None or now["status"] != stack["status"]:
        halt.call_off()
    return halt


def _create(cloud: Cloud, stack: records.Body) -> None:
    stack_id = stack["id"]
    halt = _watched(cloud, stack, Halt(cloud, deadline_of(stack)))
    plan = plan_of(cloud, stack)
    scope = scope_of(cloud, stack, plan)
    run_graph(
        cloud,
        plan.graph,
        lambda name: make(cloud, stack_id, name, lambda: plan.properties(name, scope), halt),
        halt,
    )
    if halt.failure is None and not halt.called_off:
        reason = "Stack CREATE completed successfully"
        _finish(cloud, stack_id, "CREATE_IN_PROGRESS", "CREATE_COMPLETE", reason)
        return
    if halt.failure is None:
        return  # DeleteStack has written the next status
    name, failure = halt.failure
    cause = reason_text("CREATE", name, failure)
    resource = records.resource(cloud, stack_id, name)
    operation = {
        "Action": "CREATE",
        "Code": failure.code or failure.kind,
        "Message": failure.reason,
        "LogicalResourceId": name,
        "ResourceType": resource["type"] if resource else "ALIYUN::ROS::Stack",
    }
    status = "CREATE_FAILED" if stack["disable_rollback"] else "CREATE_ROLLBACK_IN_PROGRESS"
    _finish(cloud, stack_id, "CREATE_IN_PROGRESS", status, cause, cause=cause, operation=operation)


def _roll_back(cloud: Cloud, stack: records.Body) -> None:
    failure = _remove(cloud, stack, retain=set())
    if failure is None:
        status, reason = "CREATE_ROLLBACK_COMPLETE", f"Stack CREATE rolled back. {stack['cause']}"
    else:
        status, reason = "CREATE_ROLLBACK_FAILED", f"{failure}. The rollback's cause: {stack['cause']}"
    _finish(cloud, stack["id"], "CREATE_ROLLBACK_IN_PROGRESS", status, reason)


def _delete(cloud: Cloud, stack: records.Body) -> None:
    failure = _remove(cloud, stack, retain=set(stack["retain"]))
    if failure is None:
        reason = "Stack DELETE completed successfully"
        _finish(cloud, stack["id"], "DELETE_IN_PROGRESS", records.GONE, reason)
    else:
        _finish(cloud, stack["id"], "DELETE_IN_PROGRESS", "DELETE_FAILED", failure)


def _remove(cloud: Cloud, stack: records.Body, retain: set[str]) -> str | None:
    """Deletes the stack's resources, last made first; returns why it failed, or None."""
    stack_id = stack["id"]
    halt = _watched(cloud, stack, Halt(cloud))
    found = records.resources(cloud, stack_id)
    kept = {one["name"] for one in found if one["retain"] or one["name"] in retain}
    graph = reverse({one["name"]: frozenset(one["needs"]) for one in found})

    def step(name: str) -> None:
        if name in kept:
            records.change_resource(cloud, stack_id, name, records.GONE, "the resource was retained")
        else:
            unmake(cloud, stack_id, name, halt)

    run_graph(cloud, graph, step, halt)
    return None if halt.failure is None else reason_text("DELETE", *halt.failure)


def delete(cloud: Cloud, stack_id: str, region: str, retain: list[str], retain_all: bool) -> None:
    """Starts deleting; a creation or rollback under way is called off first."""
    with _CHANGING:
        stack = records.stack(cloud, stack_id, region)
        if stack["status"] == records.GONE:
            raise errors.stack_not_found(stack_id)
        if stack["status"] == "DELETE_IN_PROGRESS":
            raise errors.action_in_progress(stack["name"], "DELETE")
        if stack["deletion_protection"]:
            raise errors.validation_failed(f"The stack {stack['name']} has deletion protection enabled.")
        names = [one["name"] for one in records.resources(cloud, stack_id)]
        for name in retain:
            if name not in names:
                raise errors.resource_not_found(name, stack_id)
        kept = names if retain_all else retain
        halt = _halts(cloud).pop(stack_id, None)  # of the work before, not of the deletion that begins now
        records.change_stack(cloud, stack_id, "DELETE_IN_PROGRESS", "Stack DELETE started", retain=kept)
    if halt is not None:
        halt.call_off()
    go_on(cloud, stack_id)


def plan_of(cloud: Cloud, stack: records.Body) -> Plan:
    """The stack's plan, as it was when it was created."""
    return make_plan(cloud, stack["template"], stack["parameters"], pseudo_of(stack))


def scope_of(cloud: Cloud, stack: records.Body, plan: Plan) -> Scope:
    """The plan's scope, in which resources answer with what they are by now."""

    def reference(name: str) -> Any:
        resource = records.resource(cloud, stack["id"], name)
        if resource is None or resource["status"] != "CREATE_COMPLETE":
            raise NotYetKnownError
        return resource["physical_id"]

    def attribute(name: str, attribute: str) -> Any:
        check_attribute(plan.template, name, attribute)
        resource = records.resource(cloud, stack["id"], name)
        if resource is None or resource["status"] != "CREATE_COMPLETE":
            raise NotYetKnownError
        work = work_of(cloud, stack, resource, lambda _: None)
        return patiently(cloud, lambda: type_of(resource["type"], name).read(work))[attribute]

    return replace(plan.scope, reference=reference, attribute=attribute)


def outputs_of(cloud: Cloud, stack: records.Body) -> list[dict[str, Any]]:
    """The outputs with the values that the resources have now; None where a resource is not there."""
    plan = plan_of(cloud, stack)
    scope = replace(scope_of(cloud, stack, plan), partial=True)
    result = []
    for name, output in plan.template.outputs.items():
        if output.condition is not None and not plan.scope.conditions[output.condition]:
            continue
        value = evaluate(output.value, scope, f"Outputs.{name}.Value")
        entry = {"OutputKey": name, "OutputValue": value, "Description": output.description}
        result.append({**entry, "Label": output.label} if output.label else entry)
    return result
