"""Look on while a stack comes up or goes, tell its stages, and do our part: bring the runtime when the node runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from garret.errors import CloudError, NodeFailed, NotReady
from garret.image_bootstrap.bundle import Bundle
from garret.image_bootstrap.first_stage import NOT_FETCHED
from garret.ops.cloud import Cloud, Stack, StackEvent
from garret.ops.deliver import BySftp, InPieces, Way, deliver_by, is_too_early
from garret.ops.deployment import flag
from garret.ops.node_journal import NodeJournal, Sight
from garret.ops.stack_states import IN_PROGRESS
from garret.ops.tell import Teller

if TYPE_CHECKING:
    from garret.ops.channels.ssh import SshAddress

STACK_KIND = "ALIYUN::ROS::Stack"
IN_IMAGE_S = 10.0
"""A node whose image holds the runtime finds it at once; after so long it is sent."""
JOURNAL_EVERY_S = 0.6
"""A look at the node's journal is a command on it: dearer than a look at the stack."""
STILL_WAITING_S = 30.0
"""After so long it is looked whether the runtime, though sent, has not arrived whole."""
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
    ssh: SshAddress | None = None
    in_image: bool = False
    _waiting_since: float | None = None
    sight: Sight = field(default_factory=Sight)
    """The node's bootstrap as it was last seen."""
    console: str | None = None
    """What the machine's console said when the stack failed; None before that."""
    _next_look: float = 0.0
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
                    self._keep(node, stack)
                return stack
            if stack.status.startswith("CREATE"):
                self._help_along(node)
            self._keep(node, stack)
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
            self._look_whether_it_arrived(node)

    def _look_whether_it_arrived(self, node: NodeJournal) -> None:
        """Send what is missing once more where the node still waits for it: a piece may have been cut off."""
        now = self.cloud.clock.monotonic()
        self._next_look = self._next_look or now + STILL_WAITING_S
        if now < self._next_look:
            return
        entries = node.read(self._instance_id)
        waits = bool(entries) and (entries[-1]["step"], entries[-1].get("state")) == ("ensure_bundle", "running")
        self._next_look = now + STILL_WAITING_S if waits or not entries else float("inf")
        if waits:
            self.tell.stage("runtime sent", "running", "the node still waits for it: looking what is missing")
            self._send(again=True)

    def _keep(self, node: NodeJournal, stack: Stack) -> None:
        """Remember what was seen of the node, and what its console says when the stack fails: both go with it."""
        self.sight = node.sight
        failed = not stack.status.startswith("CREATE_IN") and stack.status != "CREATE_COMPLETE"
        if failed and self._instance_id and self.console is None:
            try:
                self.console = self.cloud.instances.console(self._instance_id)
            except CloudError:
                self.console = ""

    def _deliver(self, node: NodeJournal) -> None:
        entries = [one for one in node.read(self._instance_id) if one["step"] == "ensure_bundle"]
        if any(entry["state"] == "done" for entry in entries):
            self.delivered = True  # by its own image, from its address, or by an earlier run that died
            return
        if self.bundle.url and not self._is_asked_for(entries):
            return  # the node fetches it
        if self.in_image and not self._waits_for_it(entries):
            node.look(self._instance_id)
            return
        self._send()

    def _send(self, again: bool = False) -> None:
        """Bring the runtime, or say why that is not yet possible."""
        started = self.cloud.clock.monotonic()
        size = self.bundle.size
        ways: list[Way] = [InPieces(self.cloud.assistant, self._instance_id, again)]
        ways += [BySftp(self.ssh)] if self.ssh else []
        try:
            way = deliver_by(ways, self.bundle, lambda done: self.tell.progress("sending the runtime", done, size))
        except (CloudError, NodeFailed) as error:
            if not is_too_early(error):
                raise
            if error.message != self._last_refusal:
                self.tell.stage("runtime sent", "running", f"not yet: {error.message}")
                self._last_refusal = error.message
            return  # tried again a poll later, bounded by the deadline
        self.delivered = True
        told = f"{size / 1000:.0f} KB by {way}"
        self.tell.stage("runtime sent", "done", told, self.cloud.clock.monotonic() - started)
        self.on_delivered()

    def _is_asked_for(self, entries: list[dict[str, Any]]) -> bool:
        """Whether the node has said that it cannot fetch the runtime from its address; told once."""
        missed = [str(entry["reason"]) for entry in entries if str(entry.get("reason")).startswith(NOT_FETCHED)]
        if missed and missed[-1] != self._last_refusal:
            self.tell.stage("runtime sent", "running", missed[-1])
            self._last_refusal = missed[-1]
        return bool(missed)

    def _waits_for_it(self, entries: Sequence[Mapping[str, Any]]) -> bool:
        """Say whether the node has waited for the runtime for a while: its image was said to hold it, and does not."""
        last = entries[-1] if entries else {}
        if (last.get("step"), last.get("state")) != ("ensure_bundle", "running"):
            self._waiting_since = None
            return False
        now = self.cloud.clock.monotonic()
        if self._waiting_since is None:
            self._waiting_since = now
        return now - self._waiting_since >= IN_IMAGE_S


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
