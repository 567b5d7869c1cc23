"""Random histories of stacks: what the cloud has is what the stacks list, and after deleting nothing is left."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from garret.local_cloud.background import Background
from garret.local_cloud.clock import Clock
from garret.local_cloud.core import ApiError, Cloud
from garret.local_cloud.faults import Fault, Faults
from garret.local_cloud.ros import records
from garret.local_cloud.store import Store
from tests.local_cloud.house import KEY, REGION, PaperDriver, until
from tests.local_cloud.ros.changing import group, switch
from tests.local_cloud.ros.stage import template

IDS = {"vpc": "VpcId", "vswitch": "VSwitchId", "security_group": "SecurityGroupId"}
KINDS = {"ALIYUN::ECS::VPC": "vpc", "ALIYUN::ECS::VSwitch": "vswitch", "ALIYUN::ECS::SecurityGroup": "security_group"}
ACTIONS = [f"{verb}{what}" for verb in ("Create", "Delete") for what in ("Vpc", "VSwitch", "SecurityGroup")]
ACTIONS += ["AuthorizeSecurityGroup", "RevokeSecurityGroup", "ModifyVpcAttribute", "DescribeVpcs"]
# Nothing that is drawn depends on how a history goes: threads and restarts make that a matter of chance.
NAMES = st.sampled_from(["a", "b"])
FAULTS = st.builds(
    lambda action, effect, times: Fault(action, effect=effect, code="Forbidden.Chance", status=403, times=times),
    st.sampled_from(ACTIONS),
    st.sampled_from(["error", "error", "lost", "unsent"]),
    st.sampled_from([1, 1, 2, 4]),
)


@st.composite
def shapes(draw: st.DrawFn) -> str:
    """Return a template of a network with some of what can be in it."""
    name = draw(st.sampled_from(["one", "two"]))
    cidr = draw(st.sampled_from(["192.168.0.0/16", "192.168.0.0/16", "192.168.0.0/17"]))
    found: dict[str, Any] = {
        "Vpc": {"Type": "ALIYUN::ECS::VPC", "Properties": {"CidrBlock": cidr, "VpcName": name}},
    }
    for label in draw(st.sets(st.sampled_from(["A", "B"]))):
        third = draw(st.sampled_from([1, 2])) if label == "A" else draw(st.sampled_from([3, 4]))
        found[label] = switch(f"192.168.{third}.0/24")
    if draw(st.booleans()):
        depends = [label for label in ("A", "B") if label in found and draw(st.booleans())]
        found["Group"] = group(*draw(st.lists(st.sampled_from([80, 443]), unique=True)), DependsOn=depends)
    if count := draw(st.integers(0, 2)):
        found["Word"] = {"Type": "ALIYUN::RandomString", "Count": count, "Properties": {"length": 8}}
    if draw(st.booleans()):
        found["Nap"] = {"Type": "ALIYUN::ROS::Sleep", "DependsOn": ["Vpc"], "Properties": {"CreateDuration": 0}}
    return template(found)


class Histories(RuleBasedStateMachine):
    """Two names of stacks, made, changed and deleted, with faults in between and servers that go down."""

    def __init__(self) -> None:
        super().__init__()
        self.store = Store(None)
        self.cloud = self.begin()

    def begin(self) -> Cloud:
        """Start a server on the store."""
        return Cloud(self.store, PaperDriver(), Clock(), Faults(self.store), Background(), "http://127.0.0.1:1", KEY)

    def stacks(self) -> dict[str, dict[str, Any]]:
        """Return the living stacks by name."""
        return {one["name"]: one for one in records.living(self.cloud, REGION)}

    def ask(self, action: str, **params: str) -> Any:
        """Call ROS."""
        return self.cloud.call("ROS", action, REGION, params)

    def listed(self, stack_id: str) -> list[dict[str, Any]]:
        """Return what a stack says that it has."""
        found = self.ask("ListStackResources", StackId=stack_id)["Resources"]
        return [one for one in found if one["Status"] not in ("DELETE_COMPLETE", "INIT_COMPLETE")]

    def physical(self, stack_id: str) -> dict[str, str]:
        """Return the ids by name."""
        return {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in self.listed(stack_id)}

    def settle(self, restart: bool = False) -> None:
        """Wait until nothing is under way; with `restart` the server goes down first and another takes over."""
        if restart:
            self.cloud.background.stop(10)
            self.cloud = self.begin()
            self.cloud.recover()
        until(lambda: not any(busy(one) for one in self.stacks().values()))

    @rule(name=NAMES, text=shapes(), keep=st.booleans(), restart=st.booleans())
    def create(self, name: str, text: str, keep: bool, restart: bool) -> None:
        """A name that is free gets a stack; one that is taken is refused."""
        taken = name in self.stacks()
        try:
            asked = {"StackName": name, "TemplateBody": text, "DisableRollback": str(keep).lower()}
            stack_id = self.ask("CreateStack", **asked)["StackId"]
        except ApiError as problem:
            assert (taken, problem.code) == (True, "StackExists")  # noqa: PT017
            return
        assert not taken
        self.settle(restart)
        status = self.stacks()[name]["status"]
        assert status in ("CREATE_COMPLETE", "CREATE_FAILED", "CREATE_ROLLBACK_COMPLETE", "CREATE_ROLLBACK_FAILED")
        if status == "CREATE_ROLLBACK_COMPLETE":
            assert self.listed(stack_id) == []

    @rule(
        name=NAMES, text=shapes(), keep=st.booleans(), restart=st.booleans(), by_set=st.booleans(),
        fault=st.none() | FAULTS,
    )  # fmt: skip
    def update(self, name: str, text: str, *, keep: bool, restart: bool, by_set: bool, fault: Fault | None) -> None:
        """A stack becomes what the template says, or is what it was."""
        stack = self.stacks().get(name)
        if stack is None:
            return
        if fault is not None:
            self.cloud.faults.add(fault)
        id, before, whole = stack["id"], self.physical(stack["id"]), stack["status"].endswith("COMPLETE")
        asked = {"StackId": id, "TemplateBody": text, "ReplacementOption": "Enabled"}
        asked["DisableRollback"] = str(keep).lower()
        try:
            if by_set:
                self.by_set(asked)
            else:
                self.ask("UpdateStack", **asked)
        except ApiError as problem:
            assert problem.code in ("NotSupported", "StackValidationFailed"), problem  # noqa: PT017
            assert self.physical(id) == before
            return
        self.settle(restart)
        after = self.stacks()[stack["name"]]
        if after["status"] == "UPDATE_COMPLETE":
            assert self.ask("GetTemplate", StackId=id)["TemplateBody"] == text
            assert all(one["Status"].endswith("_COMPLETE") for one in self.listed(id))
        elif after["status"] == "ROLLBACK_COMPLETE" and whole:
            assert self.physical(id) == before
        else:
            assert after["status"] in ("UPDATE_FAILED", "ROLLBACK_FAILED", "ROLLBACK_COMPLETE")

    def by_set(self, asked: dict[str, str]) -> None:
        """Update by a change set, which is deleted when it cannot be carried out."""
        id = self.ask("CreateChangeSet", **asked, ChangeSetName="next")["ChangeSetId"]
        until(lambda: self.ask("GetChangeSet", ChangeSetId=id)["Status"] != "CREATE_IN_PROGRESS")
        try:
            self.ask("ExecuteChangeSet", ChangeSetId=id)
            until(lambda: self.ask("GetChangeSet", ChangeSetId=id)["ExecutionStatus"] != "EXECUTE_IN_PROGRESS")
        finally:
            self.ask("DeleteChangeSet", ChangeSetId=id)

    @rule(name=NAMES, mode=st.sampled_from(["Recreate", "Ignore"]), restart=st.booleans())
    def go_on(self, name: str, mode: str, restart: bool) -> None:
        """A creation that failed goes on, unless nothing would be left of it."""
        stack = self.stacks().get(name)
        if stack is None:
            return
        try:
            self.ask("ContinueCreateStack", StackId=stack["id"], Mode=mode)
        except ApiError as problem:
            assert problem.code == "ContinueCreateStackValidationFailed"  # noqa: PT017
            return
        self.settle(restart)
        assert self.stacks()[stack["name"]]["status"] in (
            "CREATE_COMPLETE",
            "CREATE_FAILED",
            "CREATE_ROLLBACK_COMPLETE",
        )

    @rule(name=NAMES, restart=st.booleans())
    def delete(self, name: str, restart: bool) -> None:
        """A stack goes with all it has, or says that it could not."""
        stack = self.stacks().get(name)
        if stack is None:
            return
        self.ask("DeleteStack", StackId=stack["id"])
        self.settle(restart)
        assert self.stacks().get(stack["name"], {"status": "DELETE_FAILED"})["status"] == "DELETE_FAILED"

    @rule(fault=FAULTS)
    def break_something(self, fault: Fault) -> None:
        """The next calls of one kind go wrong."""
        self.cloud.faults.add(fault)

    @rule()
    def mend(self) -> None:
        """Nothing goes wrong any more."""
        self.cloud.faults.clear()

    @invariant()
    def what_is_there_is_listed(self) -> None:
        """Each thing belongs to one resource; only one whose answers were all lost may not know its id yet."""
        rows = [one for stack in self.stacks().values() for one in self.listed(stack["id"])]
        known = {one["PhysicalResourceId"] for one in rows}
        nameless = Counter(KINDS.get(one["ResourceType"]) for one in rows if not one["PhysicalResourceId"])
        for kind, key in IDS.items():
            there = {one[key] for one in self.store.find(kind)}
            assert len(there - known) <= nameless[kind], (kind, there - known, rows)
            whole = {
                one["PhysicalResourceId"]
                for one in rows
                if KINDS.get(one["ResourceType"]) == kind and one["Status"].endswith("_COMPLETE")
            }
            assert whole <= there, (kind, whole - there)

    def teardown(self) -> None:
        """Without faults every stack can be deleted, and then nothing is left."""
        self.cloud.faults.clear()
        try:
            for _ in range(2):
                for stack in self.stacks().values():
                    self.ask("DeleteStack", StackId=stack["id"])
                self.settle()
            assert self.stacks() == {}
            left = {kind: self.store.find(kind) for kind in (*IDS, "ros_random_string") if self.store.find(kind)}
            assert left == {}
        finally:
            self.cloud.background.stop(10)
            self.store.close()


def busy(stack: dict[str, Any]) -> bool:
    """Whether something is under way in the stack."""
    return stack["status"].endswith("_IN_PROGRESS") and stack["status"] != "REVIEW_IN_PROGRESS"


def test_histories() -> None:
    """Eighty random histories of up to twelve steps."""
    run_state_machine_as_test(
        Histories,
        settings=settings(
            max_examples=80, stateful_step_count=12, deadline=None, database=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        ),
    )  # fmt: skip
