"""DeleteStack, and the rollback of a creation: the stack's resources go, the one made last first."""

from garret.local_cloud.core import ApiError, Cloud
from garret.local_cloud.ros import change_set_records, errors, records
from garret.local_cloud.ros.engine import CHANGING, finish, go_on, taken_halt, watched
from garret.local_cloud.ros.graph import Graph, check_circles, reverse
from garret.local_cloud.ros.operation import Halt, reason_text, run_graph
from garret.local_cloud.ros.working import unmake


def delete(cloud: Cloud, stack_id: str, region: str, retain: list[str], retain_all: bool) -> None:
    """Starts deleting; a creation or rollback under way is called off first."""
    with CHANGING:
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
        halt = taken_halt(cloud, stack_id)  # of the work before, not of the deletion that begins now
        change_set_records.begun(cloud, stack_id)
        records.change_stack(
            cloud, stack_id, "DELETE_IN_PROGRESS", "Stack DELETE started", retain=kept, update=None, cancel=""
        )
    if halt is not None:
        halt.call_off()
    go_on(cloud, stack_id)


def work(cloud: Cloud, stack: records.Body) -> None:
    """Deletes what is not retained; the next status is DELETE_COMPLETE or DELETE_FAILED."""
    failure = _remove(cloud, stack, retain=set(stack["retain"]))
    if failure is None:
        finish(cloud, stack["id"], "DELETE_IN_PROGRESS", records.GONE, "Stack DELETE completed successfully")
    else:
        finish(cloud, stack["id"], "DELETE_IN_PROGRESS", "DELETE_FAILED", failure)


def roll_back(cloud: Cloud, stack: records.Body) -> None:
    """Takes a failed creation back; its cause stays in the reason."""
    failure = _remove(cloud, stack, retain=set())
    if failure is None:
        status, reason = "CREATE_ROLLBACK_COMPLETE", f"Stack CREATE rolled back. {stack['cause']}"
    else:
        status, reason = "CREATE_ROLLBACK_FAILED", f"{failure}. The rollback's cause: {stack['cause']}"
    finish(cloud, stack["id"], "CREATE_ROLLBACK_IN_PROGRESS", status, reason)


def _remove(cloud: Cloud, stack: records.Body, retain: set[str]) -> str | None:
    """Deletes the stack's resources, last made first; returns why it failed, or None."""
    stack_id = stack["id"]
    halt = watched(cloud, stack, Halt(cloud))
    found = records.resources(cloud, stack_id)
    kept = {one["slot"] for one in found if one["retain"] or one["name"] in retain}

    def step(slot: str) -> None:
        if slot in kept:
            records.change_resource(cloud, stack_id, slot, records.GONE, "the resource was retained")
        else:
            unmake(cloud, stack_id, slot, halt)

    run_graph(cloud, deletion_graph(found), step, halt, stack["parallelism"])
    return None if halt.failure is None else reason_text("DELETE", *halt.failure)


def deletion_graph(found: list[records.Body]) -> Graph:
    """What must go before what, by slot: whoever needs another goes first."""
    slots: dict[str, set[str]] = {}
    for one in found:
        slots.setdefault(one["name"], set()).add(one["slot"])
    needs = {
        one["slot"]: frozenset(slot for name in one["needs"] for slot in slots.get(name, ())) - {one["slot"]}
        for one in found
    }
    try:
        check_circles(needs)
    except ApiError:  # what several failed updates left has no order; each deletion waits for its dependents anyway
        needs = {slot: frozenset() for slot in needs}
    return reverse(needs)
