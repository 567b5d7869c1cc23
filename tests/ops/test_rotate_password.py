"""Another password and token on a real service and a real garret-node: at once, for good, and through no open text."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from garret.errors import NodeFailed, OperationError, SpecError, UsageError
from garret.ops.crash import Crash
from garret.ops.deployment import NEXT_FILE, SECRET_FILES, Deployment, Login, same_password
from garret.ops.endpoint import endpoint_at
from garret.ops.rotate_password import login_of, password_for, run
from garret.ops.work import Work
from garret.service_runtime.passwords import hash_password, hash_token
from garret.service_runtime.settings import write_env_file
from tests.ops.fake import Killed, Listener, World, cloud_of, deployment_in, killed
from tests.ops.node_shell import ShellNode
from tests.ops.test_status import deployed
from tests.service_runtime.living import Service, fake_settings, serving

OLD, NEW = "Old-password-1", "New-passw0rd-2"


@dataclass
class House:
    """A deployment with a service that runs, and the node's disk."""

    deployment: Deployment
    world: World
    node: ShellNode
    service: Service

    @property
    def login(self) -> Login:
        """What this machine knows."""
        login = self.deployment.login
        assert login
        return login

    def rotate(self, secret: str = NEW, at: str = "", **asked: bool) -> dict[str, Any]:
        """Rotate both, unless something else is asked."""
        parameters = {"password": True, "token": True, "generated": False} | asked
        cloud = replace(cloud_of(self.world), assistant=self.node)
        secrets = {"password": secret} if parameters["password"] else {}
        return run(Work(cloud, self.deployment, Listener(), Crash(at, killed), parameters, secrets))

    def opens(self, login: Login, password: str) -> tuple[bool, bool]:
        """Whether its token, and the password, open the service."""
        return endpoint_at(login).takes(), endpoint_at(login).takes("admin", password)


@pytest.fixture
def house(world: World, tmp_path: Path) -> Iterator[House]:
    """A deployment as it is after `garret deploy`, with a service of its own."""
    deployed(world, tmp_path / "home")
    deployment = deployment_in(tmp_path / "home")
    root = tmp_path / "node"
    (root / "etc/garret").mkdir(parents=True)
    before = login_of(deployment)
    settings = fake_settings(
        root, login="admin", password_hash=hash_password(OLD), token_hashes=(hash_token(before.token),),
        login_file=str(root / "etc/garret/login.json"),
    )  # fmt: skip
    (root / "etc/garret/service.env").write_text(write_env_file(settings.to_env()))
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "garret-node").write_text(f'#!/bin/sh\nexec {sys.executable} -m garret.service_runtime.node "$@"\n')
    (programs / "garret-node").chmod(0o755)
    known = {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    with serving(settings) as service:
        where = f"http://{service.host}:{service.port}"
        opened = replace(before, login="admin", password_hash=hash_password(OLD), password=OLD, tls_sha256="")
        deployment.keep_login(replace(opened, endpoint=where))
        yield House(deployment, world, ShellNode(root, known), service)


def test_both_are_others_at_once_and_the_service_is_the_same(house: House) -> None:
    """The old ones open nothing any more; no process was started anew, so no job was lost."""
    before, process = house.login, house.service.process.pid
    assert house.opens(before, OLD) == (True, True)
    facts = house.rotate()
    assert facts == {
        "name": "garret", "login": "admin", "changed": ["password", "token"], "in_force": True, "password_kept": False,
    }  # fmt: skip
    after = house.login
    assert house.opens(after, NEW) == (True, True)
    assert house.opens(before, OLD) == (False, False)
    assert house.service.process.pid == process
    assert house.service.process.poll() is None
    assert after.token != before.token
    assert same_password(after, NEW)
    assert after.password == ""
    assert not (house.deployment.journal.folder / NEXT_FILE).exists()


def test_the_jobs_of_before_are_still_its_own(house: House) -> None:
    """The new token sees what the old one made."""
    header = {"Authorization": f"Bearer {house.login.token}", "Content-Type": "application/json"}
    assert (
        house.service.call("POST", "/sdapi/v1/txt2img", {"width": 64, "height": 64, "steps": 1}, **header).status == 200
    )
    jobs = house.service.call("GET", "/v1/jobs", **header).json
    house.rotate()
    header["Authorization"] = f"Bearer {house.login.token}"
    assert house.service.call("GET", "/v1/jobs", **header).json == jobs != []


def test_one_of_them_alone(house: House) -> None:
    """The other stays."""
    before = house.login
    house.rotate(token=False)
    assert house.login.token == before.token
    assert house.opens(house.login, NEW) == (True, True)
    house.rotate(password=False)
    assert house.login.token != before.token
    assert house.opens(house.login, NEW) == (True, True)


def test_nothing_secret_is_in_a_command_or_a_file_of_the_node(house: House) -> None:
    """Defect 2 of the originals: passwords in Cloud Assistant's texts. Only salted hashes leave this machine."""
    house.rotate(generated=True)
    assert house.login.password == NEW  # of one that was made, this machine keeps the text, as deploy does
    secrets = (NEW, OLD, house.login.token)
    said = [text.encode() for text in house.node.commands] + list(house.node.files.values())
    kept = [path.read_bytes() for path in house.node.folder.rglob("*") if path.is_file()]
    assert said
    assert not [1 for secret in secrets for text in (*said, *kept) if secret.encode() in text]
    assert not list((house.node.folder / "var/lib/garret/requests").iterdir())


@pytest.mark.parametrize(
    "password", ["It's-1-quote", 'Two"quotes1', "Pipe|and&amp1", "Back`tick$(id)1", "-n Slash\\1/"]
)
def test_no_character_of_a_password_breaks_it(house: House, password: str) -> None:
    """Defect 2 of the originals: a quote broke the shell, a bar or an ampersand the sed."""
    house.rotate(password)
    assert house.opens(house.login, password) == (True, True)


def test_killed_after_the_node_has_heard_nobody_is_shut_out(house: House) -> None:
    """The new login lay on this machine's disk before; given again, the verb finds it and goes on."""
    before = house.login
    with pytest.raises(Killed):
        house.rotate(at="rotate.sent")
    assert house.login == before
    begun = json.loads((house.deployment.journal.folder / NEXT_FILE).read_text())
    assert (house.deployment.journal.folder / NEXT_FILE).stat().st_mode & 0o777 == 0o600
    house.rotate()
    assert house.login.token == begun["token"]
    assert house.opens(house.login, NEW) == (True, True)


@pytest.mark.parametrize("asked", [{"password": False}, {"token": False}])
def test_what_an_attempt_left_changes_nothing_that_is_not_asked_for(house: House, asked: dict[str, bool]) -> None:
    """Both were to be others, and it broke off; then only one is: the other one stays what it was."""
    before = house.login
    with pytest.raises(Killed):
        house.rotate("Another-word-3", at="rotate.sent")
    house.rotate(**asked)
    assert (house.login.token == before.token) == ("token" in asked)
    assert (house.login.password_hash == before.password_hash) == ("password" in asked)
    assert house.opens(house.login, OLD if "password" in asked else NEW) == (True, True)


def test_a_delete_forgets_what_an_attempt_left(house: House) -> None:
    """Else the next deployment of this name would be given the login of the last one."""
    assert NEXT_FILE in SECRET_FILES


def test_a_node_that_does_not_take_it_keeps_the_old_one(house: House) -> None:
    """What went wrong is said in its words, and this machine goes on with the login that works."""
    before = house.login
    env = house.node.folder / "etc/garret/service.env"
    env.write_text("".join(line for line in env.read_text().splitlines(True) if "LOGIN_FILE" not in line))
    with pytest.raises(NodeFailed, match="cannot change its login"):
        house.rotate()
    assert house.login == before
    assert house.opens(before, OLD) == (True, True)


def test_a_service_that_does_not_answer_takes_it_later(house: House) -> None:
    """From here it cannot be seen; the node has it."""
    house.deployment.keep_login(replace(house.login, endpoint="http://127.0.0.1:9"))
    assert house.rotate()["in_force"] is False
    assert endpoint_at(replace(house.login, endpoint=f"http://{house.service.host}:{house.service.port}")).takes()


def test_a_service_that_goes_on_with_the_old_one_is_said(house: House) -> None:
    """After so long, with what to type."""
    (house.node.folder / "etc/garret/service.env").write_text(
        (house.node.folder / "etc/garret/service.env").read_text().replace("login.json", "elsewhere.json")
    )
    with pytest.raises(OperationError, match="goes on with the old one") as refused:
        house.rotate()
    assert refused.value.hint == "garret ops restart-service"


def test_a_password_is_given_or_made(house: House) -> None:
    """One that breaks the rule, or is the one that there is, is refused before anything is asked."""
    made, generated = password_for(None, house.login)
    assert (len(made), generated) == (20, True)
    assert password_for(NEW, house.login) == (NEW, False)
    with pytest.raises(UsageError, match="it is the one"):
        password_for(OLD, house.login)
    with pytest.raises(SpecError):
        password_for("short", house.login)
