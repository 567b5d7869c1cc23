"""The cloud as our verbs see it: one Protocol per role, and small frozen records that hold no vendor type."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from garret.ops.at_once import at_once

DEPLOYMENT_TAG = "garret:deployment"
SNAPSHOT_TAG = "garret:snapshot-of"
"""On what was kept on purpose: it outlives the deployment, and is no leftover of it."""


@dataclass(frozen=True)
class Stack:
    """A ROS stack as the cloud describes it now."""

    id: str
    name: str
    status: str
    reason: str = ""
    outputs: Mapping[str, object] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    created_at: str = ""


@dataclass(frozen=True)
class StackResource:
    """One resource of a stack; `id` is the cloud's, empty while there is none."""

    name: str
    kind: str
    id: str
    status: str
    reason: str = ""


@dataclass(frozen=True)
class StackEvent:
    """One change of a stack or of a resource in it."""

    id: str
    resource: str
    kind: str
    status: str
    reason: str
    at: str


@dataclass(frozen=True)
class Instance:
    """An ECS instance; `stopped_mode` is the cloud's word for what a stop stopped."""

    id: str
    status: str
    instance_type: str
    zone: str
    public_ip: str = ""
    stopped_mode: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Billed:
    """A thing that costs money while it exists."""

    kind: str
    id: str
    note: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.id}" + (f" ({self.note})" if self.note else "")


@dataclass(frozen=True)
class Disk:
    """A disk; `kind` is system or data."""

    id: str
    size_gib: int
    category: str
    kind: str = "system"


@dataclass(frozen=True)
class Snapshot:
    """A copy of a disk as it was; whole once `status` is accomplished."""

    id: str
    disk_id: str
    size_gib: int
    status: str
    progress: str = ""


@dataclass(frozen=True)
class BillItem:
    """One line of the cloud's bill: what a resource cost in a month, and for how much use, in the cloud's unit."""

    resource_id: str
    kind: str
    item: str
    amount: float
    currency: str
    month: str
    usage: float = 0.0
    unit: str = ""


@dataclass(frozen=True)
class Who:
    """Whose keys these are: the account's id, and the user's or role's name in it."""

    account: str
    name: str


@dataclass(frozen=True)
class Quota:
    """How much of something the account may have in the region, and has; `used` is None where that is not told."""

    code: str
    name: str
    total: float
    used: float | None
    unit: str = ""


@dataclass(frozen=True)
class Price:
    """Money per hour; `made_up` where no one will ever be asked to pay it."""

    amount: float
    currency: str
    made_up: bool

    def to_dict(self) -> dict[str, object]:
        """The `--json` form."""
        return {"amount": self.amount, "currency": self.currency, "made_up": self.made_up}


@dataclass(frozen=True)
class Switch:
    """A VSwitch: its network, zone, and how many addresses are free in it."""

    id: str
    vpc_id: str
    zone: str
    free: int


@dataclass(frozen=True)
class MachinePrice:
    """What a machine of some kind costs: alone, and with its disk; `unit` is Hour, Month or Year, for one of it."""

    machine: float
    disk: float
    currency: str
    unit: str = "Hour"


@dataclass(frozen=True)
class ResourceChange:
    """What a change of a stack does to one resource: Add, Modify or Remove; `replaced`: a new one in its place."""

    resource: str
    kind: str
    action: str
    replaced: bool = False
    properties: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChangeSet:
    """A change of a stack that the cloud has worked out and not carried out; `status` and `execution` are its words."""

    id: str
    status: str
    execution: str
    changes: tuple[ResourceChange, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class CommandResult:
    """How a command on a node ended; `exit_code` is None when it never ran to its end."""

    status: str
    exit_code: int | None
    output: str
    error: str = ""


class Clock(Protocol):
    """Time, so that a test need not wait."""

    def monotonic(self) -> float:
        """Seconds from any fixed point."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The machine's own clock."""

    def monotonic(self) -> float:
        """Seconds from any fixed point."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


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

    def start(self, instance_id: str) -> None:
        """Ask for a stopped instance to start."""

    def stop(self, instance_id: str, *, economical: bool) -> None:
        """Ask for an instance to stop; `economical` also stops paying for it."""


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

    def create(self, disk_id: str, deployment: str, *, token: str) -> str:
        """Begin a snapshot of a disk, or get the one this token began before; its id."""

    def kept(self, deployment: str) -> list[Snapshot]:
        """The snapshots that were kept of a deployment's disks."""

    def delete(self, snapshot_id: str) -> None:
        """Delete a snapshot; one that is gone already is no error."""


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


@dataclass(frozen=True)
class Cloud:
    """One cloud and region, by role. `poll_s` is how long to wait between two looks."""

    kind: str
    region: str
    stacks: Stacks
    instances: Instances
    network: Network
    catalog: Catalog
    assistant: Assistant
    clock: Clock = field(default_factory=SystemClock)
    poll_s: float = 5.0
    snapshots: Snapshots = field(kw_only=True)
    account: Account = field(kw_only=True)
    bills: Bills = field(kw_only=True)
    changes: Changes = field(kw_only=True)

    @property
    def made_up(self) -> bool:
        """Say whether prices here are invented."""
        return self.kind == "local"

    def price(self, amount: tuple[float, str] | None) -> Price | None:
        """A price with the mark of this cloud."""
        return Price(round(amount[0], 4), amount[1], self.made_up) if amount else None


def billed_by(cloud: Cloud, deployment: str) -> Sequence[Billed]:
    """Everything of a deployment that is billed now, as the cloud itself says."""
    instances, others = at_once(lambda: cloud.instances.tagged(deployment), lambda: cloud.network.billed(deployment))
    machines = [
        Billed("instance", instance.id, f"{instance.instance_type}, {instance.status}")
        for instance in instances
        if instance.stopped_mode != "StopCharging"
    ]
    return [*machines, *others]


def left_of(cloud: Cloud, deployment: str) -> Sequence[Billed]:
    """Everything of a deployment that is there: also a machine that is stopped and costs nothing at the moment."""
    instances, others = at_once(lambda: cloud.instances.tagged(deployment), lambda: cloud.network.billed(deployment))
    machines = [Billed("instance", one.id, f"{one.instance_type}, {one.status}") for one in instances]
    return [*machines, *others]
