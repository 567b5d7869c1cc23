"""Status finds one word for what there is, and says what to type."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from garret.errors import BootstrapFailed, OperationError
from garret.image_bootstrap.acme import state
from garret.ops.authority import Authority
from garret.ops.cloud import DEPLOYMENT_TAG, Instance, Stack
from garret.ops.crash import Crash
from garret.ops.deploy import Deploy, Wish
from garret.ops.deployment import Login
from garret.ops.list import list_deployments
from garret.ops.node_journal import NOW
from garret.ops.records import CommandResult
from garret.ops.standing import AUTHORITIES
from garret.ops.status import Status, certificate_text, machine_of, status
from tests.ops.fake import Killed, Listener, World, cloud_of, deployment_in, killed, small_bundle
from tests.spec.authority import AUTHORITY


def deployed(world: World, folder: Path, at: str = "") -> None:
    """Deploy, or die at a point of it."""
    wish = Wish("cn-hangzhou")
    work = Deploy(
        cloud_of(world), deployment_in(folder), wish, Listener(), lambda *_: True, Crash(at, killed), small_bundle
    )
    if at:
        with pytest.raises(Killed):
            work.run()
    else:
        work.run()


def look(world: World, folder: Path, *, answers: bool = True) -> Status:
    """The status, with a service that answers or not."""
    return status(cloud_of(world), deployment_in(folder), "cn-hangzhou", lambda _: answers)


def test_nothing_is_absent(world: World, tmp_path: Path) -> None:
    """With neither a plan nor a stack there is no deployment, also without any cloud to ask."""
    assert look(world, tmp_path).state == "absent"
    assert status(None, deployment_in(tmp_path), "cn-hangzhou").state == "absent"
    assert not tmp_path.joinpath("deployments").exists()


@pytest.mark.parametrize(
    ("point", "state"),
    [("deploy.journaled", "creating"), ("deploy.created", "creating"), ("deploy.waiting", "creating"),
     ("deploy.signalled", "running")],
)  # fmt: skip
def test_a_killed_deploy_is_explained(world: World, tmp_path: Path, point: str, state: str) -> None:
    """Wherever deploy was killed, status knows how far it is and that deploy goes on."""
    deployed(world, tmp_path, point)
    found = look(world, tmp_path)
    assert found.state == state
    assert "garret deploy" in found.next


def test_a_running_deployment_has_all_its_facts(world: World, tmp_path: Path) -> None:
    """Endpoint, login, machine, picture and price are there; the password is not."""
    deployed(world, tmp_path)
    facts = look(world, tmp_path).to_dict()
    assert facts["state"] == "running"
    assert facts["endpoint"] == world.endpoint
    assert facts["instance_id"] in world.instances
    assert facts["price_per_hour"]["made_up"] is True
    assert Path(facts["picture"]).exists()
    assert "password" not in facts


def test_the_service_itself_is_asked(world: World, tmp_path: Path) -> None:
    """Running means that the service answers where the stack says."""
    deployed(world, tmp_path)
    assert status(cloud_of(world), deployment_in(tmp_path), "cn-hangzhou").state == "running"
    assert look(world, tmp_path, answers=False).state == "unreachable"


def test_a_wrong_certificate_is_told(world: World, tmp_path: Path) -> None:
    """Somebody else at the endpoint is unreachable, with the reason."""
    deployed(world, tmp_path)

    def refuse(login: Login | None) -> bool:
        raise OperationError("another certificate", "look out")

    found = status(cloud_of(world), deployment_in(tmp_path), "cn-hangzhou", refuse)
    assert (found.state, found.why, found.next) == ("unreachable", "another certificate", "look out")


@pytest.mark.parametrize(
    ("machine", "state"),
    [("Pending", "starting"), ("Starting", "starting"), ("Stopping", "stopping"), ("Stopped", "stopped")],
)
def test_the_machine_decides(world: World, tmp_path: Path, machine: str, state: str) -> None:
    """A complete stack is what its machine is."""
    deployed(world, tmp_path)
    name, one = next(iter(world.instances.items()))
    world.instances[name] = replace(one, status=machine)
    assert look(world, tmp_path).state == state


def test_a_stop_that_is_billed_says_so(world: World, tmp_path: Path) -> None:
    """Only StopCharging ends the machine's bill."""
    deployed(world, tmp_path)
    name, one = next(iter(world.instances.items()))
    world.instances[name] = replace(one, status="Stopped", stopped_mode="StopCharging")
    assert "not billed" in look(world, tmp_path).why
    world.instances[name] = replace(one, status="Stopped", stopped_mode="KeepCharging")
    assert "still billed" in look(world, tmp_path).why


@pytest.mark.parametrize(
    ("stack", "state"),
    [("CREATE_FAILED", "failed"), ("CREATE_ROLLBACK_COMPLETE", "failed"), ("CREATE_ROLLBACK_IN_PROGRESS", "failed"),
     ("DELETE_IN_PROGRESS", "deleting"), ("DELETE_FAILED", "failed")],
)  # fmt: skip
def test_the_stack_decides_before(world: World, tmp_path: Path, stack: str, state: str) -> None:
    """A stack that is not complete is told by its own status, with its first line of reason."""
    deployed(world, tmp_path)
    name, one = next(iter(world.stacks.items()))
    world.stacks[name] = replace(one, status=stack, reason="no stock\nlong tale")
    found = look(world, tmp_path)
    assert found.state == state
    assert "long tale" not in found.why or stack.endswith("IN_PROGRESS")


@pytest.mark.parametrize("status_now", ["UPDATE_COMPLETE", "ROLLBACK_COMPLETE", "UPDATE_FAILED", "CHECK_COMPLETE"])
def test_a_stack_that_was_updated_stands(world: World, tmp_path: Path, status_now: str) -> None:
    """After an update, also one that failed, the deployment is what its machine is."""
    deployed(world, tmp_path)
    name, one = next(iter(world.stacks.items()))
    world.stacks[name] = replace(one, status=status_now)
    assert look(world, tmp_path).state == "running"
    world.stacks[name] = replace(one, status="UPDATE_IN_PROGRESS")
    assert look(world, tmp_path).state == "updating"


def test_a_stop_that_nobody_here_asked_for_is_told(world: World, tmp_path: Path) -> None:
    """Stopped by the node itself or in the console: told; stopped from here: not."""
    deployed(world, tmp_path)
    name, one = next(iter(world.instances.items()))
    world.instances[name] = replace(one, status="Stopped", stopped_mode="StopCharging")
    assert "autostop" in look(world, tmp_path).why
    deployment_in(tmp_path).journal.append("stopping", instance_id=name, economical=True)
    assert "autostop" not in look(world, tmp_path).why
    world.instances[name] = replace(one, status="Stopped", stopped_mode="KeepCharging")
    assert "to end its bill" in look(world, tmp_path).next


def test_where_the_password_is_kept_is_told(world: World, tmp_path: Path) -> None:
    """A password that was made here lies in a file; the status names the file and not the password."""
    deployed(world, tmp_path)
    found = look(world, tmp_path)
    assert found.password_file.endswith("login.json")
    login = deployment_in(tmp_path).login
    assert login is not None
    assert login.password not in str(found.to_dict())


def test_what_someone_else_took_away_is_told(world: World, tmp_path: Path) -> None:
    """A machine or a stack deleted in the console is not believed to be there."""
    deployed(world, tmp_path)
    world.instances.clear()
    assert look(world, tmp_path).state == "failed"
    world.stacks.clear()
    assert look(world, tmp_path).state == "absent"


def test_list_knows_memory_and_cloud(world: World, tmp_path: Path) -> None:
    """Deployments of this machine and of others are in one list; those that are gone are not."""
    folder = tmp_path / "deployments/local"
    assert list_deployments(folder, ["cn-hangzhou"], lambda _: cloud_of(world)) == []
    deployed(world, tmp_path)
    tags = {DEPLOYMENT_TAG: "theirs"}
    outputs = {"EndPoint": "http://127.0.0.1:9", "InstanceId": "i-theirs"}
    world.stacks["s"] = Stack("s", "garret-theirs", "CREATE_COMPLETE", tags=tags, outputs=outputs)
    world.instances["i-theirs"] = Instance("i-theirs", "Running", "t", "z", tags=tags)
    found = list_deployments(folder, ["cn-hangzhou"], lambda _: cloud_of(world))
    assert [(one.name, one.state) for one in found] == [("garret", "running"), ("theirs", "running")]
    world.stacks.pop("s")
    world.stacks.clear()
    assert list_deployments(folder, ["cn-hangzhou"], lambda _: cloud_of(world)) == []


def test_stack_machine_and_service_are_asked_at_once(world: World, tmp_path: Path) -> None:
    """Status of what runs costs one round trip: nobody waits for another's answer before asking."""
    deployed(world, tmp_path)
    meet = threading.Barrier(3, timeout=20)
    cloud = cloud_of(world)

    class Waiting:
        def __init__(self, role: object) -> None:
            self.role = role

        def get(self, identity: str) -> object:
            meet.wait()
            return self.role.get(identity)  # type: ignore[attr-defined]

    def probe(_login: Login | None) -> bool:
        meet.wait()
        return True

    slow: Any = replace(cloud, stacks=Waiting(cloud.stacks), instances=Waiting(cloud.instances))
    assert status(slow, deployment_in(tmp_path), "cn-hangzhou", probe).state == "running"


def test_a_stopped_machine_is_not_waited_for(world: World, tmp_path: Path) -> None:
    """Its address does not even refuse; status knows better than to wait for that."""
    deployed(world, tmp_path)
    identity, instance = next(iter(world.instances.items()))
    world.instances[identity] = replace(instance, status="Stopped", stopped_mode="StopCharging")
    never = threading.Event()
    assert status(cloud_of(world), deployment_in(tmp_path), "cn-hangzhou", lambda _: never.wait(20)).state == "stopped"
    never.set()


def test_what_changed_since_is_asked_anew(world: World, tmp_path: Path) -> None:
    """When the stack names another endpoint and machine than we remember, those are asked."""
    deployed(world, tmp_path)
    identity, stack = next(iter(world.stacks.items()))
    instance = next(iter(world.instances.values()))
    world.instances["i-new"] = replace(instance, id="i-new")
    outputs = {**stack.outputs, "EndPoint": "http://127.0.0.1:2", "InstanceId": "i-new"}
    world.stacks[identity] = replace(stack, outputs=outputs)
    asked: list[str] = []
    found = status(
        cloud_of(world),
        deployment_in(tmp_path),
        "cn-hangzhou",
        lambda login: bool(asked.append(login.endpoint)) or True,
    )
    assert (found.state, found.instance_id, found.endpoint) == ("running", "i-new", "http://127.0.0.1:2")
    assert asked[-1] == "http://127.0.0.1:2"


def test_a_node_that_stops_by_itself_says_when(world: World, tmp_path: Path) -> None:
    """Asked of the node, and only where it was told to; one that does not say is no reason to fail."""
    Deploy(
        cloud_of(world), deployment_in(tmp_path), Wish("cn-hangzhou", {"autostop_min": 60}), Listener(),
        lambda *_: True, pack=small_bundle,
    ).run()  # fmt: skip
    found = look(world, tmp_path)
    assert found.autostop is not None
    assert found.autostop["stops_in_s"] == 3000.0
    assert machine_of(None) == {}
    assert machine_of(Login("admin", "token", "hash", endpoint="http://127.0.0.1:9")) == {}


def setting_up(step: str, log: str = "", **last: Any) -> CommandResult:
    """A node in the middle of a step for twelve seconds, in its second boot; `last` is more of the last line."""
    entries = [("ensure_resume", "done"), ("ensure_x", "failed"), ("ensure_resume", "running"),
               ("ensure_resume", "done"), ("ensure_bundle", "done"), (step, "running")]  # fmt: skip
    records = [{"step": name, "state": state, "at": "2027-01-15T08:00:00+00:00"} for name, state in entries]
    lines = [json.dumps(one) for one in (*records[:-1], records[-1] | last)]
    return CommandResult("Success", 0, "\n".join([*lines, f"{NOW}1800000012", log]))


def test_a_node_that_is_set_up_is_told_by_its_step(world: World, tmp_path: Path) -> None:
    """While the stack is made, and after a start: the step, for how long, and its last line."""
    deployed(world, tmp_path, "deploy.waiting")
    world.answers["tail"] = setting_up("ensure_python", "08:00:10 torch is here after 10 s")
    found = look(world, tmp_path)
    assert found.state == "creating"
    assert found.why.endswith("step ensure_python for 12 s: 08:00:10 torch is here after 10 s")
    assert found.bootstrap == {
        "step": "ensure_python", "seconds": 12.0, "steps_done": 2, "log": "08:00:10 torch is here after 10 s",
    }  # fmt: skip


def test_a_download_says_how_far_it_is(world: World, tmp_path: Path) -> None:
    """Its last line is twelve seconds old, and the step ran for a hundred before."""
    deployed(world, tmp_path, "deploy.waiting")
    said = "sd_xl_base_1.0.safetensors 3.1 of 6.9 GB from ModelScope, 41.0 MB/s, 2 min left of it"
    world.answers["tail"] = setting_up("ensure_models", f"08:00:00 {said}", seconds=100.0, reason=said)
    assert look(world, tmp_path).why.endswith(f"step ensure_models for 112 s: {said}")


def test_a_machine_that_boots_is_starting_and_not_unreachable(world: World, tmp_path: Path) -> None:
    """Its service does not answer yet, and its journal says why."""
    deployed(world, tmp_path)
    world.answers["tail"] = setting_up("ensure_service", "08:00:10 ensure_service running")
    found = look(world, tmp_path, answers=False)
    assert (found.state, found.next) == ("starting", "garret logs --bootstrap --follow")
    assert found.why == "the machine runs and is being set up; step ensure_service for 12 s"
    world.answers["tail"] = CommandResult("Failed", 1, "no such file")
    assert look(world, tmp_path, answers=False).state == "unreachable"


def test_a_list_asks_no_node_for_its_journal(world: World, tmp_path: Path) -> None:
    """One command on each machine would make it slow."""
    deployed(world, tmp_path, "deploy.waiting")
    world.commands.clear()
    status(cloud_of(world), deployment_in(tmp_path), "cn-hangzhou", lambda _: False, closely=False)
    assert world.commands == []


def test_a_stack_that_failed_is_told_in_the_words_of_its_node(world: World, tmp_path: Path) -> None:
    """The step that it stopped at, or that it never signalled: not only that something failed."""
    world.node_says = "ensure_gpu: nvidia-smi names no GPU\nlog"
    with pytest.raises(BootstrapFailed):
        deployed(world, tmp_path)
    assert "the node stopped at step ensure_gpu: nvidia-smi names no GPU" in look(world, tmp_path).why


ACME = {
    "domain": "pictures.example.com",
    "acme": True,
    "acme_agree": True,
    "acme_server": "https://ca.example.com/directory",
    "acme_ca": AUTHORITY,
}


def test_a_certificate_that_was_asked_for_says_what_it_lacks(world: World, tmp_path: Path) -> None:
    """The deployment stands without it; its authority's certificates were sent to the node, once."""
    deploy = Deploy(
        cloud_of(world), deployment_in(tmp_path), Wish("cn-hangzhou", ACME), Listener(), lambda *_: True,
        pack=small_bundle,
    )  # fmt: skip
    facts = deploy.run()
    assert facts["certificate"].startswith("set pictures.example.com's A record to ")
    assert world.files[AUTHORITIES] == AUTHORITY.encode()
    found = look(world, tmp_path)
    assert found.why == "the service answers; no trusted certificate for pictures.example.com yet: it has no A record"
    assert found.certificate is not None
    login = deployment_in(tmp_path).login
    assert login is not None
    assert login.authority == Authority("pictures.example.com", AUTHORITY)
    assert "authority" not in (deployment_in(tmp_path).journal.folder / "login.json").read_text()
    world.files.clear()
    deploy.run()
    assert AUTHORITIES not in world.files


@pytest.mark.parametrize(
    ("certificate", "text"),
    [
        (None, ""),
        ({"state": "issued", "reason": "", "not_after": "2031"}, ""),
        ({"state": "issued", "reason": "busy", "not_after": "2031"}, "; its certificate is good until 2031, and was "
         "not renewed: busy"),
        ({"state": "failed", "name": "", "reason": "refused"}, "; no trusted certificate for its address yet: refused"),
        ({"state": "waiting", "name": "a.example"}, "; no trusted certificate for a.example yet: begun"),
    ],
)  # fmt: skip
def test_only_what_is_missing_of_a_certificate_is_said(certificate: dict[str, Any] | None, text: str) -> None:
    """One that is there and sound has a line of its own."""
    assert certificate_text(certificate) == text


def test_the_node_looks_for_the_authority_where_it_is_sent() -> None:
    """Both rooms name the path; neither loads the other."""
    assert AUTHORITIES == state.AUTHORITIES
