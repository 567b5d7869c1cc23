"""Deploy makes one stack, whatever happens on the way, and ends with a picture."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from garret.errors import BootstrapFailed, CloudError, Interrupted, SettingsError, SpecError, UsageError
from garret.ops.cloud import DEPLOYMENT_TAG, Stack
from garret.ops.crash import POINTS, Crash
from garret.ops.deploy import Deploy, Wish
from tests.ops.fake import PICTURE, FakeClock, Killed, Listener, World, cloud_of, deployment_in, killed, small_bundle

PASSWORD = "Correct-horse-7"


def deploy(world: World, folder: Path, *, at: str = "", yes: bool = True, **wish: Any) -> Deploy:
    """A run of deploy in this world."""
    asked = Wish(**({"region": "cn-hangzhou"} | wish))
    confirm = lambda *_: yes  # noqa: E731
    return Deploy(cloud_of(world), deployment_in(folder), asked, Listener(), confirm, Crash(at, killed), small_bundle)


def test_a_fresh_deploy_ends_with_a_picture(world: World, tmp_path: Path) -> None:
    """The stack is made once, the runtime is brought, and a picture lies on disk; the made password is told."""
    facts = deploy(world, tmp_path).run()
    assert world.writes.count("CreateStack") == 1
    assert facts["state"] == "running"
    assert facts["endpoint"] == world.endpoint
    assert facts["login"] == "admin"
    assert facts["price_per_hour"] == {"amount": 9.5, "currency": "CNY", "made_up": True}
    assert Path(facts["picture"]).read_bytes() == PICTURE
    assert len(facts["password"]) == 20
    assert facts["instance_id"] in world.instances


def test_no_secret_is_in_what_the_cloud_is_told(world: World, tmp_path: Path) -> None:
    """Password and token stay here: template and parameters hold hashes only, and login.json is for its owner."""
    facts = deploy(world, tmp_path).run()
    login = deployment_in(tmp_path).login
    told = json.dumps([world.templates, [dict(stack.parameters) for stack in world.stacks.values()]])
    assert login is not None
    assert facts["password"] not in told
    assert login.token not in told
    assert login.token not in deployment_in(tmp_path).journal.path.read_text()
    assert (deployment_in(tmp_path).journal.folder / "login.json").stat().st_mode & 0o777 == 0o600


def test_a_given_password_is_not_kept(world: World, tmp_path: Path) -> None:
    """A password that the person brought is on no disk and in no answer."""
    facts = deploy(world, tmp_path, password=PASSWORD).run()
    assert "password" not in facts
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or PASSWORD.encode() not in path.read_bytes()


def test_a_second_deploy_writes_nothing(world: World, tmp_path: Path) -> None:
    """With nothing to change, the cloud is only read, and a picture is made all the same."""
    first = deploy(world, tmp_path).run()
    before = list(world.writes)
    again = deploy(world, tmp_path, picture=tmp_path / "again.png").run()
    assert world.writes == before
    assert again["endpoint"] == first["endpoint"]
    assert (tmp_path / "again.png").read_bytes() == PICTURE
    assert "password" not in again


@pytest.mark.parametrize("point", [point for point in POINTS if point.startswith("deploy.")])
def test_a_killed_deploy_is_finished_by_the_next(world: World, tmp_path: Path, point: str) -> None:
    """After a kill at any point, the next deploy ends with one stack, one token and the same password."""
    with pytest.raises(Killed):
        deploy(world, tmp_path, at=point).run()
    login = deployment_in(tmp_path).login
    facts = deploy(world, tmp_path, yes=False).run()  # asked once, not twice
    assert facts["state"] == "running"
    assert len(world.stacks) == len(world.tokens) == 1
    assert login is not None
    assert facts["password"] == login.password


def test_the_plan_is_on_disk_before_the_cloud_hears(world: World, tmp_path: Path) -> None:
    """When CreateStack is sent, token, template and parameters are journaled already."""
    seen: list[dict[str, Any]] = []
    world.before_create = lambda: seen.append(deployment_in(tmp_path).plan or {})
    deploy(world, tmp_path).run()
    assert seen[0]["token"] in world.tokens
    assert seen[0]["template"] in world.templates.values()
    assert seen[0]["parameters"]["ZoneId"] == "cn-hangzhou-i"


def test_a_lost_reply_makes_no_second_stack(world: World, tmp_path: Path) -> None:
    """When the answer to CreateStack is lost, the next deploy finds the stack that it made."""
    world.lose_reply = True
    with pytest.raises(CloudError):
        deploy(world, tmp_path).run()
    assert deploy(world, tmp_path).run()["state"] == "running"
    assert len(world.stacks) == 1


def test_another_spec_is_refused(world: World, tmp_path: Path) -> None:
    """A deployment does not become another one: the field is named, and nothing is written."""
    deploy(world, tmp_path).run()
    before = list(world.writes)
    with pytest.raises(UsageError, match="needs a new node: service_port: 7860 → 7999") as refused:
        deploy(world, tmp_path, said={"service_port": 7999}).run()
    assert "--replace" in refused.value.hint
    assert world.writes == before


def test_another_password_is_refused(world: World, tmp_path: Path) -> None:
    """A second deploy cannot change the password, and takes the same one."""
    deploy(world, tmp_path, password=PASSWORD).run()
    with pytest.raises(UsageError, match="password"):
        deploy(world, tmp_path, password="Another-horse-8").run()
    assert deploy(world, tmp_path, password=PASSWORD).run()["state"] == "running"


def test_a_failed_node_is_told_and_another_port_tried(world: World, tmp_path: Path) -> None:
    """The step, its reason and `--port` are named; nothing is billed; the next deploy begins anew, with a new token."""
    world.node_says = "ensure_service: 127.0.0.1:7860 is already in use on this machine\n10:00 log\n10:01 log"
    with pytest.raises(BootstrapFailed) as failed:
        deploy(world, tmp_path).run()
    assert failed.value.step == "ensure_service"
    assert "already in use" in failed.value.message
    assert failed.value.log_tail == "10:00 log\n10:01 log"
    assert failed.value.billed == "nothing"
    assert "--port" in failed.value.hint
    world.node_says = ""
    assert deploy(world, tmp_path, said={"service_port": 7861}).run()["state"] == "running"
    assert len(world.stacks) == 1
    assert len(world.tokens) == 2
    spec = deployment_in(tmp_path).spec
    assert spec is not None
    assert spec.service_port == 7861


@pytest.mark.parametrize("tags", [{}, {"owner": "someone"}, {DEPLOYMENT_TAG: "another"}])
def test_a_foreign_stack_is_left_alone(world: World, tmp_path: Path, tags: dict[str, str]) -> None:
    """A stack of our name that garret did not make is never touched."""
    world.stacks["theirs"] = Stack("theirs", "garret-garret", "ROLLBACK_COMPLETE", tags=tags)
    with pytest.raises(UsageError, match="did not make"):
        deploy(world, tmp_path).run()
    assert world.writes == []


def test_a_deployment_of_another_machine_is_not_adopted(world: World, tmp_path: Path) -> None:
    """Without its token nothing here could use it; it says so and names both ways out."""
    world.stacks["s"] = Stack("s", "garret-garret", "CREATE_COMPLETE", tags={DEPLOYMENT_TAG: "garret"})
    with pytest.raises(UsageError, match="another machine"):
        deploy(world, tmp_path).run()
    assert world.writes == []


def test_a_no_makes_nothing(world: World, tmp_path: Path) -> None:
    """Whoever does not confirm has neither a stack nor a plan."""
    with pytest.raises(UsageError, match="nothing was made"):
        deploy(world, tmp_path, yes=False).run()
    assert world.writes == []
    assert deployment_in(tmp_path).plan is None


def test_a_stopped_deployment_is_started_by_start(world: World, tmp_path: Path) -> None:
    """Deploy does not start what was stopped on purpose; it says how."""
    deploy(world, tmp_path).run()
    name, machine = next(iter(world.instances.items()))
    world.instances[name] = replace(machine, status="Stopped", stopped_mode="StopCharging")
    login = deployment_in(tmp_path).login
    assert login is not None
    stack = next(iter(world.stacks.values()))
    outputs = dict(stack.outputs) | {"EndPoint": "http://127.0.0.1:9"}
    deployment_in(tmp_path).journal.append("complete", outputs=outputs)
    with pytest.raises(UsageError, match="stopped") as refused:
        deploy(world, tmp_path).run()
    assert "garret ops start" in refused.value.hint


def test_a_stack_that_someone_deleted_is_made_anew(world: World, tmp_path: Path) -> None:
    """What is gone from the cloud is not believed to be there."""
    deploy(world, tmp_path).run()
    world.stacks.clear()
    world.instances.clear()
    assert deploy(world, tmp_path).run()["state"] == "running"
    assert len(world.tokens) == 2


def test_a_bad_request_reaches_no_cloud(world: World, tmp_path: Path) -> None:
    """Region, type, zone and password are refused with what there is, before anything is made."""
    with pytest.raises(SettingsError, match="cn-hangzhou"):
        deploy(world, tmp_path, region="cn-hangzou").run()
    with pytest.raises(SpecError, match=r"ecs\.gn7i-c8g1\.2xlarge"):
        deploy(world, tmp_path, said={"instance_type": "ecs.gn7i-c17g1.4xlarge"}).run()
    with pytest.raises(SpecError, match="cn-hangzhou-i, cn-hangzhou-j"):
        deploy(world, tmp_path, said={"zone": "cn-hangzhou-z"}).run()
    with pytest.raises(SpecError, match="password"):
        deploy(world, tmp_path, password="short").run()
    assert world.writes == []


def test_an_interrupt_says_what_goes_on(world: World, tmp_path: Path) -> None:
    """Ctrl-C while the stack is being created leaves it to the next deploy, and says so."""
    work = deploy(world, tmp_path)
    world.refusals["SendFile"] = CloudError("SendFile", "InvalidInstance.NotMatch", "no agent yet")
    clock = work.cloud.clock
    assert isinstance(clock, FakeClock)

    def interrupt() -> None:
        raise KeyboardInterrupt

    clock.on_sleep = interrupt
    with pytest.raises(Interrupted) as interrupted:
        work.run()
    assert interrupted.value.exit_code == 130
    for command in ("garret status", "garret deploy", "garret delete"):
        assert command in interrupted.value.hint
    assert deploy(world, tmp_path).run()["state"] == "running"
    assert len(world.stacks) == 1
