# ruff: noqa: ARG002 - the Protocols name the arguments
"""A cloud in memory, with a clock that costs nothing and a service that answers on loopback."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from garret.errors import CloudError
from garret.image_bootstrap.bundle import Bundle
from garret.ops.cloud import DEPLOYMENT_TAG, IMAGE_TAG, Billed, Cloud, Instance, Stack, StackEvent, StackResource
from garret.ops.deployment import Deployment
from garret.ops.journal import Journal
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

PICTURE = b"\x89PNG\r\n\x1a\n a picture"
TYPE = "ecs.gn7i-c8g1.2xlarge"


class Killed(BaseException):
    """What kill -9 is to a test: nothing may catch it."""


def killed() -> None:
    """Die, as far as a test can."""
    raise Killed


class FakeClock:
    """Time passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.on_sleep: Callable[[], None] = lambda: None

    def monotonic(self) -> float:
        """Seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        self.on_sleep()


class Listener:
    """A Teller that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str = "") -> None:
        """Remember a line."""
        self.lines.append(text)

    def stage(self, name: str, state: str, detail: str = "", seconds: float | None = None) -> None:
        """Remember a stage."""
        self.lines.append(f"{name} {state} {detail}".strip())

    def progress(self, label: str, done: int, total: int | None) -> None:
        """Remember a number."""
        self.lines.append(f"{label} {done}/{total}")


@dataclass
class World:
    """Everything the fake cloud knows; the roles below are views on it."""

    endpoint: str = "http://127.0.0.1:1"
    writes: list[str] = field(default_factory=list)
    stacks: dict[str, Stack] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    templates: dict[str, str] = field(default_factory=dict)
    events: dict[str, list[StackEvent]] = field(default_factory=dict)
    instances: dict[str, Instance] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    billed: list[Billed] = field(default_factory=list)
    before_create: Callable[[], None] = lambda: None
    lose_reply: bool = False
    node_says: str = ""  # a FAILURE reason; empty for a node that comes up
    commands: list[str] = field(default_factory=list)
    answers: dict[str, CommandResult] = field(default_factory=dict)
    stopped_mode: str = "StopCharging"
    refusals: dict[str, CloudError] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)  # by the node's service
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    disks: list[Disk] = field(default_factory=list)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    automation: dict[str, CloudExecution] = field(default_factory=dict)
    snapshot_breaks: bool = False
    delete_fails: tuple[str, str] | None = None  # the resource and the reason of a stack that will not go
    bill: list[BillItem] = field(default_factory=list)
    denied: dict[str, str] = field(default_factory=dict)
    quotas: list[Quota] = field(default_factory=list)
    balance: tuple[float, str] = (1000.0, "CNY")
    skew_s: float = 0.0
    shelves: dict[str, dict[str, str]] = field(default_factory=dict)
    sold_out: list[str] = field(default_factory=list)  # zones whose stock is gone when a stack is made there
    change_sets: dict[str, ChangeSet] = field(default_factory=dict)
    proposed: dict[str, tuple[str, str, dict[str, str]]] = field(default_factory=dict)
    begins_late: bool = False  # an update that the stack shows only after a first look
    late: Callable[[], None] | None = None
    update_says: str = ""  # a reason; empty for an update that succeeds
    replaces: bool = False
    images: dict[str, Image] = field(default_factory=dict)
    image_breaks: bool = False
    console: str = ""
    doors: dict[str, tuple[int, str, str]] = field(default_factory=dict)  # rules: port, range, note
    marks: dict[str, dict[str, str]] = field(default_factory=dict)  # tags of snapshots
    machines_images: dict[str, str] = field(default_factory=dict)
    prices: Iterator[tuple[float, str]] = field(default_factory=lambda: iter(()))

    def refuse(self, action: str) -> None:
        """Raise what a test wants raised once at this action."""
        if action in self.refusals:
            raise self.refusals.pop(action)

    def event(self, stack_id: str, resource: str, status: str, reason: str = "") -> None:
        """Add an event."""
        kind = "ALIYUN::ROS::WaitCondition" if resource == "Ready" else "ALIYUN::ECS::InstanceGroup"
        self.events[stack_id].append(StackEvent(f"e{next(self.numbers)}", resource, kind, status, reason, ""))

    def signal(self, stack_id: str) -> None:
        """The node has the whole runtime: it signals as the test wants."""
        stack = self.stacks[stack_id]
        if self.node_says:
            self.event(stack_id, "Ready", "CREATE_FAILED", f"WaitConditionFailure: {self.node_says}")
            self.event(stack_id, "Node", "CREATE_FAILED", "Resource creation cancelled")
            self.stacks[stack_id] = replace(stack, status="CREATE_ROLLBACK_COMPLETE", reason=self.node_says)
            self.instances.clear()
            return
        self.event(stack_id, "Ready", "CREATE_COMPLETE")
        facts = json.dumps({"service": {"port": 7860, "scheme": "http"}, "tls_sha256": ""})
        outputs = {"EndPoint": self.endpoint, "InstanceId": next(iter(self.instances)), "NodeFacts": {"node": facts}}
        self.stacks[stack_id] = replace(stack, status="CREATE_COMPLETE", outputs=outputs)


@dataclass
class FakeStacks:
    """ROS."""

    world: World

    def validate(self, template: str) -> None:
        """Take any template that is YAML, unless a test wants it refused."""
        self.world.refuse("ValidateTemplate")
        yaml.safe_load(template)

    def price_per_hour(self, template: str, parameters: Mapping[str, str]) -> tuple[float, str] | None:
        """One price, or the next of those that the test says."""
        return next(self.world.prices, (9.5, "CNY")) if template and parameters else None

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
        """Create once per token; the machine runs at once."""
        world = self.world
        world.before_create()
        world.writes.append("CreateStack")
        if token not in world.tokens:
            stack_id = f"stack-{next(world.numbers)}"
            world.tokens[token] = stack_id
            world.templates[stack_id] = template
            world.events[stack_id] = []
            world.stacks[stack_id] = Stack(stack_id, name, "CREATE_IN_PROGRESS", tags=tags, parameters=parameters)
            machine = f"i-{next(world.numbers)}"
            world.instances[machine] = Instance(machine, "Running", TYPE, "cn-hangzhou-i", tags=tags)
            world.event(stack_id, "Node", "CREATE_COMPLETE")
        zone = str(parameters.get("ZoneId"))
        if zone in world.sold_out:
            stack_id = world.tokens[token]
            world.event(stack_id, "Node", "CREATE_FAILED", f"OperationDenied.NoStock: none in {zone}")
            world.stacks[stack_id] = replace(world.stacks[stack_id], status="CREATE_ROLLBACK_COMPLETE")
            world.instances.clear()
        if world.lose_reply:
            world.lose_reply = False
            raise CloudError("CreateStack", "NoAnswer", "the connection broke", retryable=True)
        return world.tokens[token]

    def find(self, name: str) -> Stack | None:
        """By name."""
        return next((stack for stack in self.world.stacks.values() if stack.name == name), None)

    def get(self, stack_id: str) -> Stack | None:
        """By id; what is being deleted is gone at the second look."""
        stack = self.world.stacks.get(stack_id)
        if stack is not None and stack.status == "DELETE_IN_PROGRESS":
            del self.world.stacks[stack_id]
        return stack

    def tagged(self) -> list[Stack]:
        """All."""
        return list(self.world.stacks.values())

    def resources(self, stack_id: str) -> list[StackResource]:
        """The machine."""
        return [StackResource("Node", "ALIYUN::ECS::InstanceGroup", name, "") for name in self.world.instances]

    def events(self, stack_id: str) -> list[StackEvent]:
        """Oldest first."""
        return list(self.world.events.get(stack_id, []))

    def delete(self, stack_id: str) -> None:
        """Begin to delete."""
        self.world.refuse("DeleteStack")
        self.world.writes.append("DeleteStack")
        if self.world.delete_fails:
            resource, reason = self.world.delete_fails
            self.world.events[stack_id] += [
                StackEvent("d1", "", "ALIYUN::ROS::Stack", "DELETE_IN_PROGRESS", "", ""),
                StackEvent("d2", resource, "ALIYUN::ECS::VPC", "DELETE_FAILED", reason, ""),
            ]
            stack = self.world.stacks[stack_id]
            self.world.stacks[stack_id] = replace(stack, status="DELETE_FAILED", reason="Resource DELETE failed")
            return
        self.world.stacks[stack_id] = replace(self.world.stacks[stack_id], status="DELETE_IN_PROGRESS")
        self.world.instances.clear()


@dataclass
class FakeInstances:
    """ECS."""

    world: World

    def tagged(self, deployment: str) -> list[Instance]:
        """By tag."""
        return [one for one in self.world.instances.values() if one.tags.get(DEPLOYMENT_TAG) == deployment]

    def get(self, instance_id: str) -> Instance | None:
        """By id."""
        return self.world.instances.get(instance_id)

    def console(self, instance_id: str) -> str:
        """As the test says, while the machine is there."""
        self.world.refuse("GetInstanceConsoleOutput")
        return self.world.console if instance_id in self.world.instances else ""

    def start(self, instance_id: str) -> None:
        """Start."""
        self.world.refuse("StartInstance")
        self._become(instance_id, "Running", "StartInstance", "")

    def stop(self, instance_id: str, *, economical: bool) -> None:
        """Stop, as the test's cloud does."""
        self._become(instance_id, "Stopped", "StopInstance", self.world.stopped_mode if economical else "KeepCharging")

    def release(self, instance_id: str, at: str) -> None:
        """Set or take away the time of its release."""
        self.world.refuse("ModifyInstanceAutoReleaseTime")
        self.world.writes.append("ModifyInstanceAutoReleaseTime")
        machine = self.world.instances[instance_id]
        self.world.instances[instance_id] = replace(machine, release_at=at)

    def _become(self, instance_id: str, status: str, action: str, mode: str) -> None:
        self.world.writes.append(action)
        machine = self.world.instances[instance_id]
        self.world.instances[instance_id] = replace(machine, status=status, stopped_mode=mode)


@dataclass
class FakeNetwork:
    """What else is billed."""

    world: World

    def billed(self, deployment: str) -> list[Billed]:
        """As the test says."""
        return list(self.world.billed)


@dataclass
class FakeCatalog:
    """Two regions, two types."""

    world: World

    def regions(self) -> list[str]:
        """The ids."""
        return ["cn-beijing", "cn-hangzhou"]

    def stock(self, family: str) -> dict[str, list[str]]:
        """One type is sold out."""
        return {TYPE: ["cn-hangzhou-i", "cn-hangzhou-j"], f"{family}-c16g1.4xlarge": []}

    def shelves(self, family: str, *, subscription: bool = False, spot: bool = False) -> dict[str, dict[str, str]]:
        """As `stock`, with the cloud's words; or what the test says."""
        return self.world.shelves or {
            kind: dict.fromkeys(zones, "WithStock") for kind, zones in self.stock(family).items()
        }

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
        """A machine for 9 an hour, half of it as spot, and 0.3 for its disk."""
        hours = {"Hour": 1, "Month": 500, "Year": 5000}[unit] * period
        return MachinePrice((4.5 if spot else 9.0) * hours, 0.3 * hours, "CNY", unit)

    def switch(self, vswitch_id: str) -> Switch | None:
        """One VSwitch."""
        return Switch(vswitch_id, "vpc-1", "cn-hangzhou-j", 7) if vswitch_id == "vsw-1" else None

    def newest_image(self, family: str) -> str:
        """An id."""
        return "ubuntu.vhd"

    def account(self) -> str:
        """One account."""
        return "1234567890123456"


@dataclass
class FakeAssistant:
    """Cloud Assistant, with a first stage behind it that wants the bytes it was promised."""

    world: World

    def reachable(self, instance_id: str) -> bool:
        """Always."""
        return instance_id in self.world.instances

    def send_file(self, instance_id: str, path: str, content: bytes, *, mode: str = "0600") -> None:
        """Keep a file; the last piece of the runtime makes the node signal."""
        world = self.world
        world.refuse("SendFile")
        world.writes.append("SendFile")
        world.files[path] = content
        for stack_id, template in world.templates.items():
            promised = re.search(r'"bundle_sha256":"([0-9a-f]{64})"', template.replace('\\"', '"'))
            assert promised, "the template names the runtime"
            pieces = sorted(name for name in world.files if promised.group(1) in name)
            whole = b"".join(world.files[name] for name in pieces)
            in_progress = world.stacks.get(stack_id) and world.stacks[stack_id].status == "CREATE_IN_PROGRESS"
            if in_progress and hashlib.sha256(whole).hexdigest() == promised.group(1):
                world.signal(stack_id)

    def run(self, instance_id: str, command: str, *, timeout_s: int = 60) -> CommandResult:
        """Answer as the test says."""
        self.world.commands.append(command)
        for start, answer in self.world.answers.items():
            if command.startswith(start):
                return answer
        return CommandResult("Failed", 1, "", "no such file")


@dataclass
class FakeSnapshots:
    """Disks as the test says; a snapshot is whole at the second look."""

    world: World

    def disks(self, deployment: str) -> list[Disk]:
        """As the test says, while the machine is there."""
        return list(self.world.disks) if self.world.instances else []

    def create(self, disk_id: str, deployment: str, *, token: str, backup: bool = False) -> str:
        """Begin once per token."""
        world = self.world
        world.refuse("CreateSnapshot")
        world.writes.append("CreateSnapshot")
        if token not in world.tokens:
            world.tokens[token] = snapshot_id = f"s-{next(world.numbers)}"
            status = "failed" if world.snapshot_breaks else "progressing"
            world.snapshots[snapshot_id] = Snapshot(snapshot_id, disk_id, 100, status, "1%", "", backup)
        return world.tokens[token]

    def kept(self, deployment: str) -> list[Snapshot]:
        """All; they grow while one looks."""
        found = list(self.world.snapshots.values())
        for one in found:
            if one.status == "progressing":
                self.world.snapshots[one.id] = replace(one, status="accomplished", progress="100%")
        return found

    def reset(self, disk_id: str, snapshot_id: str) -> None:
        """Note it."""
        self.world.writes.append("ResetDisk")

    def delete(self, snapshot_id: str) -> None:
        """Delete."""
        self.world.writes.append("DeleteSnapshot")
        self.world.snapshots.pop(snapshot_id, None)


@dataclass
class FakeImages:
    """Images as the test says; one that is made is whole at the second look."""

    world: World

    def own(self) -> list[Image]:
        """Those with the tag, the newest first."""
        self.world.refuse("DescribeImages")
        found = [one for one in self.world.images.values() if IMAGE_TAG in one.tags]
        return sorted(found, key=lambda one: one.created_at, reverse=True)

    def get(self, image_id: str) -> Image | None:
        """By id; it grows while one looks."""
        found = self.world.images.get(image_id)
        if found is not None and found.status == "Creating":
            status = "CreateFailed" if self.world.image_breaks else "Available"
            self.world.images[image_id] = replace(found, status=status, progress="100%")
        return found

    def users(self, image_id: str) -> list[Instance]:
        """As the test says."""
        return [self.world.instances[one] for one, image in self.world.machines_images.items() if image == image_id]

    def create(self, instance_id: str, name: str, tags: Mapping[str, str], *, token: str) -> str:
        """Begin once per token."""
        world = self.world
        world.refuse("CreateImage")
        world.writes.append("CreateImage")
        if token not in world.tokens:
            world.tokens[token] = id = f"m-{next(world.numbers)}"
            snapshot = f"s-{next(world.numbers)}"
            world.snapshots[snapshot] = Snapshot(snapshot, "d-1", 100, "accomplished")
            world.images[id] = Image(id, name, "Creating", "1%", 100, "2026-11-21T10:00:00Z", tags, (snapshot,))
        return world.tokens[token]

    def mark(self, snapshot_ids: Sequence[str], tags: Mapping[str, str]) -> None:
        """Keep the tags."""
        self.world.marks |= {id: dict(tags) for id in snapshot_ids}

    def delete(self, image_id: str, *, force: bool = False) -> None:
        """Delete."""
        self.world.refuse("DeleteImage")
        self.world.writes.append("DeleteImage")
        self.world.images.pop(image_id, None)


@dataclass
class FakeAccount:
    """An account as the test says."""

    world: World

    def who(self) -> Who:
        """One user."""
        self.world.refuse("GetCallerIdentity")
        return Who("1234567890123456", "user/studio")

    def clock_skew_s(self) -> float:
        """As the test says."""
        return self.world.skew_s

    def balance(self) -> tuple[float, str]:
        """As the test says."""
        self.world.refuse("QueryAccountBalance")
        return self.world.balance

    def quotas(self) -> list[Quota]:
        """As the test says."""
        self.world.refuse("ListProductQuotas")
        return self.world.quotas

    def lacks(self, action: str) -> str | None:
        """As the test says."""
        return self.world.denied.get(action, "")


@dataclass
class FakeBills:
    """The bill as the test says."""

    world: World

    def items(self, resource_id: str, month: str) -> list[BillItem]:
        """The lines of one thing and month."""
        self.world.refuse("DescribeInstanceBill")
        return [one for one in self.world.bill if (one.resource_id, one.month) == (resource_id, month)]


@dataclass
class FakeAutomation:
    """Executions that wait until somebody cancels them."""

    world: World

    def start(
        self, template: str, parameters: Mapping[str, Any], *, tags: Mapping[str, str], token: str, description: str
    ) -> str:
        """One execution per token."""
        self.world.refuse("StartExecution")
        id = f"exec-{hashlib.sha256(token.encode()).hexdigest()[:16]}"
        if id not in self.world.automation:
            self.world.writes.append("StartExecution")
            self.world.automation[id] = CloudExecution(
                id, "Waiting", description=description, tags=dict(tags), parameters=dict(parameters),
                created_at="2026-01-01T00:00:00Z", next_at="2026-01-02T01:00:00Z",
            )  # fmt: skip
            self.world.templates[id] = template
        return id

    def executions(self, deployment: str) -> list[CloudExecution]:
        """By tag, the newest first."""
        self.world.refuse("ListExecutions")
        return [one for one in self.world.automation.values() if one.tags.get(DEPLOYMENT_TAG) == deployment][::-1]

    def begun_by(self, execution_id: str) -> list[CloudExecution]:
        """None: no time comes here."""
        assert execution_id in self.world.automation
        return []

    def get(self, execution_id: str) -> CloudExecution | None:
        """By id."""
        return self.world.automation.get(execution_id)

    def tasks(self, execution_id: str) -> list[CloudTask]:
        """One that waits."""
        return [CloudTask("timer", "ACS::TimerTrigger", self.world.automation[execution_id].status)]

    def cancel(self, execution_id: str) -> None:
        """End it."""
        self.world.refuse("CancelExecution")
        self.world.writes.append("CancelExecution")
        found = self.world.automation[execution_id]
        self.world.automation[execution_id] = replace(found, status="Cancelled", next_at="")


@dataclass
class FakeChanges:
    """Previews and change sets over the world's stacks."""

    world: World

    def preview(self, name: str, template: str, parameters: Mapping[str, str]) -> list[ResourceChange]:
        """What the template names; a name that is taken is refused."""
        if any(stack.name == name for stack in self.world.stacks.values()):
            raise CloudError("PreviewStack", "StackExists", f"The Stack ({name}) already exists.")
        found = yaml.safe_load(template)["Resources"]
        return [ResourceChange(one, str(body["Type"]), "Add") for one, body in found.items()]

    def preview_update(self, stack_id: str, template: str, parameters: Mapping[str, str]) -> list[ResourceChange]:
        """One change, or none where the stack is so already."""
        if dict(self.world.stacks[stack_id].parameters) == dict(parameters):
            return [ResourceChange("Node", "ALIYUN::ECS::InstanceGroup", "None")]
        return [ResourceChange("Node", "ALIYUN::ECS::InstanceGroup", "Modify", self.world.replaces)]

    def propose(
        self, stack_id: str, template: str, parameters: Mapping[str, str], *, token: str, replace: bool = False
    ) -> ChangeSet:
        """A change set per token."""
        world = self.world
        world.writes.append("CreateChangeSet")
        changes = tuple(self.preview_update(stack_id, template, parameters))
        made = ChangeSet(f"change-{token[:6]}", "CREATE_COMPLETE", "AVAILABLE", changes)
        world.change_sets[made.id] = made
        world.proposed[made.id] = stack_id, template, dict(parameters)
        return made

    def get(self, change_set_id: str) -> ChangeSet | None:
        """By id; one that was just executed is taken up at the second look."""
        if self.world.late is not None:
            late, self.world.late = self.world.late, None
            late()
            return replace(self.world.change_sets[change_set_id], execution="EXECUTE_IN_PROGRESS")
        return self.world.change_sets.get(change_set_id)

    def execute(self, change_set_id: str, *, token: str) -> None:
        """Carry it out at once, or fail as the test says."""
        world = self.world
        world.refuse("ExecuteChangeSet")
        world.writes.append("ExecuteChangeSet")
        if world.begins_late:
            world.begins_late, world.late = False, lambda: self._carry_out(change_set_id)
            return
        self._carry_out(change_set_id)

    def _carry_out(self, change_set_id: str) -> None:
        world = self.world
        stack_id, template, parameters = world.proposed[change_set_id]
        world.change_sets[change_set_id] = replace(world.change_sets[change_set_id], execution="EXECUTE_COMPLETE")
        stack = world.stacks[stack_id]
        if world.update_says:
            world.event(stack_id, "Node", "UPDATE_FAILED", world.update_says)
            world.stacks[stack_id] = replace(stack, status="ROLLBACK_COMPLETE", reason=world.update_says)
            world.change_sets[change_set_id] = replace(world.change_sets[change_set_id], execution="EXECUTE_FAILED")
            return
        world.templates[stack_id] = template
        world.stacks[stack_id] = replace(stack, status="UPDATE_COMPLETE", parameters=parameters)

    def drop(self, change_set_id: str) -> None:
        """Forget it."""
        self.world.writes.append("DeleteChangeSet")
        self.world.change_sets.pop(change_set_id, None)


def small_bundle() -> Bundle:
    """A runtime of three pieces that is quick to make."""
    data = bytes(range(256)) * 200
    return Bundle(data, hashlib.sha256(data).hexdigest(), len(data))


@dataclass
class FakeIngress:
    """One security group for all machines."""

    world: World

    def groups(self, instance_id: str) -> list[str]:
        """The one group, of a machine that is there."""
        return ["sg-1"] if instance_id in self.world.instances else []

    def open(self, group_id: str, port: int, cidr: str, note: str, *, token: str) -> None:
        """Add a rule, unless there is one that says the same."""
        self.world.refuse("AuthorizeSecurityGroup")
        if not any(rule[:2] == (port, cidr) for rule in self.world.doors.values()):
            self.world.doors[f"sgr-{next(self.world.numbers)}"] = (port, cidr, note)

    def opened(self, group_id: str, note: str) -> dict[str, str]:
        """Those with such a note."""
        return {
            id: f"{cidr} {port}/{port}" for id, (port, cidr, said) in self.world.doors.items() if said.startswith(note)
        }

    def close(self, group_id: str, rule_ids: list[str]) -> None:
        """Take them away."""
        self.world.refuse("RevokeSecurityGroup")
        for id in rule_ids:
            self.world.doors.pop(id, None)


def cloud_of(world: World, clock: FakeClock | None = None) -> Cloud:
    """The cloud of a world."""
    return Cloud(
        "local", "cn-hangzhou", FakeStacks(world), FakeInstances(world), FakeNetwork(world), FakeCatalog(world),
        FakeAssistant(world), clock or FakeClock(), 0.2, "http",
        snapshots=FakeSnapshots(world), account=FakeAccount(world), bills=FakeBills(world), changes=FakeChanges(world),
        images=FakeImages(world), automation=FakeAutomation(world), ingress=FakeIngress(world),
    )  # fmt: skip


def deployment_in(folder: Path, name: str = "garret") -> Deployment:
    """A deployment whose memory is below a folder."""
    return Deployment(name, Journal(folder / "deployments/local" / name))


@contextmanager
def picture_service() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A service that makes the same picture of every prompt; where it is, and what it was asked."""
    asked: list[dict[str, Any]] = []
    kept: dict[str, Any] = {"after_s": 3600.0}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            idle = {"after_s": 3600.0, "idle_s": 600.0, "last_sign": "GET /", "stops_in_s": 3000.0, "refused": ""}
            vouched = {"state": "waiting", "name": "pictures.example.com", "reason": "it has no A record"}
            machine = {"autostop": idle, "certificate": vouched, "deployment": "garret"}
            if "/pictures/" in self.path:
                self._send(PICTURE)
            else:
                self._reply(machine if self.path == "/machine" else {"status": "ok"})

        def do_PUT(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(body)
            if self.path == "/machine/prices":
                self._reply({"known": True})
                return
            kept.update({{"idle_s": "after_s"}.get(key, key): value for key, value in body.items()})
            self._reply({"idle_s": 1.0, "last_sign": "GET /", "stops_in_s": 60.0, **kept})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(body)
            if self.path.startswith("/v1/jobs"):
                pictures = [
                    {"number": number, "url": f"/v1/jobs/1/pictures/{number}"}
                    for number in range(body.get("n_iter", 1))
                ]
                self._reply({"id": "1", "url": "/v1/jobs/1", "state": "Success", "ended_at": 1.0, "pictures": pictures})
            else:
                self._reply({"images": [base64.b64encode(PICTURE).decode()] * body.get("n_iter", 1), "info": "{}"})

        def _reply(self, value: object) -> None:
            self._send(json.dumps(value).encode())

        def _send(self, data: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
