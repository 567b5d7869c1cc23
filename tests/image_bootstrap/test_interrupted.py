"""A bootstrap that is cut off, killed, told to end or out of room: the next one goes on, or the stack hears why."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from garret.image_bootstrap.bundle import Bundle
from garret.image_bootstrap.first_stage import Journal, StepFailed, crash_point
from garret.image_bootstrap.progress import BOOT_PAGE, FIRST_STAGE, Progress
from garret.image_bootstrap.steps import STEPS
from garret.image_bootstrap.steps.times import Times, times_of
from tests.image_bootstrap.machine import TINY_SERVICE, Machine, Stack, config_for, free_port, tiny_bundle

NAMES = (*FIRST_STAGE, *(step.__name__ for step in STEPS))
NEVER_READY = TINY_SERVICE.replace('"status": "ok"', '"status": "starting"')


def boot_page(machine: Machine) -> dict[str, object]:
    """What the boot page would show."""
    return dict(json.loads((machine.disk / BOOT_PAGE).read_text()))


def test_a_node_whose_power_is_cut_before_and_after_each_step_goes_on_at_the_next_boot(
    machine: Machine, stack: Stack, bundle: Bundle
) -> None:
    """The stack hears of SUCCESS only, once; and nothing that must happen once happens twice."""
    commands = machine.apply(config_for(bundle, free_port()), stack.command)
    machine.receive(bundle)
    for name in NAMES:
        for moment in ("", ":after"):
            machine.environment["GARRET_NODE_CRASH_AT"] = f"{name}{moment}"
            done = machine.run(commands)
            assert done.returncode == -signal.SIGKILL, f"{name}{moment}\n{done.stdout}{done.stderr}"
            assert done.stdout.strip().splitlines()[-1].startswith(f"{name} running") or moment
    assert stack.heard == []
    done = machine.run(commands)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [heard["status"] for heard in stack.heard] == ["SUCCESS"]
    calls = (machine.disk / "systemctl.log").read_text().splitlines()
    assert calls.count("start garret.service") == 1
    assert (machine.disk / "pictures.log").read_text().splitlines() == ["1 pictures asked for"]
    assert list((machine.disk / "var/lib/garret/incoming").iterdir()) == []
    assert list(machine.disk.rglob("*.new")) == []
    last = boot_page(machine)
    assert (last["status"], last["step"], last["steps_done"]) == ("starting", "", last["steps_total"])


def test_a_node_dies_only_once_at_the_same_point_and_never_on_a_real_cloud(tmp_path: Path) -> None:
    """Or it would never come up; and nobody's own machine reads the variable."""
    point = {"GARRET_NODE_CRASH_AT": "ensure_x"}
    assert crash_point(point) == crash_point({**point, "GARRET_DRIVER": "cloud-init"}) == ""
    assert crash_point({**point, "GARRET_DRIVER": "namespace"}) == "ensure_x"
    deaths: list[str] = []

    class Mortal(Journal):
        def die(self) -> None:
            deaths.append("died")

    journal = Mortal(tmp_path, "ensure_x")
    journal.run("ensure_x", lambda: None)
    journal.run("ensure_x", lambda: None)
    assert deaths == ["died"]


def started(machine: Machine, commands: list[list[str]], step: str) -> subprocess.Popen[str]:
    """The bootstrap, in the middle of a step."""
    process = subprocess.Popen(commands[0], env=machine.environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(f"{step} running"):
            return process
    raise AssertionError(f"{step} was not reached")


def worker_of(process: subprocess.Popen[str]) -> int:
    """The process that does the steps."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if found := children.read_text().split():
            return int(found[0])
        time.sleep(0.01)
    raise AssertionError("no worker")


def waiting_node(machine: Machine, stack: Stack, folder: Path) -> tuple[subprocess.Popen[str], list[list[str]], Bundle]:
    """A bootstrap that waits for a service which never becomes ready."""
    bundle = tiny_bundle(folder, NEVER_READY)
    commands = machine.apply(config_for(bundle, free_port()), stack.command)
    machine.receive(bundle)
    return started(machine, commands, "ensure_answering"), commands, bundle


def test_a_worker_that_is_killed_is_told_of_by_the_one_who_waits_for_it(
    machine: Machine, stack: Stack, tmp_path: Path
) -> None:
    """As when memory runs out: FAILURE with the step that it was in."""
    process, _, _ = waiting_node(machine, stack, tmp_path)
    os.kill(worker_of(process), signal.SIGKILL)
    process.communicate(timeout=20)
    assert process.returncode == 1
    (heard,) = stack.heard
    assert heard["status"] == "FAILURE"
    said = "ensure_answering: the bootstrap was ended by SIGKILL, as the system does when memory runs out\n"
    assert heard["reason"].startswith(said)
    assert ("ensure_answering", "failed") in machine.journal()
    assert boot_page(machine)["status"] == "failed"


def test_a_bootstrap_that_is_told_to_end_fails_by_name(machine: Machine, stack: Stack, tmp_path: Path) -> None:
    """Somebody stopped the unit, and the machine goes on: nobody would finish it."""
    process, _, _ = waiting_node(machine, stack, tmp_path)
    process.terminate()
    process.communicate(timeout=20)
    (heard,) = stack.heard
    assert heard["reason"].startswith("ensure_answering: the bootstrap was told to end (SIGTERM)\n")


def test_a_shutdown_in_the_middle_is_no_failure_and_the_next_boot_goes_on(
    machine: Machine, stack: Stack, tmp_path: Path, bundle: Bundle
) -> None:
    """The same SIGTERM, but systemd says that the machine is going down."""
    process, commands, _ = waiting_node(machine, stack, tmp_path)
    (machine.disk / "run/system-state").write_text("stopping\n")
    process.terminate()
    process.communicate(timeout=20)
    assert (process.returncode, stack.heard) == (1, [])
    assert "its next boot goes on" in (machine.disk / "var/log/garret/bootstrap.log").read_text()
    (machine.disk / "run/system-state").unlink()
    machine.switch_off()
    machine.apply(config_for(bundle, free_port()), stack.command)
    machine.receive(bundle)
    assert machine.run(commands).returncode == 0
    assert [heard["status"] for heard in stack.heard] == ["SUCCESS"]


def test_the_first_stage_that_is_told_to_end_says_so(machine: Machine, stack: Stack, bundle: Bundle) -> None:
    """While it waits for the runtime, for example."""
    commands = machine.apply(config_for(bundle, free_port(), bundle_wait_s=60), stack.command)
    process = started(machine, commands, "ensure_bundle")
    process.terminate()
    process.communicate(timeout=20)
    assert stack.heard[0]["reason"].startswith("ensure_bundle: it was told to end (SIGTERM)\n")


def test_a_full_disk_is_told_by_name(machine: Machine, stack: Stack, bundle: Bundle) -> None:
    """Where the runtime has no room; and a journal without room keeps nobody from hearing of it."""
    commands = machine.apply(config_for(bundle, free_port()), stack.command)
    machine.receive(bundle)
    (machine.disk / f"var/lib/garret/incoming/{bundle.sha256}.tar.part").symlink_to("/dev/full")
    (machine.disk / "var/lib/garret/bootstrap.jsonl").symlink_to("/dev/full")
    assert machine.run(commands).returncode == 1
    (heard,) = stack.heard
    assert heard["reason"].startswith("ensure_bundle: OSError: [Errno 28] No space left on device")


def test_a_configuration_of_another_version_is_a_failure_with_its_key(
    machine: Machine, stack: Stack, bundle: Bundle
) -> None:
    """The first stage reads what it needs; the second one refuses what it does not know."""
    commands = machine.apply(config_for(bundle, free_port()), stack.command)
    machine.receive(bundle)
    file = machine.disk / "var/lib/garret/node.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "colour": "red"}))
    assert machine.run(commands).returncode == 1
    assert "node.json: colour is not known to this version" in stack.heard[0]["reason"]


def test_a_step_that_goes_on_and_on_is_ended_at_its_limit(tmp_path: Path) -> None:
    """Even one that takes its own failures for a reason to try again."""
    progress = Progress(tmp_path, ("ensure_x",), times=lambda _step: Times(0.1, 0.2))

    def stubborn() -> None:
        while True:
            with suppress(Exception):
                time.sleep(0.05)

    with pytest.raises(StepFailed, match=r"ensure_x: it did not end within 0\.2 s"):
        progress.run("ensure_x", stubborn)
    entry = json.loads(progress.path.read_text().splitlines()[-1])
    assert (entry["state"], entry["reason"]) == ("failed", "it did not end within 0.2 s")


def test_the_boot_page_says_how_far_the_node_is_and_what_is_left(tmp_path: Path) -> None:
    """By what steps usually take, and for those that were done here before, by what they took."""
    names = ("ensure_python", "ensure_models", "ensure_x")
    Journal(tmp_path).write("ensure_models", "done", 7)
    Journal(tmp_path).write(FIRST_STAGE[0], "running")
    progress = Progress(tmp_path, names)
    progress.run("ensure_x", lambda: None)
    page = json.loads((tmp_path / BOOT_PAGE).read_text())
    assert (page["status"], page["step"], page["state"]) == ("starting", "ensure_x", "done")
    assert (page["steps_done"], page["steps_total"]) == (3, 5)
    assert page["seconds_left"] == times_of("ensure_python").typical_s + 7
    assert abs(page["at"] - page["started"]) < 5
    assert (tmp_path / BOOT_PAGE).stat().st_mode & 0o777 == 0o644
    assert [path.name for path in (tmp_path / BOOT_PAGE).parent.iterdir()] == ["boot.json"]


def test_the_boot_page_hears_of_a_long_step_how_far_it_is_but_not_why_one_failed(tmp_path: Path) -> None:
    """The download's own words, without what opens something; the estimate shrinks with the time that has passed."""
    progress = Progress(tmp_path, ("ensure_models", "ensure_x"))
    typical = times_of("ensure_models").typical_s
    progress.write(
        "ensure_models", "running", typical / 2, "sdxl 3.1 of 6.9 GB from https://me:secret@host/x?key=secret"
    )
    page = json.loads((tmp_path / BOOT_PAGE).read_text())
    assert page["detail"].startswith("sdxl 3.1 of 6.9 GB from https://")
    assert "secret" not in json.dumps(page)
    assert page["seconds_left"] == typical / 2 + times_of("ensure_x").typical_s
    progress.write("ensure_models", "running", 10 * typical, "x" * 1000)
    page = json.loads((tmp_path / BOOT_PAGE).read_text())
    assert (page["seconds_left"], len(page["detail"])) == (times_of("ensure_x").typical_s, 160)
    progress.write("ensure_models", "failed", 1, "no space in /home/models")
    assert "detail" not in json.loads((tmp_path / BOOT_PAGE).read_text())


def test_every_step_has_a_limit_and_those_that_take_long_an_estimate() -> None:
    """A step that the table does not know is quick; no limit is shorter than what the step usually takes."""
    for name in NAMES:
        assert 0 < times_of(name).typical_s < times_of(name).limit_s
