"""Whatever is typed, and whatever goes wrong: what is billed is what garret says, and in the end nothing is.

Each history is a random sequence of verbs, kills and faults against a local cloud with light nodes; nothing of it may
be left when `delete` has said so. GARRET_HISTORIES=2000 tries as many, longer and at random, instead of the same 120.
"""

from __future__ import annotations

import itertools
import os
import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from garret.errors import GarretError
from garret.local_cloud.faults import Fault
from garret.ops.cloud import billed_by
from garret.ops.crash import POINTS, Crash
from garret.ops.start import start
from garret.ops.status import status
from garret.ops.stop import stop
from tests.light.clock import HastyClock
from tests.light.house import LightHouse, light_house
from tests.local_cloud.house import REGION
from tests.ops.fake import Killed, Listener, killed

ASKED = os.environ.get("GARRET_HISTORIES", "")
HISTORIES = int(ASKED or 120)
STEPS = 8 if ASKED else 3  # besides the beginning
NUMBERS = itertools.count(1)

# What may go wrong once: at a call of garret's own, or at one that a stack makes for it.
ASKED_OF_THE_CLOUD = (
    "CreateStack", "DeleteStack", "GetStack", "ListStacks", "ListStackEvents", "DescribeInstances", "StopInstance",
    "StartInstance", "CreateChangeSet", "ExecuteChangeSet", "GetChangeSet", "CreateSnapshot", "DescribeDisks",
    "SendFile", "DescribeSendFileResults",
)  # fmt: skip
MADE_BY_STACKS = (
    "RunInstances", "CreateVpc", "CreateVSwitch", "CreateSecurityGroup", "AllocateEipAddress", "AssociateEipAddress",
    "ModifyEipAddressAttribute", "ResizeDisk", "DeleteInstances", "DeleteInstance", "DeleteVpc", "ReleaseEipAddress",
    "UnassociateEipAddress",
)  # fmt: skip
TROUBLES = {
    "lost": {"effect": "lost"},
    "unsent": {"effect": "unsent"},
    "unavailable": {"code": "ServiceUnavailable", "status": 503},
    "throttled": {"code": "Throttling.User", "status": 400, "times": 3},
    "refused": {"code": "Brand.New", "status": 409},
    "no stock": {"code": "OperationDenied.NoStock", "status": 403},
    "no quota": {"code": "QuotaExceed.ElasticQuota", "status": 403},
}
CHANGES: tuple[dict[str, Any], ...] = ({"bandwidth_mbps": 20}, {"disk_size_gib": 200}, {"tags": {"team": "studio"}})
TROUBLE = st.one_of(
    st.none(), st.tuples(st.sampled_from(ASKED_OF_THE_CLOUD + MADE_BY_STACKS), st.sampled_from(sorted(TROUBLES)))
)


def crashes(*verbs: str) -> st.SearchStrategy[str]:
    """A point of these verbs at which to be killed, or none: as often as not."""
    points = [point for point in POINTS if point.split(".")[0] in verbs]
    return st.sampled_from([""] * len(points) + points)


IDS = re.compile(r"\b(?:i|d|eip|s|ngw)-[a-z0-9]{15,}\b")


class Stage:
    """One cloud for many histories, and a fresh one after a history that left something."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.soiled = True
        self._open = ExitStack()
        self._house: LightHouse | None = None

    def house(self) -> LightHouse:
        """An empty cloud."""
        if self.soiled or self._house is None:
            self.close()
            self.folder.mkdir(parents=True, exist_ok=True)
            self._house = self._open.enter_context(light_house(self.folder))
            self.soiled = False
        return self._house

    def close(self) -> None:
        """Take it down."""
        self._open.close()


class Histories(RuleBasedStateMachine):
    """A person, a cloud that has its troubles, and somebody else with a console."""

    stage: ClassVar[Stage]

    def __init__(self) -> None:
        super().__init__()
        base = self.stage.house()
        self.folder = tempfile.TemporaryDirectory(dir=base.home)
        self.house = LightHouse(base.cloud_house, base.driver, base.port, Path(self.folder.name))
        self.name = f"h{next(NUMBERS)}"
        self.cloud = self.house.roles(HastyClock())
        self.looked = False

    def do(self, verb: Callable[[], Any], trouble: tuple[str, str] | None) -> Any:
        """Carry out a verb while something goes wrong at one kind of call; its last words are held to the truth."""
        faults = self.house.cloud_house.cloud.faults
        if trouble is not None:
            faults.add(Fault(action=trouble[0], **TROUBLES[trouble[1]]))
        self.looked = False
        try:
            return verb()
        except Killed:
            return None
        except GarretError as error:
            self.house.settle()
            self.told(error)
            return None
        finally:
            self.house.settle()
            faults.clear()

    @initialize(first=st.sampled_from(("deployed", "deployed", "stopped", "killed", "nothing")), at=crashes("deploy"))
    def begin(self, first: str, at: str) -> None:
        """Most histories begin with something that is there."""
        if first != "nothing":
            self.deploy(at if first == "killed" else "", None)
        if first == "stopped":
            self.stop("", None, economical=True)

    @rule(at=crashes("deploy"), trouble=TROUBLE)
    def deploy(self, at: str, trouble: tuple[str, str] | None) -> None:
        """Deploy, perhaps to be killed at some point."""
        facts = self.do(lambda: self.house.deploy(self.name, roles=self.cloud, crash=Crash(at, killed)), trouble)
        if facts is not None:
            assert facts["state"] == "running"
            assert len(self.house.stacks()) == 1

    @rule(at=crashes("update"), trouble=TROUBLE, said=st.sampled_from(CHANGES))
    def update(self, at: str, trouble: tuple[str, str] | None, said: dict[str, Any]) -> None:
        """Change something of what is deployed, if it is."""
        if self.house.deployment(self.name).spec is None:
            return  # this would be a deploy
        crash = Crash(at, killed)
        facts = self.do(lambda: self.house.update(self.name, roles=self.cloud, crash=crash, **said), trouble)
        if facts is not None:
            assert len(self.house.stacks()) == 1

    @rule(at=crashes("stop"), trouble=TROUBLE, economical=st.booleans())
    def stop(self, at: str, trouble: tuple[str, str] | None, economical: bool) -> None:
        """Stop."""
        one, crash = self.house.deployment(self.name), Crash(at, killed)
        facts = self.do(lambda: stop(self.cloud, one, Listener(), crash, economical=economical), trouble)
        if facts is not None:
            said = {id for text in facts["billed"] for id in IDS.findall(text)}
            assert said | self.kept() == set(self.house.billed())

    @rule(at=crashes("start"), trouble=TROUBLE)
    def start(self, at: str, trouble: tuple[str, str] | None) -> None:
        """Start."""
        one = self.house.deployment(self.name)
        self.do(lambda: start(self.cloud, one, Listener(), Crash(at, killed)), trouble)

    @rule(at=crashes("delete", "snapshot"), trouble=TROUBLE, keep=st.booleans())
    def delete(self, at: str, trouble: tuple[str, str] | None, keep: bool) -> None:
        """Delete, perhaps keeping the disk."""
        crash = Crash(at, killed)
        facts = self.do(lambda: self.house.delete(self.name, roles=self.cloud, crash=crash, keep_disk=keep), trouble)
        if facts is not None:
            kept = {one["id"] for one in facts["snapshots"]}
            assert set(self.house.billed()) == kept, "after delete only what was kept is billed"

    @rule()
    def node_fails(self) -> None:
        """Nodes signal that they failed, until the next history."""
        self.house.driver.says = "ensure_gpu: nvidia-smi names no GPU"

    @rule()
    def somebody_stops_the_machine(self) -> None:
        """In the console, where it goes on being charged."""
        self.console("StopInstance", {"Running": {"StoppedMode": "KeepCharging"}})

    @rule()
    def somebody_deletes_the_machine(self) -> None:
        """In the console; address and network stay."""
        self.console("DeleteInstance", {"Running": {"Force": "true"}, "Stopped": {"Force": "true"}})

    def told(self, error: GarretError) -> None:
        """An error that names what is billed names all of it."""
        said, true = set(IDS.findall(error.billed)), set(self.house.billed()) - self.kept()
        assert said >= true or not said, f"{error.message}: billed is {true}, and garret says {error.billed}"

    def kept(self) -> set[str]:
        """The snapshots that garret knows it kept."""
        if not self.house.cloud_house.store.find("snapshot"):
            return set()
        return {one.id for one in self.cloud.snapshots.kept(self.name)}

    def console(self, action: str, by_status: dict[str, dict[str, str]]) -> None:
        """Act on the machine as somebody else would."""
        book = self.house.cloud_house.cloud
        self.looked = False
        self.house.settle()
        for body in book.store.find("instance"):
            more = by_status.get(body["Status"])
            if more is not None:
                book.call("Ecs", action, REGION, {"InstanceId": body["InstanceId"], **more})
        self.house.settle()

    @invariant()
    def the_bill_is_what_garret_says(self) -> None:
        """What the cloud bills by its own book is what garret finds, snapshots that were kept included."""
        if self.looked:
            return  # nothing was done since
        self.looked = True
        found = {one.id for one in billed_by(self.cloud, self.name)}
        assert found | self.kept() == set(self.house.billed())
        assert len(self.house.stacks()) <= 1

    def status_is_true(self) -> None:
        """The status in a word is what the machine is."""
        seen = status(self.cloud, self.house.deployment(self.name), REGION)
        machines = [body["Status"] for body in self.house.cloud_house.store.find("instance")]
        if seen.state in ("running", "stopped"):
            assert machines == [seen.state.capitalize()]
        if seen.state == "absent":
            assert machines == []

    def teardown(self) -> None:
        """In the end delete says that nothing is left, and nothing is."""
        self.stage.soiled = True
        self.status_is_true()
        self.house.driver.says = ""
        self.house.delete(self.name, roles=self.cloud, drop_kept=True)
        self.house.settle()
        assert self.house.exists() == {}
        assert self.house.stacks() == []
        self.folder.cleanup()
        self.stage.soiled = False


def histories(number: int, chosen: int, folder: Path) -> None:
    """Try so many histories, chosen by a number, on a cloud of their own."""
    Histories.stage = Stage(folder)
    try:
        run_state_machine_as_test(
            seed(chosen)(Histories),
            settings=settings(
                max_examples=number,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
                # A failing history is told as it was found; making it shorter takes minutes, and is asked for by hand.
                phases=tuple(Phase) if os.environ.get("GARRET_SHRINK") else (Phase.generate,),
            ),
        )
    finally:
        Histories.stage.close()


@pytest.mark.timeout(900)  # a minute on two idle cores, several on busy ones
def test_nothing_is_left_after_random_histories(tmp_path: Path) -> None:
    """After every history, whatever was typed and whatever went wrong, nothing is billed and no stack is there."""
    chosen = secrets.randbelow(1 << 32) if ASKED else 2026
    half = HISTORIES // 2
    # Two processes for two cores: a cloud and its client share their process's one lock.
    other = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        __name__,
        str(HISTORIES - half),
        str(chosen + 1),
        str(tmp_path / "b"),
    ]
    with subprocess.Popen(other, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
        try:
            histories(half, chosen, tmp_path / "a")
            said, _ = child.communicate()
        finally:
            child.kill()
    assert child.returncode == 0, f"seed {chosen + 1}\n{said}"


def test_a_disk_that_nobody_asked_to_keep_is_found(tmp_path: Path) -> None:
    """A disk with the deployment's tag and without a stack is billed, and delete says so and how to remove it."""
    id = "d-0123456789abcdefghij"
    body = {"DiskId": id, "Size": 20, "Category": "cloud_essd", "Type": "data", "InstanceId": "", "Status": "Available",
            "Tags": [{"Key": "garret:deployment", "Value": "stray"}]}  # fmt: skip
    with light_house(tmp_path) as house:
        house.cloud_house.store.put("disk", id, body, REGION)
        assert {one.id for one in billed_by(house.roles(), "stray")} == {id} == set(house.billed())
        with pytest.raises(GarretError) as left:
            house.delete("stray", roles=house.roles(HastyClock()))
        assert id in left.value.billed
        assert f"DeleteDisk --DiskId {id}" in left.value.hint


if __name__ == "__main__":
    histories(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
