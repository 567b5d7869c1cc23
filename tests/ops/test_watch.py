"""Looking on while a stack comes up: what is told, what is brought, and when it is given up."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from garret.errors import CloudError, NodeFailed, NotReady
from garret.image_bootstrap.bundle import chunks
from garret.image_bootstrap.first_stage import NOT_FETCHED
from garret.ops.channels.ssh import SshAddress
from garret.ops.cloud import Cloud, StackEvent
from garret.ops.deliver import deliver, is_too_early
from garret.ops.node_journal import NodeJournal
from garret.ops.records import CommandResult
from garret.ops.watch import Creation, tell_events, watch_until_settled
from tests.ops.channels.server import ssh_server
from tests.ops.channels.test_ssh import make_key
from tests.ops.fake import FakeClock, Listener, World, cloud_of, small_bundle
from tests.ops.test_status import deployed


def created(world: World, tmp_path: Path) -> tuple[Cloud, str]:
    """A cloud with a stack that waits for its runtime."""
    deployed(world, tmp_path, "deploy.waiting")
    return cloud_of(world), next(iter(world.stacks))


def lines(*entries: tuple[str, str], last: str = "") -> CommandResult:
    """A node's journal; `last` is the last line's reason."""
    records = [{"step": step, "state": state, "seconds": 1, "reason": ""} for step, state in entries]
    records[-1]["reason"] = last
    text = "\n".join(map(json.dumps, records))
    return CommandResult("Success", 0, 'cut off"}\n' + text + '\n{"step": "half')


def test_the_runtime_is_brought_once(world: World, tmp_path: Path) -> None:
    """Its pieces arrive in order and whole, and whoever asked hears of it."""
    cloud, stack_id = created(world, tmp_path)
    heard: list[str] = []
    bundle = small_bundle()
    work = Creation(cloud, "garret", stack_id, bundle, Listener(), on_delivered=lambda: heard.append("delivered"))
    stack = work.watch(60)
    assert stack is not None
    assert stack.status == "CREATE_COMPLETE"
    assert heard == ["delivered"]
    assert b"".join(world.files[path] for path in sorted(world.files)) == bundle.data
    assert all(len(piece) <= 24_000 for piece in world.files.values())


def test_a_node_that_has_the_runtime_is_not_sent_it(world: World, tmp_path: Path) -> None:
    """An earlier run may have brought it and died: the node's own journal says so."""
    cloud, stack_id = created(world, tmp_path)
    world.answers["tail"] = lines(("ensure_bundle", "running"), ("ensure_bundle", "done"))
    clock = cloud.clock
    assert isinstance(clock, FakeClock)
    clock.on_sleep = lambda: world.signal(stack_id) if clock.now > 1 else None
    Creation(cloud, "garret", stack_id, small_bundle(), Listener()).watch(60)
    assert "SendFile" not in world.writes


def test_a_node_with_an_address_fetches_it_and_is_sent_it_only_when_it_cannot(world: World, tmp_path: Path) -> None:
    """Its journal says so; the reason is told once, and then the other way is taken."""
    cloud, stack_id = created(world, tmp_path)
    world.answers["tail"] = lines(("ensure_bundle", "running"))
    reason = f"{NOT_FETCHED}: <HTTPError 403: 'Forbidden'>"
    failed = json.dumps({"step": "ensure_bundle", "state": "running", "seconds": 0, "reason": reason})
    clock, heard, sent_before = cloud.clock, Listener(), list[bool]()
    assert isinstance(clock, FakeClock)

    def later() -> None:
        if clock.now > 5 and not sent_before:
            sent_before.append("SendFile" in world.writes)
            world.answers["tail"] = CommandResult("Success", 0, failed + "\n")

    clock.on_sleep = later
    bundle = replace(small_bundle(), url="https://example.com/garret.tar.xz")
    assert Creation(cloud, "garret", stack_id, bundle, heard).watch(60) is not None
    assert sent_before == [False]
    assert b"".join(world.files[path] for path in sorted(world.files)) == bundle.data
    assert [line for line in heard.lines if "403" in line] == [f"runtime sent running {reason}"]
    assert any(line.startswith("runtime sent done") and line.endswith("by Cloud Assistant") for line in heard.lines)


def test_a_node_that_is_not_up_yet_is_asked_again(world: World, tmp_path: Path) -> None:
    """The agent may come up after the machine; why it does not work yet is told once."""
    cloud, stack_id = created(world, tmp_path)
    world.refusals["SendFile"] = CloudError("SendFile", "InvalidInstance.NotMatch", "no agent")
    listener = Listener()
    assert Creation(cloud, "garret", stack_id, small_bundle(), listener).watch(60) is not None
    assert sum("not yet" in line for line in listener.lines) == 1


def test_a_node_that_still_waits_after_all_was_sent_gets_what_is_missing(world: World, tmp_path: Path) -> None:
    """A piece that was cut off on its way; what is there whole is not sent again."""
    cloud, stack_id = created(world, tmp_path)
    world.answers["tail"] = lines(("ensure_bundle", "running"))
    bundle, clock, listener = small_bundle(), cloud.clock, Listener()
    assert isinstance(clock, FakeClock)
    (name, piece), *rest = chunks(bundle)
    world.answers["ls -ln"] = CommandResult("Success", 0, "".join(f"{len(data)} {key[-19:]}\n" for key, data in rest))
    clock.on_sleep = lambda: world.signal(stack_id) if world.files else None
    Creation(cloud, "garret", stack_id, bundle, listener, delivered=True).watch(90)
    assert {path.rpartition("/")[2]: data for path, data in world.files.items()} == {name: piece}
    assert sum("still waits" in line for line in listener.lines) == 1


def test_a_node_whose_agent_does_not_answer_gets_it_by_sftp(world: World, tmp_path: Path) -> None:
    """When somebody said where its SSH is."""
    cloud, stack_id = created(world, tmp_path)
    world.refusals["SendFile"] = CloudError("SendFile", "InvalidInstance.NotMatch", "no agent")
    mine, host_key = make_key(tmp_path / "mine"), make_key(tmp_path / "host")
    (tmp_path / "disk").mkdir()
    listener, bundle = Listener(), small_bundle()
    with ssh_server(tmp_path / "disk", host_key, mine) as node:
        address = SshAddress("127.0.0.1", (node.public_key,), tmp_path / "mine", node.port)
        work = Creation(cloud, "garret", stack_id, bundle, listener, ssh=address)
        work.on_delivered = lambda: world.signal(stack_id)
        work.watch(60)
    assert (tmp_path / f"disk/var/lib/garret/incoming/{bundle.sha256}.tar.xz").read_bytes() == bundle.data
    assert any(line.startswith("runtime sent done") and line.endswith("by SFTP") for line in listener.lines)


def test_a_refusal_for_good_is_raised(world: World, tmp_path: Path) -> None:
    """What waiting cannot mend is not waited for."""
    cloud, stack_id = created(world, tmp_path)
    world.refusals["SendFile"] = CloudError("SendFile", "Forbidden.RAM", "no permission")
    with pytest.raises(CloudError, match="Forbidden"):
        Creation(cloud, "garret", stack_id, small_bundle(), Listener()).watch(60)


def test_patience_has_an_end(world: World, tmp_path: Path) -> None:
    """A stack that never settles is given up with a way to go on."""
    cloud, stack_id = created(world, tmp_path)
    work = Creation(cloud, "mine", stack_id, small_bundle(), Listener(), delivered=True)
    with pytest.raises(NotReady) as late:
        work.watch(60)
    assert "garret deploy --name mine" in late.value.hint
    with pytest.raises(NotReady):
        watch_until_settled(cloud, stack_id, Listener(), 60)


def test_a_stack_that_goes_away_is_noticed(world: World, tmp_path: Path) -> None:
    """Deleted by someone else in the middle, there is nothing to wait for."""
    cloud, stack_id = created(world, tmp_path)
    world.stacks[stack_id] = replace(world.stacks[stack_id], status="DELETE_IN_PROGRESS")
    assert Creation(cloud, "garret", stack_id, small_bundle(), Listener()).watch(60) is None


def test_each_event_is_told_once_in_words_of_people() -> None:
    """Parts have names; only ends are news, and a failure comes with the first line of its reason."""
    events = [
        StackEvent("1", "Network", "ALIYUN::ECS::VPC", "CREATE_IN_PROGRESS", "", ""),
        StackEvent("2", "Network", "ALIYUN::ECS::VPC", "CREATE_COMPLETE", "", ""),
        StackEvent("3", "Node", "ALIYUN::ECS::InstanceGroup", "CREATE_FAILED", "no stock\nand more", ""),
        StackEvent("4", "Network", "ALIYUN::ECS::VPC", "DELETE_COMPLETE", "", ""),
        StackEvent("5", "garret-x", "ALIYUN::ROS::Stack", "CREATE_FAILED", "x", ""),
    ]
    listener, told = Listener(), set[str]()
    tell_events(events, told, listener)
    tell_events(events, told, listener)
    assert listener.lines == ["VPC done", "machine failed no stock", "VPC done deleted"]


def test_the_node_s_steps_are_told_once(world: World, tmp_path: Path) -> None:
    """Finished steps are told as they come; lines that were cut are left out; looks are not too frequent."""
    cloud, _ = created(world, tmp_path)
    listener, clock = Listener(), FakeClock()
    journal = NodeJournal(cloud.assistant, clock, listener, every_s=5)
    world.answers["tail"] = lines(("ensure_bundle", "running"), ("ensure_bundle", "done"), ("ensure_gpu", "skipped"))
    journal.look("i-1")
    world.answers["tail"] = lines(
        ("ensure_bundle", "done"), ("ensure_gpu", "skipped"), ("ensure_model", "done"), ("signal", "done")
    )
    journal.look("i-1")
    assert listener.lines == ["ensure_bundle done", "ensure_gpu skipped"]
    clock.sleep(5)
    journal.look("i-1")
    assert listener.lines[2:] == ["ensure_model done"]
    world.answers.clear()
    journal.look("i-1", now=True)
    assert len(listener.lines) == 3


def test_a_long_step_is_told_as_it_goes(world: World, tmp_path: Path) -> None:
    """How far a download is, each time that it says something new."""
    cloud, _ = created(world, tmp_path)
    listener = Listener()
    journal = NodeJournal(cloud.assistant, FakeClock(), listener, every_s=5)
    for said in ("", "x 1.0 of 6.9 GB", "x 1.0 of 6.9 GB", "x 2.0 of 6.9 GB"):
        world.answers["tail"] = lines(("ensure_python", "done"), ("ensure_models", "running"), last=said)
        journal.look("i-1", now=True)
    told = ["ensure_python done", "ensure_models running x 1.0 of 6.9 GB", "ensure_models running x 2.0 of 6.9 GB"]
    assert listener.lines == told


def test_what_is_too_early() -> None:
    """Only refusals that time can mend count."""
    assert is_too_early(NodeFailed("not delivered"))
    assert is_too_early(CloudError("SendFile", "InvalidInstance.NotMatch", ""))
    assert is_too_early(CloudError("SendFile", "Throttling", "", retryable=True))
    assert not is_too_early(CloudError("SendFile", "Forbidden.RAM", ""))


def test_delivery_counts_bytes(world: World) -> None:
    """Whoever looks on hears how many have arrived."""
    bundle, heard = small_bundle(), list[int]()
    deliver(cloud_of(world).assistant, "i-1", bundle, heard.append)
    assert heard == sorted(heard)
    assert heard[-1] == bundle.size


def test_what_the_node_said_last_is_kept_when_its_stack_goes(world: World, tmp_path: Path) -> None:
    """The stack takes the machine with it; its journal was seen before, and its console is read just then."""
    cloud, stack_id = created(world, tmp_path)
    world.answers["tail"] = lines(("ensure_bundle", "done"), ("ensure_python", "running"))
    world.console = "Linux boots\n"
    clock = cloud.clock
    assert isinstance(clock, FakeClock)
    states = iter(["CREATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE"])

    def pass_by() -> None:
        state = next(states)
        world.stacks[stack_id] = replace(world.stacks[stack_id], status=state)
        if state == "ROLLBACK_COMPLETE":
            world.answers.clear()
            world.instances.clear()

    clock.on_sleep = pass_by
    work = Creation(cloud, "garret", stack_id, small_bundle(), Listener())
    assert work.watch(600) is not None
    assert (work.sight.step, work.console) == ("ensure_python", "Linux boots\n")
