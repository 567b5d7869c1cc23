"""Look on while a stack comes up or goes, tell its stages, and do our part: bring the runtime when the node runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from garret.errors import CloudError, NodeFailed, NotReady
from garret.image_bootstrap.bundle import Bundle
from garret.ops.cloud import Cloud, Stack, StackEvent
from garret.ops.deliver import deliver, is_too_early
from garret.ops.deployment import flag
from garret.ops.node_journal import NodeJournal
from garret.ops.stack_states import IN_PROGRESS
from garret.ops.tell import Teller

STACK_KIND = "ALIYUN::ROS::Stack"
JOURNAL_EVERY_S = 0.6
"""A look at the node's journal is a command on it: dearer than a look at the stack."""
# What a person calls the parts of the template.
PARTS = {
    "Network": "VPC",
    "Subnet": "VSwitch",
    "Firewall": "security group",
    "Node": "machine",
    "Address": "EIP",
    "AddressOnNode": "EIP on the machine",
    "ReadyHandle": "signal",
    "Ready": "node's signal",
}


@dataclass
class Creation:
    """One stack that is being created, and how far we are with it."""

    cloud: Cloud
    name: str
    stack_id: str
    bundle: Bundle
    tell: Teller
    on_delivered: Callable[[], None] = lambda: None
    delivered: bool = False
    _told: set[str] = field(default_factory=set)
    _instance_id: str = ""
    _last_refusal: str = ""

    def watch(self, deadline_s: float) -> Stack | None:
        """Return the stack when nothing is in progress any more; None when it is gone.

        Raises:
            NotReady: that took longer than `deadline_s`.
        """
        clock = self.cloud.clock
        node = NodeJournal(self.cloud.assistant, clock, self.tell, max(JOURNAL_EVERY_S, self.cloud.poll_s))
        started = clock.monotonic()
        while (waited := clock.monotonic() - started) < deadline_s:
            stack = self.cloud.stacks.get(self.stack_id)
            tell_events(self.cloud.stacks.events(self.stack_id) if stack else [], self._told, self.tell)
            if stack is None or not stack.status.endswith(IN_PROGRESS):
                if self._instance_id and stack is not None:
                    node.look(self._instance_id, now=True)
                return stack
            if stack.status.startswith("CREATE"):
                self._help_along(node)
            clock.sleep(self.cloud.pause(waited))
        raise NotReady(
            f"the stack of {self.name} is still being created after {deadline_s:.0f} s",
            f"garret deploy{flag(self.name)}   (goes on waiting)",
        )

    def _help_along(self, node: NodeJournal) -> None:
        """Bring the runtime once there is a running machine, then read what the machine writes."""
        if not self._instance_id:
            running = [one for one in self.cloud.instances.tagged(self.name) if one.status == "Running"]
            self._instance_id = running[0].id if running else ""
        if not self._instance_id:
            return
        if not self.delivered:
            self._deliver(node)
        if self.delivered:
            node.look(self._instance_id)

    def _deliver(self, node: NodeJournal) -> None:
        entries = node.read(self._instance_id)
        if any(entry["step"] == "ensure_bundle" and entry["state"] == "done" for entry in entries):
            self.delivered = True  # by an earlier run that died
            return
        started = self.cloud.clock.monotonic()
        size = self.bundle.size
        try:
            deliver(
                self.cloud.assistant,
                self._instance_id,
                self.bundle,
                lambda done: self.tell.progress("sending the runtime", done, size),
            )
        except (CloudError, NodeFailed) as error:
            if not is_too_early(error):
                raise
            if error.message != self._last_refusal:
                self.tell.stage("runtime sent", "running", f"not yet: {error.message}")
                self._last_refusal = error.message
            return  # tried again a poll later, bounded by the deadline
        self.delivered = True
        self.tell.stage("runtime sent", "done", f"{size / 1000:.0f} KB", self.cloud.clock.monotonic() - started)
        self.on_delivered()


def tell_events(events: list[StackEvent], told: set[str], tell: Teller) -> None:
    """Tell what is new in a stack: each part when it is there, or gone, or failed."""
    for event in events:
        if event.id in told:
            continue
        told.add(event.id)
        if event.kind == STACK_KIND or event.resource not in PARTS or event.status.endswith(IN_PROGRESS):
            continue
        failed = event.status.endswith("_FAILED")
        gone = event.status.startswith("DELETE") and not failed
        reason = event.reason.splitlines()[0] if failed and event.reason else ""
        tell.stage(PARTS[event.resource], "failed" if failed else "done", "deleted" if gone else reason)


def watch_until_settled(cloud: Cloud, stack_id: str, tell: Teller, deadline_s: float) -> Stack | None:
    """Wait until nothing is in progress in a stack; the stack, or None when it is gone.

    Raises:
        NotReady: that took longer than `deadline_s`.
    """
    # What happened before is not news.
    told = {event.id for event in cloud.stacks.events(stack_id)} if cloud.stacks.get(stack_id) else set()
    started = cloud.clock.monotonic()
    while (waited := cloud.clock.monotonic() - started) < deadline_s:
        stack = cloud.stacks.get(stack_id)
        if stack is None:
            return None
        tell_events(cloud.stacks.events(stack_id), told, tell)
        if not stack.status.endswith(IN_PROGRESS):
            return stack
        cloud.clock.sleep(cloud.pause(waited))
    raise NotReady(f"stack {stack_id} has not settled after {deadline_s:.0f} s", "garret status")
