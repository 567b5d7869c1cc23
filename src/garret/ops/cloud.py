"""The cloud as our verbs see it: by role (`garret.ops.roles`), and small frozen records that hold no vendor type."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from garret.ops.at_once import at_once

if TYPE_CHECKING:  # to make the Protocols takes longer than `garret status` may spend on them
    from garret.ops.roles import (
        Account,
        Assistant,
        Automation,
        Bills,
        Catalog,
        Changes,
        Clock,
        Images,
        Ingress,
        Instances,
        Network,
        Snapshots,
        Stacks,
    )

DEPLOYMENT_TAG = "garret:deployment"
FIRST_LOOK_S, LONGEST_PAUSE_S, PAUSE_BY_ROOT = 12.0, 11.0, 1.3
SNAPSHOT_TAG = "garret:snapshot-of"
"""On what was kept on purpose: it outlives the deployment, and is no leftover of it."""
BACKUP_TAG = "garret:backup"
"""On those of them that `garret ops backup` made, beside the tag above: the deployment."""
IMAGE_TAG = "garret:image"
"""On images of garret's making and their snapshots: the first digits of the SHA-256 of the runtime on them."""


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
    """An ECS instance; `stopped_mode` is the cloud's word for what a stop stopped.

    `release_at` is when the cloud releases it by itself ("2026-01-31T08:00Z"), empty for never.
    """

    id: str
    status: str
    instance_type: str
    zone: str
    public_ip: str = ""
    stopped_mode: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    release_at: str = ""


@dataclass(frozen=True)
class Billed:
    """A thing that costs money while it exists."""

    kind: str
    id: str
    note: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.id}" + (f" ({self.note})" if self.note else "")


@dataclass(frozen=True)
class Price:
    """Money per hour; `made_up` where no one will ever be asked to pay it."""

    amount: float
    currency: str
    made_up: bool

    def to_dict(self) -> dict[str, object]:
        """The `--json` form."""
        return {"amount": self.amount, "currency": self.currency, "made_up": self.made_up}


class SystemClock:
    """The machine's own clock."""

    def monotonic(self) -> float:
        """Seconds from any fixed point."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


@dataclass(frozen=True)
class Cloud:
    """One cloud and region, by role. `poll_s` is how long to wait between two looks at something quick.

    `scheme` is what its nodes' services speak: https, but for nodes that are folders of this machine.
    """

    kind: str
    region: str
    stacks: Stacks
    instances: Instances
    network: Network
    catalog: Catalog
    assistant: Assistant
    clock: Clock = field(default_factory=SystemClock)
    poll_s: float = 5.0
    scheme: str = "https"
    snapshots: Snapshots = field(kw_only=True)
    account: Account = field(kw_only=True)
    bills: Bills = field(kw_only=True)
    changes: Changes = field(kw_only=True)
    images: Images = field(kw_only=True)
    automation: Automation = field(kw_only=True)
    ingress: Ingress = field(kw_only=True)

    def pause(self, waited_s: float) -> float:
        """How long to wait for the next look at something slow, in seconds, having waited for it so long.

        Looks lie the farther apart the longer it takes: the same share of the wait is lost, with as few of them as
        Terraform's 3, 6, 10, 10, … seconds. Nothing of a cloud far away is ready in the first seconds.
        """
        if self.poll_s < 1:  # on this machine, where a look costs nothing
            return self.poll_s
        return FIRST_LOOK_S if waited_s < 1 else min(LONGEST_PAUSE_S, PAUSE_BY_ROOT * waited_s**0.5)

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
