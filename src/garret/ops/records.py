"""Records of the cloud that only some verbs need; those of every command are in `garret.ops.cloud`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Disk:
    """A disk; `kind` is system or data."""

    id: str
    size_gib: int
    category: str
    kind: str = "system"
    status: str = ""
    instance_id: str = ""


@dataclass(frozen=True)
class Snapshot:
    """A copy of a disk as it was; whole once `status` is accomplished. Others than backups were kept by a delete."""

    id: str
    disk_id: str
    size_gib: int
    status: str
    progress: str = ""
    created_at: str = ""
    is_backup: bool = False


@dataclass(frozen=True)
class Image:
    """An image; made once `status` is Available. `created_at` is ISO 8601 in UTC; `size_gib` is the least disk."""

    id: str
    name: str
    status: str
    progress: str = ""
    size_gib: int = 0
    created_at: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    snapshot_ids: tuple[str, ...] = ()
    family: str = ""
    os_name: str = ""


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


@dataclass(frozen=True)
class CloudTask:
    """A task of an execution in the cloud; times as the cloud writes them, empty where there is none yet."""

    name: str
    action: str
    status: str
    message: str = ""
    began_at: str = ""
    ended_at: str = ""


@dataclass(frozen=True)
class CloudExecution:
    """An execution that the cloud carries out by itself; `next_at` and `last_…` are those of a timer."""

    id: str
    status: str
    message: str = ""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    requested_by: str = ""
    created_at: str = ""
    started_at: str = ""
    ended_at: str = ""
    next_at: str = ""
    last_at: str = ""
    last_status: str = ""
    last_message: str = ""
