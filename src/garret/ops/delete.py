"""Delete: the stack with all in it, then a look by tag at what is still billed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from garret.errors import CloudError, Interrupted, OperationError, UsageError
from garret.ops.cloud import DEPLOYMENT_TAG, Billed, Cloud, Stack, billed_by
from garret.ops.crash import Crash
from garret.ops.deployment import BUNDLE_FILE, LOGIN_FILE, Deployment
from garret.ops.failure import billed_text
from garret.ops.tell import Teller
from garret.ops.watch import watch_until_settled

DELETE_S = 1800.0
SCANS = 5


@dataclass
class Delete:
    """One run of delete; `confirm` is told what will go, and returns the person's answer."""

    cloud: Cloud
    deployment: Deployment
    tell: Teller
    confirm: Callable[[list[str]], bool]
    crash: Crash = field(default_factory=Crash)

    def run(self) -> dict[str, Any]:
        """Delete, and make sure.

        Raises:
            OperationError: something of the deployment is still billed; says what.
        """
        with self.deployment.journal.locked():
            try:
                return self._run()
            except KeyboardInterrupt:
                raise Interrupted(
                    f"interrupted; what has begun to go of {self.deployment.name} goes on going",
                    f"garret delete {self.deployment.name}   (waits for the end, and makes sure)",
                ) from None

    def _run(self) -> dict[str, Any]:
        name = self.deployment.name
        stack = self.cloud.stacks.find(self.deployment.stack_name)
        if stack is not None and stack.tags.get(DEPLOYMENT_TAG) != name:
            raise UsageError(f"stack {stack.name} was not made by garret; it is left alone", "garret list")
        if stack is None and not self.deployment.journal.entries():
            self._make_sure()
            return {"name": name, "state": "absent", "changed": False, "region": self.cloud.region}
        if not self.confirm(self._what_goes(stack)):
            raise UsageError("not confirmed; nothing was deleted")
        if stack is not None:
            self._delete(stack)
        self._make_sure()
        self.deployment.journal.append("deleted")
        self.deployment.journal.forget(LOGIN_FILE, BUNDLE_FILE)
        return {"name": name, "state": "absent", "changed": True, "region": self.cloud.region}

    def _what_goes(self, stack: Stack | None) -> list[str]:
        if stack is None:
            return ["no stack; only the notes on this machine"]
        parts = [part for part in self.cloud.stacks.resources(stack.id) if part.id and part.status != "DELETE_COMPLETE"]
        return [
            f"{part.kind.removeprefix('ALIYUN::'):<24} {part.id}" for part in parts if "WaitCondition" not in part.kind
        ]

    def _delete(self, stack: Stack) -> None:
        if stack.status != "DELETE_IN_PROGRESS":
            self.deployment.journal.append("deleting", stack_id=stack.id)
            self._ask(stack)
            self.crash.point("delete.sent")
        self.tell.stage("stack", "running", f"deleting {stack.name}")
        left = watch_until_settled(self.cloud, stack.id, self.tell, DELETE_S)
        if left is not None:
            raise OperationError(
                f"stack {left.name} is {left.status}: {left.reason}",
                f"garret delete {self.deployment.name}   (tries again), or look at it in the ROS console",
                billed=billed_text(billed_by(self.cloud, self.deployment.name)),
            )
        self.tell.stage("stack", "done", "deleted")

    def _ask(self, stack: Stack) -> None:
        """Ask for the stack to go; one that is busy with something else is asked again when it has ended that."""
        try:
            self.cloud.stacks.delete(stack.id)
        except CloudError as error:
            if error.code != "ActionInProgress":
                raise
            watch_until_settled(self.cloud, stack.id, self.tell, DELETE_S)
            self.cloud.stacks.delete(stack.id)

    def _make_sure(self) -> None:
        """Look by tag for what is still billed; a few looks, for the cloud's lists lag a little."""
        left: list[Billed] = []
        for _ in range(SCANS):
            left = list(billed_by(self.cloud, self.deployment.name))
            if not left:
                return
            self.cloud.clock.sleep(self.cloud.poll_s)
        raise OperationError(
            f"{self.deployment.name} is not wholly gone from {self.cloud.region}",
            "delete these in the cloud's console; their tag is " + f"{DEPLOYMENT_TAG}={self.deployment.name}",
            billed=billed_text(left),
        )
