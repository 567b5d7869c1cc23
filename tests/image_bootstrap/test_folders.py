"""Folders that the service's user may change: what it plants there does not lead root anywhere else."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

import pytest

from garret.image_bootstrap.first_stage import StepFailed
from garret.image_bootstrap.folders import entered
from garret.image_bootstrap.steps import machine as steps
from garret.image_bootstrap.steps.machine import ensure_directories, ensure_user
from garret.image_bootstrap.steps.models import ensure_models
from tests.image_bootstrap.machine import Machine
from tests.image_bootstrap.test_steps import WholeMachine, node_on

SERVICE = pwd.getpwnam("daemon")
"""Plays the service's user: every Debian has it, with a group of its name."""
TARGET = "home/models/Stable-diffusion/demo.safetensors"


@pytest.fixture(autouse=True)
def service_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is added to this machine."""
    monkeypatch.setattr(steps, "SERVICE_USER", SERVICE.pw_name)


def facts(path: Path) -> tuple[int, int, int]:
    """Owner, group and mode."""
    status = path.stat()
    return status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)


def boot(machine: Machine) -> None:
    """The steps that have to do with these folders, as root does them at every boot."""
    node = node_on(machine, host_class=WholeMachine)
    for step in (ensure_directories, ensure_user, ensure_models):
        step(node)


def test_root_gives_the_service_its_folders_and_no_more(machine: Machine) -> None:
    """Their owner and mode are put right at every boot; what lies above them stays root's."""
    boot(machine)
    (machine.disk / "home/models/Lora").chmod(0o777)
    os.chown(machine.disk / "home/models/VAE", 0, 0)
    boot(machine)
    for folder in ("home/models", "home/models/Lora", "home/models/VAE", "home/embeddings", "var/lib/garret/service"):
        assert facts(machine.disk / folder) == (SERVICE.pw_uid, SERVICE.pw_gid, 0o750)
    assert facts(machine.disk / "home")[0] == 0
    assert facts(machine.disk / "var/lib/garret")[::2] == (0, 0o711)


@pytest.mark.parametrize(
    "planted",
    ["home/models/Lora", "home/models/VAE", "home/models", "home/extensions", "var/lib/garret/service/pictures"],
)
def test_a_link_in_a_folder_s_place_makes_nobody_its_owner(machine: Machine, planted: str) -> None:
    """A service that was taken over would own /etc after the next boot; the step names the link and says what to do."""
    boot(machine)
    folder, prey = machine.disk / planted, machine.disk / "etc/prey"
    prey.mkdir(mode=0o755, parents=True)
    folder.rename(folder.with_name("away"))
    folder.symlink_to(prey)
    node, before = node_on(machine, host_class=WholeMachine), facts(prey)
    for step in (ensure_directories, ensure_user):
        with pytest.raises(StepFailed, match=rf"^/{planted} is a link .* mv /{planted} /{planted}\.away; systemctl"):
            step(node)
    assert facts(prey) == before
    assert list(prey.iterdir()) == []


def test_a_file_in_a_folder_s_place_is_told_like_a_link(machine: Machine) -> None:
    """And neither is one that leads nowhere made true."""
    boot(machine)
    lora, nowhere = machine.disk / "home/models/Lora", machine.disk / "etc/nowhere"
    lora.rmdir()
    lora.touch()
    with pytest.raises(StepFailed, match=r"^/home/models/Lora is a link or a file"):
        boot(machine)
    lora.unlink()
    lora.symlink_to(nowhere)
    with pytest.raises(StepFailed, match=r"^/home/models/Lora is a link or a file"):
        boot(machine)
    assert not nowhere.exists()


def test_the_demo_model_is_the_service_s_and_written_through_no_link(machine: Machine) -> None:
    """Not through one of its name, nor of the name that a copy of it used to begin with."""
    boot(machine)
    target, prey = machine.disk / TARGET, machine.disk / "etc/prey"
    assert facts(target) == (SERVICE.pw_uid, SERVICE.pw_gid, 0o644)
    prey.write_bytes(b"secret!")
    prey.chmod(0o600)
    before = facts(prey)
    target.unlink()
    for planted in (target, target.with_name(target.name + ".new")):
        planted.symlink_to(prey)
    boot(machine)
    assert (prey.read_bytes(), facts(prey)) == (b"secret!", before)
    assert not target.is_symlink()
    assert (target.read_bytes(), facts(target)) == (b"weights", (SERVICE.pw_uid, SERVICE.pw_gid, 0o644))


def test_the_demo_model_goes_into_no_folder_that_a_link_leads_to(machine: Machine) -> None:
    """Planted between the steps."""
    boot(machine)
    folder, prey = machine.disk / "home/models/Stable-diffusion", machine.disk / "etc/prey"
    prey.mkdir(parents=True)
    folder.rename(folder.with_name("away"))
    folder.symlink_to(prey)
    with pytest.raises(StepFailed, match=r"^/home/models/Stable-diffusion is a link"):
        ensure_models(node_on(machine, host_class=WholeMachine))
    assert list(prey.iterdir()) == []


def test_a_copy_that_breaks_off_leaves_nothing(machine: Machine, tmp_path: Path) -> None:
    """A pipe in the target's place is not waited for either: it is replaced."""
    host = node_on(machine).host
    target = host.path("/home/models/Lora/x")
    target.parent.mkdir(parents=True)
    with pytest.raises(FileNotFoundError):
        host.copy(tmp_path / "missing", "/home/models/Lora/x")
    assert list(target.parent.iterdir()) == []
    os.mkfifo(target)
    (tmp_path / "source").write_text("text")
    assert host.copy(tmp_path / "source", "/home/models/Lora/x", 0o600)
    assert not host.copy(tmp_path / "source", "/home/models/Lora/x", 0o600)
    assert (target.read_text(), facts(target)[2]) == ("text", 0o600)
    assert list(target.parent.iterdir()) == [target]


def test_a_handle_is_of_what_was_opened_and_not_of_what_the_name_means_later(tmp_path: Path) -> None:
    """What is planted while root is at work comes too late."""
    (tmp_path / "etc").mkdir()
    with entered(tmp_path, "/home/models/Lora", 0o700) as handle:
        lora = tmp_path / "home/models/Lora"
        lora.rename(lora.with_name("away"))
        lora.symlink_to(tmp_path / "etc")
        os.fchmod(handle, 0o750)
    assert facts(tmp_path / "home/models/away")[2] == 0o750
    assert facts(tmp_path / "etc")[2] != 0o750
