"""CreateStack: the stack is recorded, then made."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from garret.local_cloud.clock import stamp
from garret.local_cloud.core import Call, Cloud
from garret.local_cloud.ros import change_set_records, errors, records, tokens
from garret.local_cloud.ros.deleting import deletion_graph
from garret.local_cloud.ros.emulated import check_emulated
from garret.local_cloud.ros.engine import finish, go_on, watched
from garret.local_cloud.ros.new_resource import new_resource
from garret.local_cloud.ros.operation import Halt, deadline_of, operation_info, reason_text, run_graph
from garret.local_cloud.ros.plan import Plan, make_plan
from garret.local_cloud.ros.stack_plan import plan_of, pseudo_of, scope_of
from garret.local_cloud.ros.working import make, unmake

STACKS = 200  # the vendor's quota of stacks in one region


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
    parallelism: int = 0
    parent_id: str = ""
    resource_group: str = ""


def create(cloud: Cloud, call: Call, wanted: Wanted, token: str, fingerprint: str) -> str:
    """Records the stack and starts making it; returns its id. The same token with the same request: the same id."""
    known = tokens.known(cloud, call.region, token, fingerprint)
    if known:
        return known
    stack_id = records.new_id()
    body = stack_record(cloud, call.region, stack_id, wanted)
    plan = make_plan(cloud, wanted.template, wanted.parameters, pseudo_of(body))
    check_emulated(cloud, plan, body)
    body["description"] = plan.template.description
    with cloud.store.transaction():
        known = tokens.known(cloud, call.region, token, fingerprint)  # somebody may have been quicker
        if known:
            return known
        check_room(cloud, call.region, wanted.name)
        cloud.store.put(records.STACK, stack_id, body, call.region)
        start(cloud, body, plan)
        tokens.remember(cloud, call.region, token, fingerprint, stack_id)
    go_on(cloud, stack_id)
    return stack_id


def start(cloud: Cloud, stack: records.Body, plan: Plan, used: str = "") -> None:
    """Writes down what is to be made, in the caller's transaction; `used` is the change set that is carried out."""
    stack_id = stack["id"]
    for name in plan.resources:
        records.put_resource(cloud, stack["region"], new_resource(cloud, stack_id, plan, name))
    change_set_records.begun(cloud, stack_id, used)
    begun = stamp(cloud.clock.now())
    records.change_stack(cloud, stack_id, "CREATE_IN_PROGRESS", "Stack CREATE started", begun=begun)


def check_room(cloud: Cloud, region: str, name: str) -> None:
    """Refuses a name that is taken, and one stack more than the quota."""
    living = records.living(cloud, region)
    if any(one["name"] == name for one in living):
        raise errors.stack_exists(name)
    if len(living) >= STACKS:
        raise errors.validation_failed(f"There are {len(living)} stacks in {region}; the quota is {STACKS}.")


def stack_record(cloud: Cloud, region: str, stack_id: str, wanted: Wanted) -> records.Body:
    """A new stack as the store keeps it."""
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
        "parallelism": wanted.parallelism,
        "create_time": now,
        "update_time": now,
        "begun": now,
        "retain": [],
        "cause": "",
        "operation": None,
        "update": None,
        "cancel": "",
        "again": [],
        "drift": None,
        "parent_id": wanted.parent_id,
        "resource_group": wanted.resource_group,
    }


def clear_for_again(cloud: Cloud, stack: records.Body, halt: Halt) -> None:
    """Deletes what ContinueCreateStack makes anew or leaves out, and writes down what is to be made in its place."""
    names, stack_id = set(stack["again"]), stack["id"]
    found = {one["slot"]: one for one in records.resources(cloud, stack_id) if one["slot"] in names}
    run_graph(cloud, deletion_graph(list(found.values())), lambda slot: unmake(cloud, stack_id, slot, halt), halt)
    if not names or halt.closed:
        return
    plan = plan_of(cloud, stack)
    with cloud.store.transaction():
        for name in names:
            records.drop_resource(cloud, stack_id, name)
        for name in plan.resources:
            if name in names:
                records.put_resource(cloud, stack["region"], new_resource(cloud, stack_id, plan, name))
        cloud.store.update(records.STACK, stack_id, again=[])


def work(cloud: Cloud, stack: records.Body) -> None:
    """Makes what is not made yet; the next status is CREATE_COMPLETE, the rollback's, or CREATE_FAILED."""
    stack_id = stack["id"]
    halt = watched(cloud, stack, Halt(cloud, deadline_of(stack)))
    clear_for_again(cloud, stack, halt)
    plan = plan_of(cloud, stack)
    scope = scope_of(cloud, stack, plan)
    run_graph(
        cloud,
        plan.graph,
        lambda name: make(cloud, stack_id, name, lambda: plan.properties(name, scope), halt),
        halt,
        stack["parallelism"],
    )
    if halt.failure is None and not halt.called_off:
        reason = "Stack CREATE completed successfully"
        finish(cloud, stack_id, "CREATE_IN_PROGRESS", "CREATE_COMPLETE", reason, cancel="")
        return
    if halt.failure is None:
        return  # DeleteStack has written the next status
    name, failure = halt.failure
    cause = reason_text("CREATE", name, failure)
    operation = operation_info("CREATE", name, records.resource(cloud, stack_id, name), failure)
    status = "CREATE_FAILED" if stack["disable_rollback"] else "CREATE_ROLLBACK_IN_PROGRESS"
    finish(cloud, stack_id, "CREATE_IN_PROGRESS", status, cause, cause=cause, operation=operation, cancel="")
