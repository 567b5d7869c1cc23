"""One Protocol per role of a cloud: what our verbs may ask of it. Records: `garret.ops.cloud`, `records`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from garret.ops.cloud import Billed, Instance, Stack, StackEvent, StackResource
from garret.ops.records import (
    BillItem,
    ChangeSet,
    CloudExecution,
    CloudTask,
    CommandResult,
    Disk,
    Image,
    MachinePrice,
    Quota,
    ResourceChange,
    Snapshot,
    Switch,
    Who,
)


class Clock(Protocol):
    """Time, so that a test need not wait."""

    def monotonic(self) -> float:
        """Seconds from any fixed point."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class Stacks(Protocol):
    """ROS."""

    def validate(self, template: str) -> None:
        """Let the cloud check a template; CloudError when it refuses."""

    def price_per_hour(self, template: str, parameters: Mapping[str, str]) -> tuple[float, str] | None:
        """What the stack costs an hour, with its currency; None when the cloud does not say."""

    def create(
        self,
        name: str,
        template: str,
        parameters: Mapping[str, str],
        *,
        tags: Mapping[str, str],
        token: str,
        wait_s: int,
        resource_group: str = "",
    ) -> str:
        """Create a stack, or the one this token created before; its id."""

    def find(self, name: str) -> Stack | None:
        """The stack of this name that is not deleted."""

    def get(self, stack_id: str) -> Stack | None:
        """A stack by its id, with its outputs; None when it is gone."""

    def tagged(self) -> list[Stack]:
        """Every stack that belongs to a deployment of ours and is not deleted."""

    def resources(self, stack_id: str) -> list[StackResource]:
        """What is in a stack."""

    def events(self, stack_id: str) -> list[StackEvent]:
        """What happened in a stack, oldest first."""

    def delete(self, stack_id: str) -> None:
        """Ask for a stack and all in it to go."""


class Changes(Protocol):
    """What a creation or an update would do, and doing it: ROS's previews and change sets."""

    def preview(self, name: str, template: str, parameters: Mapping[str, str]) -> list[ResourceChange]:
        """What creating a stack would make; nothing is written."""

    def preview_update(self, stack_id: str, template: str, parameters: Mapping[str, str]) -> list[ResourceChange]:
        """What updating a stack would do; nothing is written."""

    def propose(
        self, stack_id: str, template: str, parameters: Mapping[str, str], *, token: str, replace: bool = False
    ) -> ChangeSet:
        """A change set of a stack, or the one that this token made before; earlier ones of ours are dropped."""

    def get(self, change_set_id: str) -> ChangeSet | None:
        """A change set by its id; None when it is gone."""

    def execute(self, change_set_id: str, *, token: str) -> None:
        """Ask for a change set to be carried out."""

    def drop(self, change_set_id: str) -> None:
        """Forget a change set; one that is gone is no error."""


class Instances(Protocol):
    """The machines of ECS."""

    def tagged(self, deployment: str) -> list[Instance]:
        """The instances of a deployment."""

    def get(self, instance_id: str) -> Instance | None:
        """An instance by its id; None when it is gone."""

    def console(self, instance_id: str) -> str:
        """What the machine wrote to its console; empty when it is gone or wrote nothing."""

    def start(self, instance_id: str) -> None:
        """Ask for a stopped instance to start."""

    def stop(self, instance_id: str, *, economical: bool) -> None:
        """Ask for an instance to stop; `economical` also stops paying for it."""

    def release(self, instance_id: str, at: str) -> None:
        """Have an instance released at a time ("2026-01-31T08:00:00Z", half an hour ahead or more); empty: not."""


class Ingress(Protocol):
    """Doors in a machine's security group, for as long as somebody needs them."""

    def groups(self, instance_id: str) -> list[str]:
        """The security groups of a machine; none when it is gone."""

    def open(self, group_id: str, port: int, cidr: str, note: str, *, token: str) -> None:
        """Let callers of a range in at a TCP port; a rule that says the same already is fine, and stays as it is."""

    def opened(self, group_id: str, note: str) -> dict[str, str]:
        """The rules whose note begins so, by their id: what each lets in, as "203.0.113.7/32 22/22"."""

    def close(self, group_id: str, rule_ids: list[str]) -> None:
        """Take rules away; one that is gone already is no error."""


class Network(Protocol):
    """Addresses, and what else is billed beside the machine."""

    def billed(self, deployment: str) -> list[Billed]:
        """Addresses, disks, gateways and snapshots that carry the deployment's tag and exist."""


class Catalog(Protocol):
    """What the cloud sells, and who asks."""

    def regions(self) -> list[str]:
        """The ids of all regions."""

    def stock(self, family: str) -> dict[str, list[str]]:
        """The family's types that the region sells, each with the zones that have it now, best stocked first."""

    def shelves(self, family: str, *, subscription: bool = False, spot: bool = False) -> dict[str, dict[str, str]]:
        """For each type of the family the zones that sell it so, best stocked first, with the cloud's word for it."""

    def machine_price(
        self,
        instance_type: str,
        disk_category: str,
        disk_gib: int,
        *,
        unit: str = "Hour",
        period: int = 1,
        spot: str = "",
    ) -> MachinePrice:
        """What a machine with its disk costs for a time; `spot` is the strategy, or empty."""

    def switch(self, vswitch_id: str) -> Switch | None:
        """A VSwitch that exists; None when there is none."""

    def newest_image(self, family: str) -> str:
        """The id of the newest image of a family; empty when there is none."""

    def account(self) -> str:
        """The id of the account whose keys these are."""


class Assistant(Protocol):
    """Cloud Assistant: commands and small files, without a login."""

    def reachable(self, instance_id: str) -> bool:
        """Say whether the node's agent answers now."""

    def send_file(self, instance_id: str, path: str, content: bytes, *, mode: str = "0600") -> None:
        """Put a small file (24 KB at most) onto a node, replacing one of that name."""

    def run(self, instance_id: str, command: str, *, timeout_s: int = 60) -> CommandResult:
        """Run a constant command as root and wait for its end."""


class Snapshots(Protocol):
    """Disks, and what is kept of them."""

    def disks(self, deployment: str) -> list[Disk]:
        """The disks of a deployment that exist."""

    def create(self, disk_id: str, deployment: str, *, token: str, backup: bool = False) -> str:
        """Begin a snapshot of a disk, or get the one this token began before; its id."""

    def kept(self, deployment: str) -> list[Snapshot]:
        """The snapshots that were kept of a deployment's disks."""

    def reset(self, disk_id: str, snapshot_id: str) -> None:
        """Ask for a disk of a stopped machine to become again what it was when this snapshot of it was made."""

    def delete(self, snapshot_id: str) -> None:
        """Delete a snapshot; one that is gone already is no error."""


class Images(Protocol):
    """Images of the account's own, and the snapshots that they lie on."""

    def own(self) -> list[Image]:
        """The account's images that garret made, whatever their status, the newest first."""

    def get(self, image_id: str) -> Image | None:
        """An image by its id, whoever made it; None when there is none."""

    def users(self, image_id: str) -> list[Instance]:
        """The machines that were made of an image and exist."""

    def create(self, instance_id: str, name: str, tags: Mapping[str, str], *, token: str) -> str:
        """Begin an image of a machine, or get the one this token began before; its id."""

    def mark(self, snapshot_ids: Sequence[str], tags: Mapping[str, str]) -> None:
        """Put tags on snapshots: those of an image get none with it."""

    def delete(self, image_id: str, *, force: bool = False) -> None:
        """Delete an image, its snapshots not; one that is gone already is no error."""


class Account(Protocol):
    """Who asks, what they may, and what they have."""

    def who(self) -> Who:
        """Whose keys these are."""

    def clock_skew_s(self) -> float:
        """By how many seconds this machine's clock is ahead of the cloud's."""

    def balance(self) -> tuple[float, str]:
        """What the account has to pay with, and its currency."""

    def quotas(self) -> list[Quota]:
        """The quotas that a deployment needs."""

    def lacks(self, action: str) -> str | None:
        """Why an action ("ecs:StartInstance") is denied; empty when it is allowed, None when nothing safe tells."""


class Bills(Protocol):
    """What the account was billed."""

    def items(self, resource_id: str, month: str) -> list[BillItem]:
        """The lines of one resource, which may be gone, in a month ("2026-11")."""


class Automation(Protocol):
    """OOS: what goes on in the cloud while no machine of ours is on."""

    def start(
        self, template: str, parameters: Mapping[str, Any], *, tags: Mapping[str, str], token: str, description: str
    ) -> str:
        """Start an execution of a template's text, or get the one that this token started before; its id."""

    def executions(self, deployment: str) -> list[CloudExecution]:
        """The executions of a deployment, the newest first, those that a timer began left out."""

    def begun_by(self, execution_id: str) -> list[CloudExecution]:
        """Those that a timer began, the newest first."""

    def get(self, execution_id: str) -> CloudExecution | None:
        """One execution; None when there is none of this id."""

    def tasks(self, execution_id: str) -> list[CloudTask]:
        """The tasks of an execution, oldest first."""

    def cancel(self, execution_id: str) -> None:
        """End an execution; one that has ended already is no error."""
