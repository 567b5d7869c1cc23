"""What drives stacks: it does the work that a stack's status asks for, until the status asks for nothing more."""

import sys
import threading
import traceback
import uuid
from collections.abc import Callable
from typing import Any

from garret.local_cloud.core import Cloud, acting_as, caller
from garret.local_cloud.ros import change_set_records, records
from garret.local_cloud.ros.operation import Halt, ServerGoesDownError

Verb = Callable[[Cloud, records.Body], None]

CHANGING = threading.Lock()  # between "the stack still does this" and writing its next status


def go_on(cloud: Cloud, stack_id: str) -> None:
    """Starts or takes up the work that the stack's status asks for, unless it is under way.

    Whoever asked last is whose rights the stack acts with.
    """
    if caller():
        cloud.store.update(records.STACK, stack_id, caller=caller())
    with CHANGING:
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
    from garret.local_cloud.ros.verbs import VERBS  # the verbs themselves start work of other stacks

    while True:
        with CHANGING:
            stack = cloud.store.get(records.STACK, stack_id)
            if stack is None or stack["status"] not in VERBS:
                _at_work(cloud).discard(stack_id)
                return
        try:
            with acting_as(stack.get("caller", "")):
                VERBS[stack["status"]](cloud, stack)
        except ServerGoesDownError:
            return
        except Exception as problem:  # noqa: BLE001 - a bug here must end in a failed stack, not in one that hangs
            traceback.print_exc(file=sys.stderr)
            failed = stack["status"].replace("_IN_PROGRESS", "_FAILED")
            finish(cloud, stack_id, stack["status"], failed, f"{type(problem).__name__}: {problem}")


def finish(cloud: Cloud, stack_id: str, expected: str, status: str, reason: str, **more: Any) -> bool:
    """The next status, unless DeleteStack came in between; True when it was written."""
    with CHANGING:
        stack = cloud.store.get(records.STACK, stack_id)
        if stack is None or stack["status"] != expected:
            return False
        with cloud.store.transaction():
            records.change_stack(cloud, stack_id, status, reason, **more)
            change_set_records.ended(cloud, stack_id, status)
        return True


def _halts(cloud: Cloud) -> dict[str, Halt]:
    found: dict[str, Halt] = cloud.extras.setdefault("ros.halts", {})
    return found


def watched(cloud: Cloud, stack: records.Body, halt: Halt) -> Halt:
    """Lets DeleteStack find the halt; one that came a moment earlier counts too."""
    _halts(cloud)[stack["id"]] = halt
    now = cloud.store.get(records.STACK, stack["id"])
    if now is None or now["status"] != stack["status"]:
        halt.call_off()
    elif now["cancel"]:
        halt.cancel(now["cancel"] == "Quick")
    return halt


def halt_of(cloud: Cloud, stack_id: str) -> Halt | None:
    """The halt of the work that is under way."""
    return _halts(cloud).get(stack_id)


def taken_halt(cloud: Cloud, stack_id: str) -> Halt | None:
    """The halt of the work that is under way, which nobody else finds from now on."""
    return _halts(cloud).pop(stack_id, None)
