"""Events tell one story: the cloud's and ours, in the order in which it happened."""

from __future__ import annotations

from pathlib import Path

from garret.ops.cloud import StackEvent
from garret.ops.delete import Delete
from garret.ops.events import events, follow
from garret.ops.watch import STACK_KIND
from tests.ops.fake import FakeClock, Listener, World, cloud_of, deployment_in
from tests.ops.test_status import deployed

REQUEST = "4C3B9A5E-0000-4000-8000-00000000000A"


def test_both_stories_are_one(world: World, tmp_path: Path) -> None:
    """Cloud and garret are told by time; a failure has the cloud's reason and request id."""
    deployed(world, tmp_path)
    stack_id = next(iter(world.stacks))
    reason = f"ResponseException: code: QuotaExceeded.Eip, message: no more, requestId: {REQUEST}"
    world.events[stack_id] = [
        StackEvent("e1", "garret-garret", STACK_KIND, "CREATE_IN_PROGRESS", "started", "2020-01-01T00:00:00"),
        StackEvent("e2", "Address", "ALIYUN::VPC::EIP", "CREATE_FAILED", reason, "2099-01-01T00:00:00"),
    ]  # fmt: skip
    lines = events(cloud_of(world), deployment_in(tmp_path))
    assert [line.at for line in lines] == sorted(line.at for line in lines)
    assert (lines[0].who, lines[0].what, lines[0].at) == ("cloud", "stack", "2020-01-01T00:00:00Z")
    assert [line.status for line in lines if line.who == "garret"] == [
        "planned",
        "created",
        "delivered",
        "complete",
        "ready",
    ]
    last = lines[-1]
    assert (last.what, last.failed, last.request_id) == ("EIP", True, REQUEST)
    assert "no more" in last.text
    assert stack_id in next(line.text for line in lines if line.status == "created")


def test_no_secret_is_in_the_story(world: World, tmp_path: Path) -> None:
    """Neither the template nor its parameters are told, nor the token that makes CreateStack the same."""
    deployed(world, tmp_path)
    plan = deployment_in(tmp_path).plan
    assert plan is not None
    text = str([line.to_dict() for line in events(cloud_of(world), deployment_in(tmp_path))])
    assert plan["token"] not in text
    assert "ROSTemplateFormatVersion" not in text


def test_what_is_deleted_has_its_story(world: World, tmp_path: Path) -> None:
    """The notes of this machine stay; the cloud is asked for the stack by the id in them."""
    deployed(world, tmp_path)
    Delete(cloud_of(world), deployment_in(tmp_path), Listener(), lambda _: True).run()
    statuses = [line.status for line in events(cloud_of(world), deployment_in(tmp_path))]
    assert statuses[-1] == "deleted"
    assert "CREATE_COMPLETE" in statuses
    assert [line.who for line in events(None, deployment_in(tmp_path))] == ["garret"] * 7


def test_following_ends_when_nothing_is_in_progress(world: World, tmp_path: Path) -> None:
    """What happens meanwhile is told once, and then the command ends."""
    deployed(world, tmp_path, "deploy.waiting")
    clock = FakeClock()
    stack_id = next(iter(world.stacks))
    clock.on_sleep = lambda: world.signal(stack_id)
    lines = list(follow(cloud_of(world, clock), deployment_in(tmp_path)))
    assert len({line.id for line in lines}) == len(lines)
    assert lines[-1].what == "node's signal"
    assert clock.now > 0


def test_nothing_happened_to_what_never_was(world: World, tmp_path: Path) -> None:
    """No deployment, no story."""
    assert events(cloud_of(world), deployment_in(tmp_path)) == []
    assert list(follow(cloud_of(world), deployment_in(tmp_path))) == []
