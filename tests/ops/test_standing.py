"""What is deployed as it is said is only looked at: quickly, and without a write."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from garret.errors import UsageError
from garret.ops.crash import Crash
from garret.ops.deploy import Deploy, Wish
from garret.ops.standing import Standing, is_as_said
from tests.ops.fake import Killed, Listener, World, cloud_of, deployment_in, killed, small_bundle

HEAVY = ("pydantic", "jinja2", "alibabacloud_ros20190910", "alibabacloud_ecs20140526", "aliyunsdkcore")


def deployed(world: World, folder: Path, at: str = "", **said: Any) -> None:
    """Deploy with these fields said."""
    Deploy(
        cloud_of(world), deployment_in(folder), Wish("cn-hangzhou", said), Listener(), lambda *_: True,
        Crash(at, killed), small_bundle, lambda _: True,
    ).run()  # fmt: skip


def test_what_is_said_again_is_as_said_and_what_differs_is_not(world: World, tmp_path: Path) -> None:
    """Lists as tuples, tags as mappings; another value, another region or an unknown field is a matter for deploy."""
    one = deployment_in(tmp_path)
    assert not is_as_said(one, {}, "cn-hangzhou")
    deployed(world, tmp_path, allow_cidr=("203.0.113.7/32",), tags={"team": "studio"})
    for said in ({}, {"allow_cidr": ("203.0.113.7/32",)}, {"tags": {"team": "studio"}, "bandwidth_mbps": 100}):
        assert is_as_said(one, said, "cn-hangzhou")
    for said in ({"allow_cidr": ()}, {"tags": {}}, {"bandwidth_mbps": 50}, {"nonsense": 1}):
        assert not is_as_said(one, said, "cn-hangzhou")
    assert not is_as_said(one, {}, "cn-beijing")


@pytest.mark.parametrize("point", ["deploy.created", "deploy.signalled", "update.journaled"])
def test_what_is_half_done_is_not_as_said(world: World, tmp_path: Path, point: str) -> None:
    """The next deploy has something to finish."""
    if point.startswith("update"):
        deployed(world, tmp_path)
    with pytest.raises(Killed):
        deployed(world, tmp_path, point, bandwidth_mbps=50)
    assert not is_as_said(deployment_in(tmp_path), {}, "cn-hangzhou")


def test_what_was_to_be_made_anew_is_not_as_said(world: World, tmp_path: Path) -> None:
    """Killed between the yes and the deletion: deploy says what is open."""
    deployed(world, tmp_path)
    one = deployment_in(tmp_path)
    assert one.spec is not None
    wish = one.spec.model_copy(update={"service_port": 7999}).model_dump(mode="json")
    one.journal.append("replacing", wish=wish)
    assert not is_as_said(one, {}, "cn-hangzhou")
    with pytest.raises(UsageError, match="service_port: 7860 → 7999"):
        deployed(world, tmp_path)


def test_it_is_proven_by_a_picture_without_a_write(world: World, tmp_path: Path) -> None:
    """The same facts as deploy gives."""
    deployed(world, tmp_path)
    writes, tell = list(world.writes), Listener()
    facts = Standing(cloud_of(world), deployment_in(tmp_path), tell, tmp_path / "again.png").look()
    assert facts is not None
    assert (facts["state"], facts["changed"], facts["endpoint"]) == ("running", False, world.endpoint)
    assert (tmp_path / "again.png").exists()
    assert "garret is deployed as asked; nothing to change" in tell.lines
    assert world.writes == writes


def test_a_stack_that_is_not_as_it_should_be_is_left_to_deploy(world: World, tmp_path: Path) -> None:
    """Gone, somebody else's, or busy."""
    deployed(world, tmp_path)
    standing = Standing(cloud_of(world), deployment_in(tmp_path), Listener())
    identity, stack = next(iter(world.stacks.items()))
    for other in (replace(stack, status="UPDATE_IN_PROGRESS"), replace(stack, tags={})):
        world.stacks[identity] = other
        assert standing.look() is None
    world.stacks.clear()
    assert standing.look() is None


def test_the_quick_way_loads_nothing_heavy() -> None:
    """Neither validation nor templates nor an SDK: seen in a fresh interpreter."""
    program = (
        "import sys, garret.commands.deploy, garret.ops.standing, garret.ops.aliyun.connect; "
        "print(*[name for name in sys.argv[1:] if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program, *HEAVY], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
