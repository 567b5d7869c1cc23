"""Making and deleting one resource of a stack, written down before and after, so that a crash loses nothing."""

import time
from collections.abc import Callable
from typing import Any

from garret.local_cloud.clock import parse_stamp, stamp
from garret.local_cloud.core import ApiError, Cloud, LostReply
from garret.local_cloud.ros import records
from garret.local_cloud.ros.operation import Halt, ServerGoesDownError, failure_of
from garret.local_cloud.ros.resources import type_of
from garret.local_cloud.ros.resources.base import FailedError, StoppedError, Work, check_properties

TRIES = 4  # a lost answer or a throttled call is tried again with the same ClientToken


def work_of(cloud: Cloud, stack: records.Body, resource: records.Body, pause: Callable[[float], None]) -> Work:
    """The record of one resource as its type sees it."""
    stack_id, name = stack["id"], resource["name"]
    started = resource["started"]
    return Work(
        cloud=cloud,
        region=stack["region"],
        stack_id=stack_id,
        stack_name=stack["name"],
        name=name,
        properties=resource["properties"],
        physical_id=resource["physical_id"],
        token=resource["token"],
        started=parse_stamp(started) if started else cloud.clock.now(),
        tags=tuple((tag["Key"], tag["Value"]) for tag in stack["tags"]),
        made=lambda physical_id: records.note_resource(cloud, stack_id, name, physical_id=physical_id),
        pause=pause,
    )


def patiently(cloud: Cloud, verb: Callable[[], Any]) -> Any:
    """Runs a verb of a type again when an answer was lost or the cloud was busy; everything in it is idempotent."""
    for attempt in range(TRIES):
        try:
            return verb()
        except LostReply:
            if attempt + 1 == TRIES:
                raise
        except ApiError as problem:
            if not problem.code.startswith(("Throttling", "ServiceUnavailable")) or attempt + 1 == TRIES:
                raise
        if cloud.background.wait(0.05 * 2**attempt):
            raise ServerGoesDownError
    raise AssertionError("the last try returns or raises")


def make(cloud: Cloud, stack_id: str, name: str, properties: Callable[[], dict[str, Any]], halt: Halt) -> None:
    """Makes one resource, or goes on making it after a crash; raises FailedError once it is marked as failed."""
    stack, resource = _pair(cloud, stack_id, name)
    if resource["status"] == "CREATE_COMPLETE":
        return
    halt.check()
    kind = type_of(resource["type"], f"Resources.{name}.Type")
    if resource["status"] != "CREATE_IN_PROGRESS":
        now = stamp(cloud.clock.now())
        records.change_resource(cloud, stack_id, name, "CREATE_IN_PROGRESS", "state changed", started=now)
    try:
        evaluated = properties()
        check_properties(kind, name, evaluated)
        records.note_resource(cloud, stack_id, name, properties=evaluated)
        stack, resource = _pair(cloud, stack_id, name)
        work = work_of(cloud, stack, resource, halt.pause)
        physical_id = patiently(cloud, lambda: kind.create(work))
    except ServerGoesDownError:
        raise
    except StoppedError:
        records.change_resource(cloud, stack_id, name, "CREATE_FAILED", "CREATE aborted")
        raise
    except (ApiError, LostReply) as problem:
        raise _failed(cloud, stack_id, name, failure_of(problem)) from None
    except FailedError as failure:
        raise _failed(cloud, stack_id, name, failure) from None
    except Exception as problem:
        _failed(cloud, stack_id, name, FailedError(type(problem).__name__, str(problem)))
        raise
    records.change_resource(cloud, stack_id, name, "CREATE_COMPLETE", "state changed", physical_id=physical_id)


def _pair(cloud: Cloud, stack_id: str, name: str) -> tuple[records.Body, records.Body]:
    stack, resource = cloud.store.get(records.STACK, stack_id), records.resource(cloud, stack_id, name)
    if stack is None or resource is None:
        raise FailedError("NotFound", f"the store lost {name} of the stack {stack_id}")
    return stack, resource


def _failed(cloud: Cloud, stack_id: str, name: str, failure: FailedError) -> FailedError:
    records.change_resource(cloud, stack_id, name, "CREATE_FAILED", f"{failure.kind}: {failure.reason}")
    return failure


def settle(cloud: Cloud, stack_id: str, name: str) -> None:
    """Learns the physical id of a resource that a crash left without one: asks again with the same ClientToken."""
    stack, resource = _pair(cloud, stack_id, name)
    kind = type_of(resource["type"], f"Resources.{name}.Type")

    def stop(_: float) -> None:
        raise StoppedError

    try:
        work = work_of(cloud, stack, resource, stop)
        records.note_resource(cloud, stack_id, name, physical_id=kind.create(work))
    except (StoppedError, FailedError, ApiError, LostReply):
        return  # the id is written down by now, or there is nothing


def unmake(cloud: Cloud, stack_id: str, name: str, halt: Halt) -> None:
    """Deletes one resource; what was never made is just marked. Raises FailedError once it is marked as failed."""
    resource = _pair(cloud, stack_id, name)[1]
    if resource["status"] == records.GONE:
        return
    if resource["status"] == "INIT_COMPLETE":
        records.note_resource(cloud, stack_id, name, status=records.GONE, status_reason="it was never made")
        return
    kind = type_of(resource["type"], f"Resources.{name}.Type")
    if resource["status"] == "CREATE_IN_PROGRESS" and not resource["physical_id"]:
        settle(cloud, stack_id, name)
    records.change_resource(cloud, stack_id, name, "DELETE_IN_PROGRESS", "state changed")
    stack, resource = _pair(cloud, stack_id, name)
    begun = time.monotonic()

    def pause(seconds: float) -> None:
        halt.pause(seconds)
        if time.monotonic() - begun > 120:
            raise FailedError("Timeout", "it was not gone after 120 seconds")

    try:
        if resource["physical_id"]:
            work = work_of(cloud, stack, resource, pause)
            patiently(cloud, lambda: kind.delete(work))
    except (ServerGoesDownError, StoppedError):
        raise
    except Exception as problem:
        failure = problem if isinstance(problem, FailedError) else None
        if isinstance(problem, (ApiError, LostReply)):
            failure = failure_of(problem)
        failure = failure or FailedError(type(problem).__name__, str(problem))
        records.change_resource(cloud, stack_id, name, "DELETE_FAILED", f"{failure.kind}: {failure.reason}")
        raise failure from problem
    records.change_resource(cloud, stack_id, name, records.GONE, "state changed")
