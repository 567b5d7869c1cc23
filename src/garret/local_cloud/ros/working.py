"""Making and deleting one resource of a stack, written down before and after, so that a crash loses nothing."""

import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

from garret.local_cloud.clock import parse_stamp, stamp
from garret.local_cloud.core import ApiError, Cloud, LostReply
from garret.local_cloud.ros import records
from garret.local_cloud.ros.facts import facts_of
from garret.local_cloud.ros.operation import Halt, ServerGoesDownError, failure_of
from garret.local_cloud.ros.property_rules import check_properties
from garret.local_cloud.ros.resources import type_of
from garret.local_cloud.ros.resources.base import FailedError, StoppedError, Work

# Codes that meet a request whenever it comes.
NEVER_MADE = (
    "Invalid",
    "Missing",
    "Quota",
    "Incorrect",
    "OperationDenied",
    "Unsupported",
    "Stack",
    "EntityAlreadyExists",
)
TRIES = 4  # a lost answer or a throttled call is tried again with the same ClientToken


def work_of(cloud: Cloud, stack: records.Body, resource: records.Body, pause: Callable[[float], None]) -> Work:
    """The record of one resource as its type sees it."""
    stack_id, slot = stack["id"], resource["slot"]
    started = resource["started"]
    return Work(
        cloud=cloud,
        region=stack["region"],
        stack_id=stack_id,
        stack_name=stack["name"],
        name=resource["name"],
        properties=resource["properties"],
        physical_id=resource["physical_id"],
        token=resource["token"],
        started=parse_stamp(started) if started else cloud.clock.now(),
        tags=tuple((tag["Key"], tag["Value"]) for tag in tags_of(stack)),
        made=lambda physical_id: records.note_resource(cloud, stack_id, slot, physical_id=physical_id),
        pause=pause,
    )


def tags_of(stack: records.Body) -> list[dict[str, str]]:
    """The tags that the stack gives to what it makes: those it gets, while an update is under way."""
    wanted: records.Body = stack["update"] if stack["status"] == "UPDATE_IN_PROGRESS" else stack
    tags: list[dict[str, str]] = wanted["tags"]
    return tags


class MaybeError(Exception):
    """A call was refused after an earlier one had no answer: what it was to make may be there."""

    def __init__(self, problem: ApiError) -> None:
        super().__init__(str(problem))
        self.problem = problem


def patiently(cloud: Cloud, verb: Callable[[], Any], *, making: bool = False) -> Any:
    """Runs a verb of a type again when an answer was lost or the cloud was busy; everything in it is idempotent.

    With `making` a refusal after a lost answer comes as MaybeError.
    """
    lost = False
    for attempt in range(TRIES):
        try:
            return verb()
        except LostReply:
            lost = True
            if attempt + 1 == TRIES:
                raise
        except ApiError as problem:
            if not problem.code.startswith(("Throttling", "ServiceUnavailable")) or attempt + 1 == TRIES:
                if lost and making:
                    raise MaybeError(problem) from None
                raise
        if cloud.background.wait(0.05 * 2**attempt):
            raise ServerGoesDownError
    raise AssertionError("the last try returns or raises")


def make(cloud: Cloud, stack_id: str, name: str, properties: Callable[[], dict[str, Any]], halt: Halt) -> None:
    """Makes one resource, or goes on making it after a crash; raises FailedError once it is marked as failed."""
    stack, resource = pair(cloud, stack_id, name)
    if resource["status"] == "CREATE_COMPLETE":
        return
    halt.check()
    kind = type_of(resource["type"], f"Resources.{name}.Type")
    if resource["status"] != "CREATE_IN_PROGRESS":
        now = stamp(cloud.clock.now())
        records.change_resource(cloud, stack_id, name, "CREATE_IN_PROGRESS", "state changed", started=now)
    try:
        evaluated = properties()
        check_properties(facts_of(kind.name, name), name, evaluated)
        records.note_resource(cloud, stack_id, name, properties=evaluated, tags=tags_of(stack), unsure=True)
        stack, resource = pair(cloud, stack_id, name)
        work = work_of(cloud, stack, resource, halt.pause)
        _dawdle(cloud, kind.name, halt)
        physical_id = patiently(cloud, lambda: kind.create(work), making=True)
    except Exception as problem:  # noqa: BLE001 - whatever it is, the resource must say that it failed
        raise failed(cloud, stack_id, name, "CREATE", problem) from None
    records.change_resource(cloud, stack_id, name, "CREATE_COMPLETE", "state changed", physical_id=physical_id)


def _dawdle(cloud: Cloud, kind: str, halt: Halt) -> None:
    """Takes as long as the fault board wants."""
    slow = cloud.faults.named("slow_creation", type=kind)
    if slow is None:
        return
    cloud.faults.use(slow)
    end = time.monotonic() + slow["seconds"]
    while (left := end - time.monotonic()) > 0:
        halt.pause(left)


def pair(cloud: Cloud, stack_id: str, name: str) -> tuple[records.Body, records.Body]:
    """A stack and one of its resources as they are now."""
    stack, resource = cloud.store.get(records.STACK, stack_id), records.resource(cloud, stack_id, name)
    if stack is None or resource is None:
        raise FailedError("NotFound", f"the store lost {name} of the stack {stack_id}")
    return stack, resource


def failed(cloud: Cloud, stack_id: str, slot: str, action: str, problem: Exception) -> Exception:
    """Marks the resource as failed, or as aborted, and returns what the worker is to raise."""
    if isinstance(problem, ServerGoesDownError):
        return problem
    if isinstance(problem, StoppedError):
        records.change_resource(cloud, stack_id, slot, f"{action}_FAILED", f"{action} aborted")
        return problem
    unsure = isinstance(problem, (LostReply, MaybeError))
    problem = problem.problem if isinstance(problem, MaybeError) else problem
    failure = problem if isinstance(problem, FailedError) else FailedError(type(problem).__name__, str(problem))
    if isinstance(problem, (ApiError, LostReply)):
        failure = failure_of(problem)
    elif failure is not problem:
        traceback.print_exception(problem, file=sys.stderr)  # a bug here: the log must have it
    reason = f"{failure.kind}: {failure.reason}"
    more = {"unsure": unsure} if action == "CREATE" else {}
    records.change_resource(cloud, stack_id, slot, f"{action}_FAILED", reason, **more)
    return failure


def settle(cloud: Cloud, stack_id: str, name: str) -> None:
    """Learns the id of a resource that a crash or a lost answer left without one: asks again with its ClientToken.

    A refusal that would have met the first call as well says that there is nothing; any other leaves it open.
    """
    stack, resource = pair(cloud, stack_id, name)
    if resource["physical_id"] or not resource["unsure"]:
        return
    kind = type_of(resource["type"], f"Resources.{name}.Type")

    def stop(_: float) -> None:
        raise StoppedError

    try:
        work = work_of(cloud, stack, resource, stop)
        physical_id = patiently(cloud, lambda: kind.create(work))
        records.note_resource(cloud, stack_id, name, physical_id=physical_id, unsure=False)
    except ApiError as problem:
        if not problem.code.startswith(NEVER_MADE):
            raise
    except (StoppedError, FailedError):
        return  # the id is written down by now, or there is nothing


def unmake(cloud: Cloud, stack_id: str, name: str, halt: Halt) -> None:
    """Deletes one resource; what was never made is just marked. Raises FailedError once it is marked as failed."""
    resource = pair(cloud, stack_id, name)[1]
    if resource["status"] == records.GONE:
        return
    if resource["status"] == "INIT_COMPLETE":
        records.note_resource(cloud, stack_id, name, status=records.GONE, status_reason="it was never made")
        return
    kind = type_of(resource["type"], f"Resources.{name}.Type")
    records.change_resource(cloud, stack_id, name, "DELETE_IN_PROGRESS", "state changed")
    begun = time.monotonic()

    def pause(seconds: float) -> None:
        halt.pause(seconds)
        if time.monotonic() - begun > kind.patience_s:
            raise FailedError("Timeout", f"it was not gone after {kind.patience_s:g} seconds")

    try:
        settle(cloud, stack_id, name)
        stack, resource = pair(cloud, stack_id, name)
        if resource["physical_id"]:
            work = work_of(cloud, stack, resource, pause)
            patiently(cloud, lambda: kind.delete(work))
    except (ServerGoesDownError, StoppedError):
        raise
    except Exception as problem:  # noqa: BLE001 - whatever it is, the resource must say that it failed
        raise failed(cloud, stack_id, name, "DELETE", problem) from None
    records.change_resource(cloud, stack_id, name, records.GONE, "state changed")
