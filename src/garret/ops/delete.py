"""Delete: the stack with all in it, then a look by tag at what is still there; before it, what is to be kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from garret.errors import CloudError, Interrupted, OperationError, UsageError
from garret.ops import automation
from garret.ops.bake_names import is_bake
from garret.ops.cloud import DEPLOYMENT_TAG, Billed, Cloud, Stack, billed_by, left_of
from garret.ops.crash import Crash
from garret.ops.deployment import SECRET_FILES, Deployment
from garret.ops.failure import billed_text, explain_left
from garret.ops.image_delete import drop_unfinished
from garret.ops.keep import is_keeping, keep_disks, kept_facts
from garret.ops.records import Snapshot
from garret.ops.tell import Teller
from garret.ops.watch import watch_until_settled

DELETE_S = 1800.0
SCANS = 5
# How each kind of thing is taken away by hand.
_BY_HAND = {
    "instance": "ecs DeleteInstance --Force true --InstanceId",
    "disk": "ecs DeleteDisk --DiskId",
    "address": "vpc ReleaseEipAddress --AllocationId",
    "NAT gateway": "vpc DeleteNatGateway --Force true --NatGatewayId",
    "snapshot": "ecs DeleteSnapshot --Force true --SnapshotId",
}


@dataclass
class Delete:
    """One run of delete; `confirm` is told what will go and what stays, and returns the person's answer.

    `keep_disk` makes snapshots of the disks first; `drop_kept` also deletes those that were kept earlier.
    """

    cloud: Cloud
    deployment: Deployment
    tell: Teller
    confirm: Callable[[list[str]], bool]
    crash: Crash = field(default_factory=Crash)
    keep_disk: bool = False
    drop_kept: bool = False

    def run(self) -> dict[str, Any]:
        """Delete, and make sure.

        Raises:
            OperationError: something of the deployment is still there and billed; says what, and how to remove it.
        """
        if self.keep_disk and self.drop_kept:
            raise UsageError("--keep-disk and --snapshots contradict each other", "say one of them")
        with self.deployment.journal.locked():
            try:
                return self._run()
            except KeyboardInterrupt:
                raise Interrupted(
                    f"interrupted; what has begun to go of {self.deployment.name} goes on going",
                    f"garret delete {self.deployment.name}   (waits for the end, and makes sure)",
                ) from None

    def _run(self) -> dict[str, Any]:
        stack = self._own_stack()
        kept = self.cloud.snapshots.kept(self.deployment.name)
        if stack is None and not self.deployment.journal.entries() and not (kept and self.drop_kept):
            self._make_sure()
            self.deployment.journal.forget(*SECRET_FILES)  # of a delete that was killed before it came to this
            return self._facts(kept, changed=False)
        keeping = stack is not None and (self.keep_disk or self._goes_on_keeping())
        if not self.confirm(self._what_goes(stack, kept, keeping=keeping)):
            raise UsageError("not confirmed; nothing was deleted")
        # A schedule that stays would go on looking for a machine that nobody has.
        automation.end(self.cloud, self.deployment, self.tell)
        if keeping and stack is not None and stack.status != "DELETE_IN_PROGRESS":
            kept = keep_disks(self.cloud, self.deployment, self.tell, self.crash)
        if stack is not None:
            self._drop_copy()
            self._delete(stack)
        if is_bake(self.deployment.name):
            self._drop_unfinished()
        self._make_sure()
        if self.drop_kept:
            kept = self._drop(kept)
        if self.deployment.journal.entries():
            self.deployment.journal.append("deleted")
            self.crash.point("delete.journaled")
        self.deployment.journal.forget(*SECRET_FILES)
        return self._facts(kept, changed=True)

    def _goes_on_keeping(self) -> bool:
        """Say whether an earlier delete meant to keep the disks, and they are still there to be kept."""
        return is_keeping(self.deployment) and bool(self.cloud.snapshots.disks(self.deployment.name))

    def _facts(self, kept: list[Snapshot], *, changed: bool) -> dict[str, Any]:
        return {
            "name": self.deployment.name,
            "state": "absent",
            "changed": changed,
            "region": self.cloud.region,
            "snapshots": kept_facts(kept),
        }

    def _own_stack(self) -> Stack | None:
        stack = self.cloud.stacks.find(self.deployment.stack_name)
        if stack is not None and stack.tags.get(DEPLOYMENT_TAG) != self.deployment.name:
            raise UsageError(f"stack {stack.name} was not made by garret; it is left alone", "garret list")
        return stack

    def _what_goes(self, stack: Stack | None, kept: list[Snapshot], *, keeping: bool) -> list[str]:
        lines = ["no stack; only the notes on this machine"] if stack is None else self._parts(stack)
        if keeping:
            disks = self.cloud.snapshots.disks(self.deployment.name)
            lines += [f"kept: a snapshot of disk {one.id}, up to {one.size_gib} GiB, billed by size" for one in disks]
        if self.drop_kept:
            lines += [f"{'snapshot':<24} {one.id}   of {one.size_gib} GiB" for one in kept]
        return lines

    def _parts(self, stack: Stack) -> list[str]:
        parts = [part for part in self.cloud.stacks.resources(stack.id) if part.id and part.status != "DELETE_COMPLETE"]
        return [
            f"{part.kind.removeprefix('ALIYUN::'):<24} {part.id}" for part in parts if "WaitCondition" not in part.kind
        ]

    def _delete(self, stack: Stack) -> None:
        if stack.status != "DELETE_IN_PROGRESS":
            billed = [{"kind": one.kind, "id": one.id} for one in left_of(self.cloud, self.deployment.name)]
            self.deployment.journal.append("deleting", stack_id=stack.id, billed=billed)
            self.crash.point("delete.asked")
            self._ask(stack)
            self.crash.point("delete.sent")
        self.tell.stage("stack", "running", f"deleting {stack.name}")
        left = watch_until_settled(self.cloud, stack.id, self.tell, DELETE_S)
        if left is not None:
            events = self.cloud.stacks.events(stack.id)
            raise explain_left(
                self.deployment.name, events, left.reason or left.status, billed_by(self.cloud, self.deployment.name)
            )
        self.tell.stage("stack", "done", "deleted")
        self.crash.point("delete.done")

    def _ask(self, stack: Stack) -> None:
        """Ask for the stack to go; one that is busy with something else is asked again when it has ended that."""
        try:
            self.cloud.stacks.delete(stack.id)
        except CloudError as error:
            if "deletion protection" in error.message.lower() or "DeletionProtection" in error.code:
                raise self._protected(stack, error) from error
            if error.code != "ActionInProgress":
                raise
            watch_until_settled(self.cloud, stack.id, self.tell, DELETE_S)
            self.cloud.stacks.delete(stack.id)

    def _protected(self, stack: Stack, error: CloudError) -> OperationError:
        region = self.cloud.region
        return OperationError(
            f"stack {stack.name} is protected from deletion, and somebody meant that: {error.message}",
            "take the protection away in the ROS console, or with: aliyun ros SetDeletionProtection "
            f"--RegionId {region} --StackId {stack.id} --DeletionProtection Disabled; then garret delete "
            f"{self.deployment.name}",
            billed=billed_text(billed_by(self.cloud, self.deployment.name)),
        )

    def _drop_copy(self) -> None:
        """Of a move that was cut off, the image of the disk is left; nothing else would take it away."""
        if self.deployment.is_moving:
            from garret.ops.move import Move

            Move(self.cloud, self.deployment, self.tell, self.crash).drop_copy()

    def _drop_unfinished(self) -> None:
        """Of a bake that was given up, half an image may be left; one that was finished stays."""
        journal = self.deployment.journal
        asked = journal.last("imaging") if journal.last("baked") is None else None
        drop_unfinished(self.cloud, self.deployment.name, self.tell, str(asked["name"]) if asked else "")

    def _drop(self, kept: list[Snapshot]) -> list[Snapshot]:
        for one in kept:
            self.cloud.snapshots.delete(one.id)
            self.tell.stage("snapshot", "done", f"{one.id} deleted")
        return []

    def _make_sure(self) -> None:
        """Look by tag for what is still there; a few looks, for the cloud's lists lag a little."""
        left: list[Billed] = []
        for _ in range(SCANS):
            left = list(left_of(self.cloud, self.deployment.name))
            if not left:
                return
            self.cloud.clock.sleep(self.cloud.poll_s)
        raise OperationError(
            f"{self.deployment.name} is not wholly gone from {self.cloud.region}; what is left carries the tag "
            f"{DEPLOYMENT_TAG}={self.deployment.name}",
            "delete it in the cloud's console, or with: " + "; ".join(by_hand(one, self.cloud.region) for one in left),
            billed=billed_text(left),
        )


def by_hand(thing: Billed, region: str) -> str:
    """The command of the vendor's own command line that takes a thing away."""
    call = _BY_HAND.get(thing.kind)
    product = call.split()[0] if call else ""
    return f"aliyun {product} {call.removeprefix(product).strip()} {thing.id} --RegionId {region}" if call else thing.id
