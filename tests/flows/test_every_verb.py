"""kill -9 of the command line in every verb: the execution ends by itself, and can be rejoined.

A verb of `garret ops` is in RECIPES or in LOOKS, or a test fails: add yours, with what a person would type.
"""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from garret import demo_model
from garret.cli import OPS
from tests.flows.conftest import house_at
from tests.flows.house import DEPLOY, GARRET, House
from tests.flows.test_download_model import shelf  # noqa: F401 - a fixture
from tests.service_runtime.living import wait

pytestmark = pytest.mark.flow

LOOKS = {"logs", "executions", "export"}
"""They only look, and begin nothing."""
EXTENSION = str(Path(__file__).parents[2] / "examples" / "extension")


@dataclass(frozen=True)
class Recipe:
    """What is typed (`{shelf}` and `{sha256}` are filled in), and what must be so when its execution has ended."""

    words: tuple[str, ...]
    then: Callable[[House, dict[str, Any]], None] = lambda _house, _execution: None
    stopped: bool = False
    """Typed of a deployment that is stopped, not of one that runs."""
    typed: str = ""
    """What comes on standard input."""


def is_state(state: str) -> Callable[[House, dict[str, Any]], None]:
    """Say that `garret status` shows this state."""

    def check(house: House, _: dict[str, Any]) -> None:
        assert house.json("status")["state"] == state

    return check


def said(words: str) -> Callable[[House, dict[str, Any]], None]:
    """Say that these words are in the execution's output."""

    def check(_: House, execution: dict[str, Any]) -> None:
        assert words in json.dumps(execution["output"])

    return check


# All on one deployment, in any order.
RECIPES: dict[str, Recipe] = {
    "download-model": Recipe(
        ("--type", "checkpoint", "--url", "{shelf}/copy.safetensors", "--name", "killed", "--sha256", "{sha256}"),
        said("killed.safetensors"),
    ),
    "install-extension": Recipe((EXTENSION,), said("studio-style")),
    "extensions": Recipe(("list",), said("strangers")),
    "restart-service": Recipe((), is_state("running")),
    "run": Recipe(("--", "echo", "it went on"), said("it went on")),
    "rotate-password": Recipe(("--password-stdin",), is_state("running"), typed="Another-horse-9\n"),
    "schedule": Recipe(("--start", "sun 03:00", "--time-zone", "UTC"), said("0 0 3 ? * SUN")),
    "stop": Recipe(("--now",), is_state("stopped")),
    "start": Recipe((), is_state("running"), stopped=True),
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house with one deployment."""
    with house_at(tmp_path_factory.mktemp("verbs") / "home") as one:
        one.garret(*DEPLOY)
        yield one


def records(house: House) -> dict[str, dict[str, Any]]:
    """The executions that this machine knows, by id."""
    folder = house.home / "deployments/local/garret/executions"
    return {path.stem: json.loads(path.read_text("utf-8")) for path in folder.glob("*.json")}


def began(house: House, known: set[str]) -> str:
    """The id of an execution that was not there before; empty while there is none."""
    return next(iter(set(records(house)) - known), "")


def bring(house: House, *, stopped: bool) -> None:
    """Have the deployment stopped or running before something is typed."""
    if (house.instances()[0].status == "Stopped") != stopped:
        house.garret("ops", *(("stop", "--now") if stopped else ("start",)))


def typed(house: House, *words: str) -> subprocess.Popen[bytes]:
    """A command that somebody has just typed."""
    return subprocess.Popen(
        [GARRET, "ops", *words], env=house.environment, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        # What runs in the background of a shell is deaf to Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )  # fmt: skip


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    """How it ended, and all that it said."""
    said, _ = process.communicate(timeout=60)
    return process.returncode, said.decode()


def test_every_verb_has_its_kill() -> None:
    """A verb without a recipe is a hole here."""
    assert set(OPS) == set(RECIPES) | LOOKS


@pytest.mark.parametrize("verb", RECIPES)
def test_a_killed_command_leaves_an_execution_that_ends_by_itself(
    verb: str,
    house: House,
    shelf: str,  # noqa: F811 - pytest's way
) -> None:
    """Killed when its execution has just begun; rejoined, it is seen to end well, and what was asked for is so."""
    recipe = RECIPES[verb]
    bring(house, stopped=recipe.stopped)
    known = set(records(house))
    facts = {"shelf": shelf, "sha256": hashlib.sha256(demo_model.WEIGHTS.read_bytes()).hexdigest()}
    words = [word.format(**facts) for word in recipe.words]
    command = typed(house, verb, *words)
    assert command.stdin is not None
    command.stdin.write(recipe.typed.encode())
    command.stdin.flush()
    try:
        wait(lambda: began(house, known) or command.poll() is not None, 60, "its execution to begin")
    finally:
        command.kill()
        code, text = ended(command)
    assert code == -signal.SIGKILL, text
    identifier = began(house, known)
    rejoined = house.run("ops", "executions", "wait", identifier, "--json")
    assert rejoined.returncode == 0, rejoined.stdout + rejoined.stderr
    execution = json.loads(rejoined.stdout)
    assert (execution["status"], execution["verb"]) == ("Success", verb)
    assert execution["requested_by"].count("@") == 1
    assert not recipe.typed or recipe.typed.strip() not in json.dumps(records(house))
    recipe.then(house, execution)


def test_ctrl_c_ends_the_looking_only(house: House) -> None:
    """Exit code 130, the way to rejoin it is said, and the service is restarted all the same."""
    bring(house, stopped=False)
    known = set(records(house))
    command = typed(house, "restart-service")
    wait(lambda: began(house, known), 60, "its execution to begin")
    identifier = began(house, known)
    wait(lambda: records(house)[identifier]["status"] == "Running", 60, "it to run")
    command.send_signal(signal.SIGINT)
    code, text = ended(command)
    assert (code, f"garret ops executions wait {identifier}" in text) == (130, True), text
    assert house.json("ops", "executions", "wait", identifier)["status"] == "Success"


def test_all_places_are_listed_also_while_the_node_is_stopped(house: House) -> None:
    """What ran here and what ran on the node, the newest first, with parts and times; a stopped node is not asked."""
    bring(house, stopped=False)
    house.garret("ops", "stop", "--now")
    commands = house.asked("RunCommand")
    listed = house.run("ops", "executions", "--json")
    found = json.loads(listed.stdout)
    assert house.asked("RunCommand") == commands
    places = {one["place"] for one in found}
    assert "here" in places
    assert ("is stopped: its executions are shown as they were last seen" in listed.stderr) == ("node" in places)
    assert [one["created_at"] for one in found] == sorted((one["created_at"] for one in found), reverse=True)
    newest = house.json("ops", "executions", "show", found[0]["id"])
    assert newest["verb"] == "stop"
    [machine] = [task for task in newest["tasks"] if task["name"] == "machine"]
    assert (machine["status"], machine["seconds"] > 0) == ("Success", True)
    assert newest["output"]["stopped_mode"] == "StopCharging"
