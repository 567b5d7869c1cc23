"""Baking: a node that installs and serves nothing, whose disk is then anybody's, and another node made of that."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from garret.image_bootstrap import clean
from garret.image_bootstrap.bundle import Bundle
from garret.image_bootstrap.first_stage import StepFailed
from garret.image_bootstrap.host import Host
from garret.image_bootstrap.steps import BAKED, STEPS
from tests.image_bootstrap.machine import Machine, Stack, config_for, free_port

PLANTED = "planted-secret-0123456789"
PLACES = (
    "etc/garret/node.token", "etc/garret/tls/key.pem", "etc/garret/service.env", "var/lib/garret/signal",
    "var/lib/garret/requests/one.json", "var/lib/garret/service/jobs.sqlite", "var/lib/garret/node.json.1234",
    "root/.bash_history", "root/.python_history", "root/.ssh/authorized_keys", "root/.cache/pip/http/one",
    "home/ecs-user/.bash_history", "home/ecs-user/.ssh/authorized_keys",
    "var/lib/cloud/instance/user-data.txt", "var/lib/cloud/instances/i-1/user-data.txt.i", "var/log/cloud-init.log",
    "var/log/cloud-init-output.log", "var/log/garret/bootstrap.log", "var/log/syslog", "var/log/syslog.1",
    "var/log/apt/history.log.2.gz", "var/log/journal/0123/system.journal", "var/log/nginx/access.log",
    "tmp/leftover", "tmp/.hidden", "var/tmp/leftover", "etc/ssh/ssh_host_ed25519_key",
    "usr/local/share/aliyun-assist/work/script/t-1.sh", "usr/local/share/aliyun-assist/2.2.3/log/aliyun.log",
)  # fmt: skip


@pytest.fixture
def baked(machine: Machine, stack: Stack, bundle: Bundle) -> Machine:
    """A machine that an image is to be made of, bootstrapped."""
    commands = machine.apply(config_for(bundle, free_port(), bake="garret-one"), stack.command)
    machine.receive(bundle)
    done = machine.run(commands)
    assert done.returncode == 0, done.stdout + done.stderr
    return machine


def run_clean(machine: Machine, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Clean as the operator does: with the runtime that lies on the node."""
    folder = machine.disk / "opt/garret/current"
    return subprocess.run(
        [sys.executable, "-m", "garret.image_bootstrap.clean", *arguments], cwd=folder, env=machine.environment,
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


def plant(machine: Machine) -> None:
    """Leave a secret wherever one may be left."""
    for place in PLACES:
        path = machine.disk / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{PLANTED}\n")


def holds(disk: Path, text: str) -> list[str]:
    """Every file of a disk with this text, in it or in its name."""
    files = [path for path in disk.rglob("*") if path.is_file()]
    return [str(path) for path in files if text in path.name or text.encode() in path.read_bytes()]


def test_a_baking_node_does_only_what_an_image_holds(baked: Machine, stack: Stack) -> None:
    """No login, no key, no service; the stack hears SUCCESS all the same, and no other step was left out."""
    states = dict(baked.journal())
    left = {step.__name__ for step in STEPS if step not in BAKED}
    assert {step for step in left if states[step] != "skipped"} == set()
    assert not (baked.disk / "etc/garret/service.env").exists()
    assert not (baked.disk / "etc/systemd/system/garret.service").exists()
    assert (stack.heard[0]["status"], stack.heard[0]["reason"]) == ("SUCCESS", "all that an image holds is installed")


def test_no_planted_secret_is_left(baked: Machine, stack: Stack) -> None:
    """Whatever a deployment, a machine or a person left is gone, the runtime and the models are not; twice, too."""
    plant(baked)
    for _ in range(2):
        done = run_clean(baked)
        assert done.returncode == 0, done.stdout + done.stderr
        assert holds(baked.disk, PLANTED) == []
        assert holds(baked.disk, stack.command.split("'")[-2]) == []
    said = json.loads(done.stdout)
    assert said["name"] == "garret-one"
    assert (baked.disk / "home/models/Stable-diffusion/demo.safetensors").read_bytes() == b"weights"
    assert (baked.disk / "opt/garret/current/garret/image_bootstrap/runner.py").is_file()
    assert list((baked.disk / "etc/systemd/system").rglob("garret*")) == []
    assert list((baked.disk / "var/lib/garret").iterdir()) == []


def test_a_secret_in_an_unknown_place_stops_the_bake(baked: Machine) -> None:
    """The node's own secrets are looked for everywhere, and a file that holds one is named."""
    token = "gnt_0123456789abcdefghijklmnop"
    (baked.disk / "etc/garret/node.token").write_text(token)
    (baked.disk / "etc/notes").write_text(f"the token is {token}\n")
    done = run_clean(baked)
    assert done.returncode == 1
    assert "/etc/notes" in json.loads(done.stdout)["error"]
    assert token not in done.stdout


def test_a_signed_address_in_an_unknown_place_stops_the_bake(baked: Machine) -> None:
    """The address of a private model opens it to whoever has the image."""
    address = f"https://oss.example/xl.safetensors?Signature={PLANTED}"
    config = baked.disk / "var/lib/garret/node.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"model": address}))
    (baked.disk / "opt/garret/notes").write_text(f"from {address}\n")
    done = run_clean(baked)
    assert done.returncode == 1
    assert "/opt/garret/notes" in json.loads(done.stdout)["error"]
    assert PLANTED not in done.stdout


def test_what_runs_the_cleaning_is_left_to_its_owner(baked: Machine) -> None:
    """The agent's script and what it hears of it are open while this runs."""
    for name in ("aa11.sh", "aa11.out", "bb22.sh"):
        (baked.disk / "tmp").mkdir(exist_ok=True)
        (baked.disk / "tmp" / name).write_text("x")
    assert run_clean(baked, str(baked.disk / "tmp/aa11.sh")).returncode == 0
    assert sorted(path.name for path in (baked.disk / "tmp").iterdir()) == ["aa11.out", "aa11.sh"]


def test_models_are_kept_without_where_they_came_from(baked: Machine) -> None:
    """An address may be signed; a name and a hash say all that the next node asks."""
    models = [{"name": "xl", "sha256": "0" * 64, "size": 7, "from": f"https://oss.example/xl?Signature={PLANTED}"}]
    (baked.disk / "var/lib/garret/models.json").write_text(json.dumps({"order": "o", "models": models}))
    assert run_clean(baked).returncode == 0
    kept = json.loads((baked.disk / "var/lib/garret/models.json").read_text())
    assert kept == {"order": "o", "models": [{"name": "xl", "sha256": "0" * 64}]}


def test_a_node_of_the_image_needs_no_pieces(baked: Machine, stack: Stack, bundle: Bundle, tmp_path: Path) -> None:
    """Its own configuration and keys are new, the runtime is there already, and it says which image it is of."""
    assert run_clean(baked).returncode == 0
    other = Machine(tmp_path / "other")
    shutil.copytree(baked.disk, other.disk, symlinks=True, dirs_exist_ok=True)
    try:
        done = other.run(other.apply(config_for(bundle, free_port(), bundle_wait_s=0), stack.command))
        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads(stack.heard[-1]["data"])["image"] == "garret-one"
        assert dict(other.journal())["ensure_picture"] in ("done", "skipped")
    finally:
        other.switch_off()


def test_without_a_node_there_is_nothing_to_clean(tmp_path: Path) -> None:
    """A disk that was never a baking node's is refused, before anything is taken from it."""
    host = Host(tmp_path, {"GARRET_PREFIX": str(tmp_path)})
    (tmp_path / "root").mkdir()
    (tmp_path / "root/.bash_history").write_text("ls")
    with pytest.raises(StepFailed, match="no image is being made"):
        clean.clean(host)
    assert (tmp_path / "root/.bash_history").exists()
