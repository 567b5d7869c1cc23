"""kill -9 at every point that `garret debug crash-points` lists: typed again, the command ends with one stack.

Each kill is of a process of its own, against a local cloud with light nodes that lives on.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from garret.local_cloud.faults import Fault
from garret.local_cloud.nodes.driver import RunResult
from garret.ops.crash import POINTS, VARIABLE
from tests.light.house import LightHouse, light_house
from tests.light.test_backup import KEEPING
from tests.light.test_resize import RESIZING
from tests.light.test_start_elsewhere import MOVING
from tests.local_cloud.house import REGION, TYPE

NO_STOCK = Fault(action="RunInstances", code="OperationDenied.NoStock", status=403)
# One deployment for each row: killed while it is made, and killed again while it is deleted.
LIVES = (
    ("deploy.journaled", "snapshot.journaled"), ("deploy.created", "snapshot.sent"),
    ("deploy.waiting", "snapshot.done"), ("deploy.delivered", "delete.asked"), ("deploy.signalled", "delete.sent"),
    ("capacity.clearing", "delete.done"),    ("capacity.abandoned", "delete.journaled"),
)  # fmt: skip
# And one deployment for all of these, one after the other.
BETWEEN = (
    "stop.sent", "start.sent", "rotate.sent", "schedule.begun", "schedule.cancelled", "update.journaled", "update.sent",
    "update.waiting",
)  # fmt: skip
# And one bake for these, and the end of its image.
BAKE = (
    "bake.installed", "bake.cleaned", "bake.stopping", "bake.journaled", "bake.sent", "bake.done", "image.deleted",
)  # fmt: skip

# Those whose kill is tried in files of their own.
ELSEWHERE = ("rotate.sent",)


@dataclass
class Shell:
    """A person's shell: garret's commands, each in a process that starts at once."""

    house: LightHouse
    process: subprocess.Popen[str]

    def run(self, *words: str, at: str = "") -> dict[str, Any]:
        """Run a command, to be killed at a point if one is named."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        environment = dict(self.house.environment()) | ({VARIABLE: at} if at else {})
        self.process.stdin.write(json.dumps({"argv": words, "env": environment}) + "\n")
        self.process.stdin.flush()
        reply: dict[str, Any] = json.loads(self.process.stdout.readline())
        return reply

    def json(self, *words: str) -> Any:
        """Run a command that must succeed."""
        done = self.run(*words, "--json")
        assert done["code"] == 0, done
        return json.loads(done["out"])

    def killed(self, at: str, *words: str) -> None:
        """Run a command that must be killed at this point."""
        done = self.run(*words, at=at)
        assert done["code"] == -9, f"{at}: {done}"

    def died(self, at: str, *words: str) -> None:
        """Run an operation whose own process must be killed at this point; the command says how to go on."""
        done = self.run(*words, at=at)
        assert done["code"] == 1, f"{at}: {done}"
        assert "has ended in its middle" in done["err"], done
        assert "garret ops executions wait" in done["err"] or "the same command again" in done["err"], done


@pytest.fixture(scope="module")
def zygote() -> Iterator[subprocess.Popen[str]]:
    """The process that all commands are forked from."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.light.zygote"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LightHouse]:
    """One cloud for all; each test has a home and a deployment of its own, and leaves nothing."""
    with light_house(tmp_path_factory.mktemp("cloud")) as one:
        yield one


@pytest.fixture
def shell(cloud: LightHouse, zygote: subprocess.Popen[str], tmp_path: Path) -> Iterator[Shell]:
    """A shell with a new home."""
    yield Shell(LightHouse(cloud.cloud_house, cloud.driver, cloud.port, tmp_path / "home"), zygote)
    cloud.cloud_house.cloud.faults.clear()
    cloud.settle()
    assert (cloud.exists(), cloud.stacks()) == ({}, [])


def deploy(shell: Shell, name: str) -> tuple[str, ...]:
    """The command that deploys."""
    return ("deploy", name, "--region", REGION, "--instance-type", TYPE, "--port", str(shell.house.port), "--yes")


def test_every_point_has_its_kill(shell: Shell) -> None:
    """A point that is listed and not tried here, or the other way round, is a hole in this matrix."""
    listed = set(shell.json("debug", "crash-points"))
    lives = {point for life in LIVES for point in life}
    others = {*MOVING, *RESIZING, *KEEPING, *ELSEWHERE}
    assert listed == set(POINTS) == lives | set(BETWEEN) | set(BAKE) | others


@pytest.mark.parametrize(("made", "deleted"), LIVES)
def test_a_killed_life_is_lived_to_its_end(shell: Shell, made: str, deleted: str) -> None:
    """Killed while it is made, deploy ends it with one stack; killed while it goes, delete ends it with none."""
    name = made.replace(".", "-")
    if made.startswith("capacity."):
        shell.house.cloud_house.cloud.faults.add(NO_STOCK)
    shell.killed(made, *deploy(shell, name))
    seen = shell.json("status", name)
    assert seen["state"] in ("creating", "running", "failed", "deleting", "absent"), seen
    assert "garret" in seen["next"], seen
    assert shell.json(*deploy(shell, name))["state"] == "running"
    shell.house.settle()
    assert len(shell.house.stacks()) == 1
    assert [len(shell.house.exists()[kind]) for kind in ("instance", "disk", "eip")] == [1, 1, 1]

    shell.killed(deleted, "delete", name, "--yes", "--keep-disk")
    gone = shell.json("delete", name, "--yes")
    assert gone["state"] == "absent"
    shell.house.settle()
    assert shell.house.stacks() == []
    assert {kind: len(ids) for kind, ids in shell.house.exists().items()} == {"snapshot": 1}
    assert [one["id"] for one in gone["snapshots"]] == shell.house.exists()["snapshot"]
    shell.json("delete", name, "--yes", "--snapshots")


def test_what_is_deployed_outlives_every_kill(shell: Shell) -> None:
    """Stop, start and update, each killed and typed again: one stack, one machine, and what was asked for is so."""
    name = "between"
    shell.json(*deploy(shell, name))
    shell.died("stop.sent", "ops", "stop", name)
    assert shell.json("ops", "stop", name)["stopped_mode"] == "StopCharging"
    shell.died("start.sent", "ops", "start", name)
    assert shell.json("ops", "start", name)["state"] == "running"
    shell.house.driver.answers = lambda _: RunResult(0, b"{}")
    rotate = ("ops", "rotate-password", name, "--keep-token")  # the light service takes every token
    shell.died("rotate.sent", *rotate)
    assert shell.json(*rotate)["in_force"]
    for number, point in enumerate(("schedule.begun", "schedule.cancelled")):
        week = ("ops", "schedule", "--name", name, "--stop", f"daily 2{number}:00", "--start", f"daily 0{number}:00")
        if number:
            shell.json(*week[:-1], "daily 09:00")
        shell.died(point, *week)
        assert shell.json(*week)["stop"]["cron"].startswith(f"0 0 2{number} ")
        waiting = [one for one in shell.house.cloud_house.store.find("oos_execution") if one["Status"] == "Waiting"]
        assert len(waiting) == 2, "one that starts, one that stops, however often it was killed"
    for number, point in enumerate(point for point in BETWEEN if point.startswith("update.")):
        change = ("update", name, "--bandwidth", str(20 + number), "--yes")
        shell.killed(point, *change)
        shell.json(*change)
        shell.house.settle()
        addresses = shell.house.cloud_house.store.find("eip")
        assert [one["Bandwidth"] for one in addresses] == [str(20 + number)]
        assert len(shell.house.stacks()) == 1
    assert shell.json("status", name)["state"] == "running"
    shell.json("delete", name, "--yes")


def test_a_bake_outlives_every_kill(shell: Shell) -> None:
    """One image, made once, with nothing of its node left; and it goes with its snapshot."""
    shell.house.driver.answers = lambda _: RunResult(0, b"{}")
    bake = ("image", "bake", "--name", "light", "--region", REGION, "--instance-type", TYPE, "--yes")
    for point in BAKE[:-1]:
        shell.killed(point, *bake)
    baked = shell.json(*bake)
    shell.house.settle()
    assert shell.house.stacks() == []
    assert {kind: len(ids) for kind, ids in shell.house.exists().items()} == {"snapshot": 1}
    assert [one["image_id"] for one in shell.json("image", "list", "--region", REGION)] == [baked["image_id"]]
    delete = ("image", "delete", baked["image_id"], "--region", REGION, "--yes")
    shell.killed(BAKE[-1], *delete)
    assert shell.json(*delete)["snapshots"] == baked["snapshots"]
    assert shell.json("image", "list", "--region", REGION) == []


def test_what_is_told_to_a_person(shell: Shell) -> None:
    """The commands that only look, as a person reads them: no traceback, and the words that matter."""
    shell.json(*deploy(shell, "look"))
    words = {
        ("list",): ("COST", "CNY/h", "look"),
        ("status", "look"): ("running", "login.json", "made-up price"),
        ("events", "look"): ("planned and confirmed", "CREATE_COMPLETE", "ready: a picture was made"),
        ("events", "look", "--follow"): ("ready: a picture was made",),
        ("cost", "look"): ("So far", "instance", "made-up prices"),
        ("doctor", "--instance-type", TYPE): ("permissions", "quotas", "stock", "balance"),
    }
    for command, expected in words.items():
        done = shell.run(*command)
        assert done["code"] == 0, done
        assert "Traceback" not in done["err"], done
        for word in expected:
            assert word in done["out"], f"{command}: {word!r} is not in\n{done['out']}"
    shell.json("delete", "look", "--yes")
