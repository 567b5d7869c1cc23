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
    before: tuple[tuple[str, ...], ...] = ()
    """What is typed before it, and ends well."""
    typed: str = ""
    """What comes on standard input."""
    verb: str = ""
    """The execution's verb, where that is another word than the one typed."""


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


BRING = (
    "download-model",
    "--type",
    "checkpoint",
    "--url",
    "{shelf}/copy.safetensors",
    "--sha256",
    "{sha256}",
    "--name",
)
# All on one deployment, in any order.
RECIPES: dict[str, Recipe] = {
    "download-model": Recipe((*BRING[1:], "killed"), said("killed.safetensors")),
    "list-models": Recipe((), said("demo")),
    "verify-models": Recipe((), said("demo")),
    "remove-model": Recipe(("removed",), said("removed"), before=((*BRING, "removed"),)),
    "restore-model": Recipe(
        ("restored",), said("restored"), before=((*BRING, "restored"), ("remove-model", "restored"))
    ),
    "install-extension": Recipe((EXTENSION,), said("studio-style")),
    "extensions": Recipe(
        ("remove", "studio-style"),
        said("studio-style"),
        before=(("install-extension", EXTENSION),),
        verb="remove-extension",
    ),
    "resize": Recipe(("ecs.gn7i-c32g1.8xlarge", "--yes"), said("ecs.gn7i-c32g1.8xlarge")),
    "backup": Recipe((), said("disk_id")),
    "restore": Recipe(("--yes",), is_state("running"), before=(("backup",),)),
    "restart-service": Recipe((), is_state("running")),
    "run": Recipe(("--", "echo", "it went on"), said("it went on")),
    "ssh": Recipe(("--", "sleep", "300"), said('"closed": true')),
    "tunnel": Recipe((), said('"closed": true')),
    "rotate-password": Recipe(("--password-stdin",), is_state("running"), typed="Another-horse-9\n"),
    "autostop": Recipe(("--idle", "2h", "--delete-after", "14d"), said('"idle_s": 7200.0')),
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
    facts = {"shelf": shelf, "sha256": hashlib.sha256(demo_model.WEIGHTS.read_bytes()).hexdigest()}
    for earlier in recipe.before:
        house.garret("ops", *(word.format(**facts) for word in earlier))
    known = set(records(house))
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
    assert (execution["status"], execution["verb"]) == ("Success", recipe.verb or verb)
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
    assert ("garret is stopped; its node cannot be asked" in listed.stderr) == ("node" in places)
    assert [one["created_at"] for one in found] == sorted((one["created_at"] for one in found), reverse=True)
    # The cloud's own may be newer, such as a schedule's.
    last = next(one["id"] for one in found if one["place"] == "here")
    newest = house.json("ops", "executions", "show", last)
    assert newest["verb"] == "stop"
    [machine] = [task for task in newest["tasks"] if task["name"] == "machine"]
    assert (machine["status"], machine["seconds"] > 0) == ("Success", True)
    assert newest["output"]["stopped_mode"] == "StopCharging"


def test_exported_templates_do_on_the_node_what_the_verbs_do(
    house: House,
    shelf: str,  # noqa: F811 - pytest's way
    tmp_path: Path,
) -> None:
    """From the console, without garret: a model comes, is listed, is removed; what would run in a shell does not."""
    bring(house, stopped=False)
    machine = house.instances()[0].instance_id
    sha256 = hashlib.sha256(demo_model.WEIGHTS.read_bytes()).hexdigest()
    here = {"instanceId": machine}
    came = executed(house, "download-model", here | {
        "url": f"{shelf}/copy.safetensors", "modelName": "console", "sha256": sha256})  # fmt: skip
    assert (came.status, "console.safetensors" in came.outputs) == ("Success", True)
    assert "console" in [one["name"] for one in house.json("ops", "list-models")["models"]]
    assert came.execution_id in [one["requested_by"].removeprefix("OOS ") for one in house.json("ops", "executions")]

    mark = tmp_path / "owned"
    evil = executed(house, "download-model", here | {"url": f"https://x/$(touch {mark})`touch {mark}`';touch {mark};'"})
    assert (evil.status, mark.exists()) == ("Failed", False)

    gone = executed(house, "remove-model", here | {"modelName": "console", "force": True})
    assert gone.status == "Success"
    assert executed(house, "autostop", here | {"idleSeconds": 7200}).status == "Success"
    assert house.json("status")["autostop"]["after_s"] == 7200
    assert " ensure_bundle done" in executed(house, "logs", here | {"log": "bootstrap"}).outputs


def executed(house: House, verb: str, parameters: dict[str, Any]) -> Any:
    """Start an exported template with the official SDK, as the console does, and wait for its end."""
    from alibabacloud_oos20190601 import models

    client = house._client("alibabacloud_oos20190601")
    text = house.garret("ops", "export", verb)
    request = models.StartExecutionRequest(
        region_id="cn-hangzhou", template_content=text, parameters=json.dumps(parameters), safety_check="Skip"
    )
    id = client.start_execution(request).body.execution.execution_id
    found = models.ListExecutionsRequest(region_id="cn-hangzhou", execution_id=id)

    def look() -> Any:
        return client.list_executions(found).body.executions[0]

    wait(lambda: look().status in ("Success", "Failed", "Cancelled"), 120, "the execution to end")
    return look()
