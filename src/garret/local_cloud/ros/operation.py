"""One action of one stack at work: its resources side by side, each as soon as what it needs is there."""

import functools
import sys
import threading
import traceback
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

from garret.local_cloud.clock import parse_stamp
from garret.local_cloud.core import ApiError, Cloud, LostReply
from garret.local_cloud.ros import records
from garret.local_cloud.ros.graph import Graph, ready
from garret.local_cloud.ros.resources.base import FailedError, StoppedError
from garret.local_cloud.ros.waking import wake_of

TICK_S = 0.25  # how long a sleeper may miss that the server goes down or that time ran out


class ServerGoesDownError(Exception):
    """The work is left as the store has it; `recover` takes it up."""


class Halt:
    """Tells the workers of one stack to stop, and why; the first reason stays."""

    def __init__(self, cloud: Cloud, deadline: datetime | None = None) -> None:
        self._cloud, self._deadline = cloud, deadline
        self._lock = threading.Lock()
        self._failure: tuple[str, FailedError] | None = None
        self._last: tuple[str, FailedError] | None = None
        self._called_off = False

    @property
    def failure(self) -> tuple[str, FailedError] | None:
        """The resource that failed first and its failure; the empty name stands for the stack itself."""
        with self._lock:
            return self._failure or self._last

    def fail(self, name: str, failure: FailedError) -> None:
        """Stops the others because this one failed."""
        with self._lock:
            self._failure = self._failure or (name, failure)
        wake_of(self._cloud).everybody()

    def cancel(self, quick: bool) -> None:
        """Starts nothing more; `quick` ends also what is at work, otherwise that may come to its end."""
        failure = FailedError("Cancelled", "the operation was cancelled", "StackOperationCancelled")
        if quick:
            self.fail("", failure)
        with self._lock:
            self._last = ("", failure)
        wake_of(self._cloud).everybody()

    @property
    def closed(self) -> bool:
        """Whether nothing more may start."""
        return self.on or self.failure is not None

    def call_off(self) -> None:
        """Stops them because somebody asked for something else (DeleteStack)."""
        with self._lock:
            self._called_off = True
        wake_of(self._cloud).everybody()

    @property
    def called_off(self) -> bool:
        """Whether somebody asked for something else."""
        with self._lock:
            return self._called_off

    @property
    def on(self) -> bool:
        """Whether the workers are to stop."""
        if self._deadline is not None and self._cloud.clock.now() >= self._deadline and self.failure is None:
            self.fail("", FailedError("Timeout", "the stack's TimeoutInMinutes has passed"))
        with self._lock:
            return self._failure is not None or self._called_off

    def pause(self, seconds: float) -> None:
        """Sleeps until something happens, at most `seconds`; raises when the work is to end."""
        self.check()
        wake_of(self._cloud).wait(min(seconds, TICK_S))
        self.check()

    def check(self) -> None:
        """Raises ServerGoesDownError or StoppedError when the work is to end."""
        if self._cloud.background.stopping:
            raise ServerGoesDownError
        if self.on:
            raise StoppedError


def deadline_of(stack: records.Body) -> datetime:
    """When the stack's creation or update has taken too long."""
    return parse_stamp(stack["begun"]) + timedelta(minutes=stack["timeout_minutes"])


def run_graph(cloud: Cloud, graph: Graph, step: Callable[[str], None], halt: Halt, width: int = 0) -> None:
    """Runs `step` for every node of the graph on a thread of its own, in the order that the graph asks for.

    At most `width` run side by side (0: all that can; the resources of one template are the bound). Returns when all
    are done, or when `halt` is on and those under way have ended. Raises ServerGoesDownError.
    """
    lock = threading.Lock()
    started: set[str] = set()
    finished: set[str] = set()
    ended: set[str] = set()

    def work(node: str) -> None:
        try:
            if guarded(node, step, halt):
                with lock:
                    finished.add(node)
        finally:
            with lock:
                ended.add(node)
            wake_of(cloud).everybody()

    wake = wake_of(cloud)
    while True:
        ticket = wake.ticket()
        with lock:
            startable = [] if halt.closed else ready(graph, finished, started)
            if width:
                startable = startable[: max(0, width - len(started) + len(ended))]
            started.update(startable)
            under_way = len(started) - len(ended)
        if cloud.background.stopping:
            raise ServerGoesDownError
        for node in startable:
            if not cloud.background.start(f"resource {node} {uuid.uuid4().hex}", functools.partial(work, node)):
                raise ServerGoesDownError
        if not startable and not under_way:
            return
        wake.wait(TICK_S, ticket)


def guarded(node: str, step: Callable[[str], None], halt: Halt) -> bool:
    """Runs one step; its failure stops the others. True when it went well."""
    try:
        step(node)
    except (StoppedError, ServerGoesDownError):
        return False
    except FailedError as failure:
        halt.fail(node, failure)
        return False
    except Exception as problem:  # noqa: BLE001 - a bug here must end in a failed stack, not in one that hangs
        traceback.print_exc(file=sys.stderr)
        halt.fail(node, FailedError(type(problem).__name__, str(problem)))
        return False
    return True


def failure_of(problem: ApiError | LostReply) -> FailedError:
    """What a refused call means for the resource: the code stands first in the reason, as clients look for it."""
    if isinstance(problem, LostReply):
        return FailedError("ResponseException", f"code: RequestTimeout, message: {problem}", "RequestTimeout")
    reason = f"code: {problem.code}, message: {problem.message}"
    if problem.request_id:
        reason += f", requestId: {problem.request_id}"
    return FailedError("ResponseException", reason, problem.code)


def operation_info(action: str, name: str, resource: records.Body | None, failure: FailedError) -> records.Body:
    """OperationInfo of a failed stack: which resource, which code, what the cloud said."""
    return {
        "Action": action,
        "Code": failure.code or failure.kind,
        "Message": failure.reason,
        "LogicalResourceId": name,
        "ResourceType": resource["type"] if resource else "ALIYUN::ROS::Stack",
    }


def reason_text(action: str, name: str, failure: FailedError) -> str:
    """StatusReason of a failed stack, in the form that Heat gives it: class, resource, what the cloud said."""
    if not name:
        how = "timed out" if failure.kind == "Timeout" else "ended"
        return f"{action.capitalize()} {how}: {failure.reason}"
    return f"Resource {action} failed: {failure.kind}: resources.{name}: {failure.reason}"
