"""Logs of a node, read by real shell commands in a folder that plays it, in answers as short as Cloud Assistant's."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from garret.errors import OperationError, UsageError
from garret.ops.cloud import Cloud
from garret.ops.logs import SOURCES, Log, console_of, follow, journal_of, log_of
from garret.ops.records import CommandResult
from tests.ops.fake import FakeClock, World, cloud_of, deployment_in
from tests.ops.test_status import deployed

OUTPUT_LIMIT = 24 * 1024


@dataclass
class ShellAssistant:
    """Runs commands in a shell on this machine, with the node's folder for its prefix; keeps 24 KB of what they say."""

    folder: Path
    asked: int = 0
    path: str = "/usr/bin:/bin"

    def reachable(self, instance_id: str) -> bool:
        """Always."""
        return bool(instance_id)

    def send_file(self, instance_id: str, path: str, content: bytes, *, mode: str = "0600") -> None:
        """Carry nothing."""
        raise NotImplementedError(path)

    def run(self, instance_id: str, command: str, *, timeout_s: int = 60) -> CommandResult:  # noqa: ARG002
        """Run it."""
        self.asked += 1
        environment = {"GARRET_PREFIX": str(self.folder), "PATH": self.path}
        done = subprocess.run(
            ["/bin/sh", "-c", command], env=environment, capture_output=True, timeout=timeout_s, check=False
        )
        said = (done.stdout + done.stderr)[-OUTPUT_LIMIT:].decode("utf-8", "replace")
        return CommandResult("Success" if done.returncode == 0 else "Failed", done.returncode, said)


@dataclass
class Shelf:
    """A deployed node's folder, and the cloud that reaches it."""

    cloud: Cloud
    folder: Path
    home: Path

    def write(self, text: str, name: str = "garret/bootstrap.log") -> None:
        """Append to a log."""
        path = self.folder / "var/log" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(text)

    def enter(self, step: str, state: str) -> None:
        """Append to the journal."""
        path = self.folder / "var/lib/garret/bootstrap.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(json.dumps({"at": "2027-01-15T08:00:00+00:00", "step": step, "state": state}) + "\n")

    def log(self, source: str = "bootstrap") -> Log:
        """One of its logs."""
        return log_of(self.cloud, deployment_in(self.home), source)


@pytest.fixture
def shelf(world: World, tmp_path: Path) -> Shelf:
    """A deployment whose node is a folder."""
    deployed(world, tmp_path / "home")
    cloud = replace(cloud_of(world), assistant=ShellAssistant(tmp_path / "node"))
    return Shelf(cloud, tmp_path / "node", tmp_path / "home")


def test_the_last_lines_are_shown_however_long_they_are(shelf: Shelf) -> None:
    """Beyond what one answer carries they come in pieces; no letter is torn between two."""
    lines = [f"{number:04d} {'häuser ' * 20}" for number in range(1000)]
    shelf.write("\n".join(lines) + "\n")
    log = shelf.log()
    assert log.last(600) == [line.rstrip() if line.endswith("\n") else line for line in lines[-600:]]
    assert isinstance(shelf.cloud.assistant, ShellAssistant)
    assert shelf.cloud.assistant.asked >= 6
    assert shelf.log().last(3) == lines[-3:]


def test_what_is_new_comes_in_whole_lines_until_the_bootstrap_ends(shelf: Shelf) -> None:
    """A half-written line waits for its end."""
    shelf.write("one\ntwo\n")
    shelf.enter("ensure_x", "running")
    log = shelf.log()
    assert log.last(1) == ["two"]
    clock = shelf.cloud.clock
    assert isinstance(clock, FakeClock)
    steps = iter([lambda: shelf.write("thr"), lambda: shelf.write("ee\nfour\n"), lambda: shelf.enter("signal", "done")])
    clock.on_sleep = lambda: next(steps)()  # noqa: PLW0108 - another one each time
    assert list(follow(log)) == ["three", "four"]
    assert [entry["step"] for entry in journal_of(shelf.cloud.assistant, "i-1")] == ["ensure_x", "signal"]


def test_a_failed_bootstrap_is_over(shelf: Shelf) -> None:
    """Nothing more is waited for."""
    shelf.write("one\n")
    shelf.enter("ensure_x", "failed")
    log = shelf.log()
    log.last(5)
    shelf.write("two\n")
    assert list(follow(log)) == ["two"]


def test_service_and_nginx_have_logs_of_their_own(shelf: Shelf) -> None:
    """On a process node in files; one that is not there is told with what else there is."""
    shelf.write("uvicorn runs\n", "garret.service.log")
    assert shelf.log("service").last(5) == ["uvicorn runs"]
    with pytest.raises(OperationError, match="has no log of nginx yet") as refused:
        shelf.log("nginx").last(5)
    assert "garret logs --service" in refused.value.hint
    shelf.write("GET / 200\n", "nginx/access.log")
    shelf.write("upstream is down\n", "nginx/error.log")
    assert shelf.log("nginx").last(5) == ["GET / 200", "upstream is down"]


def test_a_node_that_does_not_run_or_is_gone_is_told(shelf: Shelf, world: World) -> None:
    """With what to type."""
    instance = next(iter(world.instances))
    world.instances[instance] = replace(world.instances[instance], status="Stopped")
    with pytest.raises(UsageError, match="is Stopped, and only one that runs") as refused:
        shelf.log()
    assert refused.value.hint == "garret ops start"
    world.console = "Linux\nboots\n"
    assert console_of(shelf.cloud, deployment_in(shelf.home), 1) == ["boots"]
    world.instances.clear()
    with pytest.raises(UsageError, match="has no machine now"):
        shelf.log()


def test_a_node_whose_agent_is_silent_leads_to_its_console(world: World, shelf: Shelf) -> None:
    """Cloud Assistant needs an agent on the machine; the console does not."""
    log = Log(cloud_of(world), "i-1", SOURCES["bootstrap"])
    with pytest.raises(OperationError, match="cannot be asked for its log") as refused:
        log.last(1)
    assert refused.value.exit_code == 1


def test_the_gpu_is_shown_as_it_is_and_then_what_its_driver_said(shelf: Shelf) -> None:
    """A program that is not there is said in words; followed, only what is new comes."""
    assert shelf.log("gpu").last(5)[0] == "this node has no NVIDIA driver"
    tools = shelf.folder / "bin"
    tools.mkdir(parents=True)
    for name, text in (
        ("nvidia-smi", "#!/bin/sh\necho NVIDIA A10\n"),
        ("journalctl", f"#!/bin/sh\ncat {shelf.folder}/kernel\n"),
    ):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    (shelf.folder / "kernel").write_text("a usb stick\nNVRM: Xid (PCI:0000:00:07): 79, GPU has fallen off the bus.\n")
    assert isinstance(shelf.cloud.assistant, ShellAssistant)
    shelf.cloud.assistant.path = f"{tools}:/usr/bin:/bin"
    log = shelf.log("gpu")
    assert log.last(5) == ["NVIDIA A10", "NVIDIA A10", "NVRM: Xid (PCI:0000:00:07): 79, GPU has fallen off the bus."]
    with (shelf.folder / "kernel").open("a") as file:
        file.write("a key\nnvidia 0000:00:07.0: loaded\n")
    assert log.new() == ["nvidia 0000:00:07.0: loaded"]
