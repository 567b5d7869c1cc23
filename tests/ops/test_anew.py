"""A change that needs another node is made where somebody allowed it: shown, confirmed, with the same login."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from garret.errors import SpecError, UsageError
from garret.ops.capacity import SoldOut
from garret.ops.crash import Crash
from garret.ops.deploy import Deploy, Wish
from garret.ops.plan import Plan
from tests.ops.fake import TYPE, Killed, Listener, World, cloud_of, deployment_in, killed, small_bundle


def deploy(
    world: World, folder: Path, *, at: str = "", yes: bool = True, replace: bool = True, dry_run: bool = False,
    asked: list[tuple[Plan, bool]] | None = None, **said: Any,
) -> Deploy:  # fmt: skip
    """A run of deploy; what was asked is kept in `asked`."""

    def confirm(plan: Plan, new_password: bool) -> bool:
        if asked is not None:
            asked.append((plan, new_password))
        return yes

    return Deploy(
        cloud_of(world), deployment_in(folder), Wish("cn-hangzhou", said, dry_run=dry_run, replace=replace), Listener(),
        confirm, Crash(at, killed), small_bundle,
    )  # fmt: skip


def test_a_node_is_made_anew_with_the_login_it_had(world: World, tmp_path: Path) -> None:
    """One stack before and after; the field is told, one question is asked, the rest stays as it was said."""
    first = deploy(world, tmp_path, bandwidth_mbps=33).run()
    before = deployment_in(tmp_path).login
    asked: list[tuple[Plan, bool]] = []
    run = deploy(world, tmp_path, asked=asked, service_port=7999)
    facts = run.run()
    after = deployment_in(tmp_path).login
    assert before is not None
    assert after is not None
    assert (after.token, after.password) == (before.token, before.password)
    assert facts["password"] == first["password"]
    assert [new_password for _, new_password in asked] == [False]
    assert [name for name in world.writes if name != "SendFile"] == ["CreateStack", "DeleteStack", "CreateStack"]
    assert len(world.stacks) == 1
    spec = deployment_in(tmp_path).spec
    assert spec is not None
    assert (spec.service_port, spec.bandwidth_mbps) == (7999, 33)
    assert isinstance(run.tell, Listener)
    assert "  service_port: 7860 → 7999" in run.tell.lines
    assert deploy(world, tmp_path).run()["changed"] is False


def test_a_no_a_limit_and_a_dry_run_leave_the_node_alone(world: World, tmp_path: Path) -> None:
    """Whatever would refuse the new node is heard before the old one goes."""
    deploy(world, tmp_path).run()
    writes = list(world.writes)
    with pytest.raises(UsageError, match="not confirmed"):
        deploy(world, tmp_path, yes=False, service_port=7999).run()
    with pytest.raises(SpecError, match="more than the limit"):
        deploy(world, tmp_path, service_port=7999, max_price_per_hour=1.0).run()
    facts = deploy(world, tmp_path, dry_run=True, service_port=7999).run()
    assert [row["field"] for row in facts["changes"]] == ["service_port"]
    world.shelves = {TYPE: {"cn-hangzhou-i": "WithoutStock"}}
    with pytest.raises(SoldOut):
        deploy(world, tmp_path, service_port=7999).run()
    assert world.writes == writes
    assert deploy(world, tmp_path, replace=False).run()["changed"] is False


def test_what_can_change_in_place_is_not_made_anew(world: World, tmp_path: Path) -> None:
    """--replace allows, it does not order."""
    deploy(world, tmp_path).run()
    run = deploy(world, tmp_path, bandwidth_mbps=50)
    run.confirm_update = lambda _: True
    assert run.run()["changed"] is True
    assert world.writes.count("CreateStack") == 1


@pytest.mark.parametrize("point", ["capacity.clearing", "capacity.abandoned", "deploy.journaled", "deploy.created"])
def test_a_kill_in_between_ends_in_the_new_node(world: World, tmp_path: Path, point: str) -> None:
    """Typed again, even without what was said: what was confirmed goes on."""
    deploy(world, tmp_path).run()
    with pytest.raises(Killed):
        deploy(world, tmp_path, at=point, service_port=7999).run()
    assert deploy(world, tmp_path, replace=False).run()["state"] == "running"
    spec = deployment_in(tmp_path).spec
    assert spec is not None
    assert spec.service_port == 7999
    assert len(world.stacks) == 1
