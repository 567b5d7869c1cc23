"""From user-data to a signal, through real processes: only the machine, the stack and the service are small."""

from __future__ import annotations

import json
import shlex
import shutil
import socket
import subprocess
import urllib.request
from pathlib import Path

import pytest

from garret.image_bootstrap.bundle import Bundle
from garret.image_bootstrap.steps import STEPS
from tests.image_bootstrap.machine import Machine, Stack, config_for, free_port, tiny_bundle


def test_user_data_and_chunks_become_an_answering_service_and_a_signal(
    machine: Machine, stack: Stack, bundle: Bundle
) -> None:
    """The whole first boot: files, chunks, steps, unit, answer, SUCCESS with the facts to pin."""
    port = free_port()
    commands = machine.apply(config_for(bundle, port), stack.command)
    machine.receive(bundle)
    done = machine.run(commands)
    assert done.returncode == 0, done.stdout + done.stderr
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
        assert json.load(answer)["status"] == "ok"
    (heard,) = stack.heard
    assert (heard["status"], heard["region"]) == ("SUCCESS", "cn-hangzhou")
    facts = json.loads(heard["data"])
    assert facts["service"] == {"host": "127.0.0.1", "port": port, "scheme": "http"}
    assert facts["driver"] == "process"
    assert facts["device"] == "cpu"
    assert [step for step, _ in machine.journal()] == [
        "ensure_resume",
        "ensure_bundle",
        *(step.__name__ for step in STEPS),
        "signal",
    ]
    states = dict(machine.journal())
    assert [step for step, state in states.items() if state == "skipped"] == [
        "ensure_user",
        "ensure_packages",
        "ensure_certificate",
        "ensure_front",
        "ensure_gpu",
        "ensure_python",
        "ensure_cuda",
        "ensure_compiled",
        "ensure_acme",
    ]


def test_the_second_run_changes_nothing(machine: Machine, stack: Stack, bundle: Bundle) -> None:
    """Every step is idempotent: no file changes, no service restarts, no second signal, no chunks needed."""
    commands = machine.apply(config_for(bundle, free_port()), stack.command)
    machine.receive(bundle)
    assert machine.run(commands).returncode == 0
    before = machine.snapshot()
    calls_before = (machine.disk / "systemctl.log").read_text().splitlines()
    done = machine.run(commands)
    assert done.returncode == 0, done.stdout + done.stderr
    assert machine.snapshot() == before
    calls = (machine.disk / "systemctl.log").read_text().splitlines()[len(calls_before) :]
    assert calls == ["is-active garret.service"]
    assert len(stack.heard) == 1


def test_another_address_at_the_next_boot_restarts_the_service_there(
    machine: Machine, stack: Stack, bundle: Bundle
) -> None:
    """The unit that resumes at boot notices what changed while the node was off."""
    port = free_port("127.88.0.9")
    commands = machine.apply(config_for(bundle, port), stack.command)
    machine.receive(bundle)
    assert machine.run(commands).returncode == 0
    (machine.disk / "run/garret/address").write_text("127.88.0.9")
    assert machine.run(commands).returncode == 0
    with urllib.request.urlopen(f"http://127.88.0.9:{port}/healthz", timeout=5) as answer:
        assert answer.status == 200


def test_the_unit_that_resumes_is_enabled_before_the_bundle_arrives(
    machine: Machine, stack: Stack, bundle: Bundle
) -> None:
    """cloud-init will not run user-data again, so a reboot while waiting must find our unit."""
    commands = machine.apply(config_for(bundle, free_port(), bundle_wait_s=0), stack.command)
    assert machine.run(commands).returncode == 1
    unit = machine.disk / "etc/systemd/system/garret-bootstrap.service"
    assert (machine.disk / "etc/systemd/system/multi-user.target.wants/garret-bootstrap.service").resolve() == unit
    line = next(line for line in unit.read_text().splitlines() if line.startswith("ExecStart="))
    again = shlex.split(line.partition("=")[2].replace("$$", "$"))
    machine.receive(bundle)
    assert machine.run([again]).returncode == 0
    assert [heard["status"] for heard in stack.heard] == ["FAILURE", "SUCCESS"]


def test_a_power_cut_before_anything_of_ours_ran_finds_the_unit_wanted(machine: Machine, bundle: Bundle) -> None:
    """The user-data's files alone are enough: the target wants the unit before there is a link."""
    machine.apply(config_for(bundle, free_port()), "")
    units = machine.disk / "etc/systemd/system"
    assert (units / "multi-user.target.d/garret.conf").read_text() == "[Unit]\nWants=garret-bootstrap.service\n"
    assert "first_stage.py" in (units / "garret-bootstrap.service").read_text()


def test_a_bundle_that_does_not_come_is_reported_with_how_much_is_there(
    machine: Machine, stack: Stack, bundle: Bundle
) -> None:
    """The stack hears which step failed, why, and what to do."""
    commands = machine.apply(config_for(bundle, free_port(), bundle_wait_s=1), stack.command)
    machine.receive(bundle)
    last = sorted((machine.disk / "var/lib/garret/incoming").iterdir())[-1]
    kept = bundle.size - last.stat().st_size
    last.unlink()
    assert machine.run(commands).returncode == 1
    (heard,) = stack.heard
    assert heard["status"] == "FAILURE"
    assert heard["reason"].startswith(f"ensure_bundle: {kept} of {bundle.size} bytes of the runtime arrived within 1 s")


def test_one_wrong_byte_is_refused_and_the_chunks_are_deleted(machine: Machine, stack: Stack, bundle: Bundle) -> None:
    """Nothing of a bundle with another hash is unpacked or kept."""
    commands = machine.apply(config_for(bundle, free_port()), stack.command)
    machine.receive(bundle)
    incoming = machine.disk / "var/lib/garret/incoming"
    chunk = sorted(incoming.iterdir())[0]
    chunk.write_bytes(bytes([chunk.read_bytes()[0] ^ 1]) + chunk.read_bytes()[1:])
    assert machine.run(commands).returncode == 1
    assert list(incoming.iterdir()) == []
    assert not (machine.disk / "opt/garret/current").exists()
    assert ("ensure_bundle", "failed") in machine.journal()
    assert "it was deleted" in stack.heard[0]["reason"]


def test_a_bundle_in_the_image_needs_no_chunks(machine: Machine, stack: Stack, bundle: Bundle) -> None:
    """A baked image brings the bundle; its hash is checked all the same."""
    place = machine.disk / "usr/share/garret/bundle"
    place.mkdir(parents=True)
    (place / f"{bundle.sha256}.tar.xz").write_bytes(bundle.data)
    commands = machine.apply(config_for(bundle, free_port(), bundle_wait_s=0), stack.command)
    assert machine.run(commands).returncode == 0


@pytest.mark.parametrize("taken", ["127.0.0.1", "0.0.0.0"])  # noqa: S104
def test_a_busy_port_is_named_with_its_address(machine: Machine, stack: Stack, bundle: Bundle, taken: str) -> None:
    """The reason says which address and port, and what to do; the service is never started."""
    with socket.socket() as other:
        other.bind((taken, 0))
        other.listen()
        port = other.getsockname()[1]
        commands = machine.apply(config_for(bundle, port), stack.command)
        machine.receive(bundle)
        assert machine.run(commands).returncode == 1
    reason = stack.heard[0]["reason"]
    assert reason.startswith(f"ensure_service: 127.0.0.1:{port} is already in use on this machine; stop the program")
    assert not (machine.disk / "garret.service.pid").exists()


def test_a_failed_bootstrap_is_finished_by_the_next_run(machine: Machine, stack: Stack, bundle: Bundle) -> None:
    """Once the cause is gone, the same command goes on where it stopped and signals SUCCESS."""
    commands = machine.apply(config_for(bundle, free_port()), stack.command)
    machine.receive(bundle)
    demo = machine.disk / "usr/share/garret/demo-model"
    shutil.move(demo, machine.disk / "away")
    assert machine.run(commands).returncode == 1
    assert "bundle brings the demo model" in stack.heard[0]["reason"]
    shutil.move(machine.disk / "away", demo)
    assert machine.run(commands).returncode == 0
    assert [heard["status"] for heard in stack.heard] == ["FAILURE", "SUCCESS"]


def test_a_service_that_dies_at_its_start_fails_the_bootstrap(machine: Machine, stack: Stack, tmp_path: Path) -> None:
    """The node does not wait a quarter of an hour for a service that has given up."""
    bundle = tiny_bundle(tmp_path / "package", "raise SystemExit('no such engine')")
    commands = machine.apply(config_for(bundle, free_port()), stack.command)
    machine.receive(bundle)
    assert machine.run(commands).returncode == 1
    assert stack.heard[0]["reason"].startswith("ensure_answering: the service stopped (inactive) before it answered")


def test_a_node_with_an_unreadable_configuration_says_so(machine: Machine, stack: Stack, bundle: Bundle) -> None:
    """Whatever breaks, the stack hears of it."""
    commands = machine.apply(config_for(bundle, free_port()), stack.command)
    (machine.disk / "var/lib/garret/node.json").write_text("{")
    assert machine.run(commands).returncode == 1
    assert stack.heard[0]["status"] == "FAILURE"
    assert "first stage: JSONDecodeError" in stack.heard[0]["reason"]


def test_two_bootstraps_do_not_work_at_the_same_time(machine: Machine, stack: Stack, bundle: Bundle) -> None:
    """The second one sees the first one's lock, which outlives the change of programs, and leaves."""
    commands = machine.apply(config_for(bundle, free_port()), stack.command)
    first = subprocess.Popen(commands[0], env=machine.environment, stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout is not None
        first.stdout.readline()
        second = machine.run(commands)
        assert (second.returncode, second.stdout.strip()) == (
            0,
            "another bootstrap is at work on this node; leaving it alone",
        )
        machine.receive(bundle)
        first.communicate(timeout=30)
        assert first.returncode == 0
    finally:
        first.kill()
        first.communicate()
    assert [heard["status"] for heard in stack.heard] == ["SUCCESS"]


def old_pythons() -> list[str]:
    """Interpreters of this machine that are older than the runtime's, as the images' own may be."""
    names = ("python3.9", "python3.10")
    found = [path for name in names if (path := shutil.which(name))]
    found += [str(path) for name in names for path in Path.home().glob(f".pyenv/versions/*/bin/{name}")]
    return [
        path for path in found if subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0
    ]


if OLD_PYTHONS := old_pythons():  # without one, what is left is the grammar's test in test_first_stage.py

    @pytest.mark.parametrize("python", OLD_PYTHONS)
    def test_both_stages_run_under_an_old_python(machine: Machine, stack: Stack, bundle: Bundle, python: str) -> None:
        """To the end, with a service that asks for no more: what a node runs before its environment is there is old."""
        machine.environment["GARRET_PYTHON"] = python
        commands = machine.apply(config_for(bundle, free_port()), stack.command)
        machine.receive(bundle)
        done = machine.run(commands)
        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads(stack.heard[0]["data"])["python"].startswith(("3.9.", "3.10."))
