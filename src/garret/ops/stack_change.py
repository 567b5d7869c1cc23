"""Stack change: a change set worked out and carried out once, whatever kills us between; for every verb with one."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from garret.errors import CloudError, OperationError, UsageError
from garret.ops import failure
from garret.ops.cloud import Cloud, Stack, billed_by
from garret.ops.crash import Crash
from garret.ops.deployment import Deployment, flag
from garret.ops.records import ChangeSet
from garret.ops.stack_states import IN_PROGRESS
from garret.ops.tell import Teller
from garret.ops.watch import PARTS, watch_until_settled

UPDATE_S = 1800.0
OPEN = ("AVAILABLE", "UNAVAILABLE")
RUNS = (*OPEN, "EXECUTE_IN_PROGRESS")


@dataclass
class StackChange:
    """Changes of one deployment's stack. What a change turns it into is journaled before, and again when it is so."""

    cloud: Cloud
    deployment: Deployment
    tell: Teller
    crash: Crash = field(default_factory=Crash)
    limit_s: float = UPDATE_S
    again: str = ""

    def make(self, template: str, parameters: Mapping[str, str], entry: Mapping[str, Any]) -> None:
        """Change the stack, asking nobody; a change that would change nothing is only remembered.

        Raises:
            StackFailed: it failed, and the stack is as it was before.
        """
        plan = self.deployment.plan or {}
        shown = {key: value for key, value in parameters.items() if key != "InstancePassword"}
        if (plan.get("template"), plan.get("parameters")) == (template, shown):
            self.deployment.journal.append("updated", **entry)
            return
        self.carry_out(self.propose(template, parameters), entry)

    def propose(self, template: str, parameters: Mapping[str, str]) -> ChangeSet:
        """A change set that the cloud takes and that loses nothing.

        Raises:
            OperationError: the cloud does not take it.
            UsageError: it would make something anew that is not to be lost.
        """
        stack = self.stack()
        proposed = self.cloud.changes.propose(stack.id, template, parameters, token=uuid.uuid4().hex)
        try:
            self._check(proposed)
        except BaseException:
            self.cloud.changes.drop(proposed.id)
            raise
        return proposed

    def carry_out(self, proposed: ChangeSet, entry: Mapping[str, Any]) -> None:
        """Journal what the stack becomes, and see it through."""
        token = uuid.uuid4().hex  # one of its own: the cloud takes one token for one request
        self.deployment.journal.append("updating", change_set_id=proposed.id, execute_token=token, after=dict(entry))
        self.crash.point("update.journaled")
        self._execute(proposed.id, token, entry)

    def finish_begun(self) -> bool:
        """Take up a change that was journaled and not seen to its end; True when it was carried out now."""
        begun = self.deployment.journal.last("updating")
        if begun is None or self._is_over(begun):
            return False
        change_set = self.cloud.changes.get(str(begun["change_set_id"]))
        if change_set is not None and change_set.execution in OPEN:
            self.tell.say("going on with the update that was confirmed before")
            self._execute(change_set.id, str(begun["execute_token"]), begun["after"])
            return True
        stale = change_set is not None and change_set.execution == "OBSOLETE"
        if stale or (change_set is None and not self._is_carried_out(begun["after"])):
            self.deployment.journal.append("not updated", why="its change set is out of date, or gone")
            return False
        self._see_through(str(begun["change_set_id"]), begun["after"])
        return True

    def stack(self) -> Stack:
        """The deployment's stack, settled.

        Raises:
            UsageError: it is gone.
        """
        stack = self.deployment.stack(self.cloud.stacks)
        if stack is None:
            name = self.deployment.name
            raise UsageError(f"the stack of {name} is gone", f"garret deploy{flag(name)}   (makes it anew)")
        if stack.status.endswith(IN_PROGRESS):
            stack = watch_until_settled(self.cloud, stack.id, self.tell, self.limit_s) or stack
        return stack

    def _check(self, proposed: ChangeSet) -> None:
        if proposed.status != "CREATE_COMPLETE":
            raise OperationError(
                f"the cloud does not take this change: {proposed.reason or proposed.status}; nothing was changed",
                f"garret status {self.deployment.name}",
            )
        anew = [one for one in proposed.changes if one.replaced]
        if anew:
            raise UsageError(
                "the cloud would make anew, and with it lose: "
                + ", ".join(PARTS.get(one.resource, one.resource) for one in anew),
                f"a second one beside it: garret deploy {self.deployment.name}-2 …",
            )

    def _is_carried_out(self, after: Mapping[str, Any]) -> bool:
        """Say whether the stack is as this change would make it; by a preview, since nothing else remembers."""
        hidden = {"InstancePassword": self.deployment.instance_password} if after["spec"]["instance_password"] else {}
        found = self.cloud.changes.preview_update(
            self.stack().id, after["template"], after["parameters"] | hidden
        )  # fmt: skip
        return all(one.action in ("", "None") for one in found)

    def _is_over(self, begun: Mapping[str, Any]) -> bool:
        entries = self.deployment.journal.entries()
        later = entries[entries.index(dict(begun)) + 1 :]
        return any(entry["event"] in ("updated", "not updated") for entry in later)

    def _execute(self, change_set_id: str, token: str, entry: Mapping[str, Any]) -> None:
        try:
            self.cloud.changes.execute(change_set_id, token=token)
        except CloudError as error:
            if not error.retryable:  # refused for good; without an answer, the next command asks again
                self.deployment.journal.append("not updated", why=error.message)
                self.cloud.changes.drop(change_set_id)
            raise
        self.crash.point("update.sent")
        self._see_through(change_set_id, entry)

    def _see_through(self, change_set_id: str, entry: Mapping[str, Any]) -> None:
        self.crash.point("update.waiting")
        self.tell.stage("update", "running", self.deployment.stack_name)
        stack, execution = self._settled(change_set_id)
        if stack is not None and stack.status == "UPDATE_COMPLETE" and execution in ("", "EXECUTE_COMPLETE"):
            self.deployment.journal.append("updated", **entry)
            if stack.outputs:
                self.deployment.journal.append("complete", outputs=dict(stack.outputs))
            self.tell.stage("update", "done", self.deployment.stack_name)
            return
        self.deployment.journal.append("not updated", why=stack.reason if stack else "the stack is gone")
        raise self._failed(stack)

    def _settled(self, change_set_id: str) -> tuple[Stack | None, str]:
        """The stack when the change set is carried out, and how that went; empty when the set is gone.

        Right after the call, the stack may still look as it did, and that may be like one that was just updated.
        """
        stack_id = (self.deployment.stack(self.cloud.stacks) or self.stack()).id
        deadline = self.cloud.clock.monotonic() + self.limit_s
        while True:
            stack = watch_until_settled(self.cloud, stack_id, self.tell, self.limit_s)
            change_set = self.cloud.changes.get(change_set_id)
            execution = change_set.execution if change_set else ""
            if stack is None or execution not in RUNS or self.cloud.clock.monotonic() > deadline:
                return stack, execution
            self.cloud.clock.sleep(self.cloud.poll_s)

    def _failed(self, stack: Stack | None) -> OperationError:
        name = self.deployment.name
        if stack is None:
            return OperationError(f"stack garret-{name} was deleted while it was updated", f"garret status {name}")
        billed = billed_by(self.cloud, name)
        error = failure.explain(name, self.cloud.stacks.events(stack.id), stack.reason, billed)
        back = (
            "; everything is as it was before"
            if stack.status == "ROLLBACK_COMPLETE"
            else f"; the stack is {stack.status}"
        )
        error.message += back
        error.args = (error.message,)
        again = self.again or f"garret update {name} again, or with other values"
        error.hint = f"garret status {name}; then {again}"
        return error
