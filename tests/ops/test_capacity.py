"""A place that is sold out is left clean, and the next one is tried: zones, types, regions, each told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from garret.errors import OperationError, SettingsError, SpecError, StackFailed
from garret.ops.crash import Crash
from garret.ops.deploy import Deploy, Wish
from garret.ops.plan import Plan
from tests.ops.fake import TYPE, Killed, Listener, World, cloud_of, deployment_in, killed, small_bundle

OTHER = "ecs.gn7i-c16g1.4xlarge"


def deploy(world: World, folder: Path, *, at: str = "", asked: list[Plan] | None = None, **said: Any) -> Deploy:
    """A run of deploy that is agreed to; the plans that were shown are kept in `asked`."""

    def confirm(plan: Plan, _generated: bool) -> bool:
        if asked is not None:
            asked.append(plan)
        return True

    return Deploy(
        cloud_of(world), deployment_in(folder), Wish("cn-hangzhou", said), Listener(), confirm, Crash(at, killed),
        small_bundle, elsewhere=lambda region: elsewhere(world, region),
    )  # fmt: skip


def elsewhere(world: World, region: str) -> Any:
    """The same world under another region's name."""
    from dataclasses import replace

    return replace(cloud_of(world), region=region)


def told(run: Deploy) -> str:
    """What a person was told."""
    assert isinstance(run.tell, Listener)
    return "\n".join(run.tell.lines)


def test_stock_that_is_gone_at_creation_moves_on_to_the_next_zone(world: World, tmp_path: Path) -> None:
    """One stack in the end, the failed one deleted first, and one question asked."""
    world.sold_out = ["cn-hangzhou-i"]
    asked: list[Plan] = []
    run = deploy(world, tmp_path, asked=asked)
    assert run.run()["state"] == "running"
    assert [name for name in world.writes if name != "SendFile"] == ["CreateStack", "DeleteStack", "CreateStack"]
    assert len(world.stacks) == 1
    assert len(asked) == 1
    assert f"{TYPE} in cn-hangzhou-i is sold out (OperationDenied.NoStock)" in told(run)
    assert run.deployment.plan is not None
    assert run.deployment.plan["zone"] == "cn-hangzhou-j"


def test_a_sibling_type_is_taken_only_where_it_was_allowed(world: World, tmp_path: Path) -> None:
    """And the wish stays what it was, so that the next deploy changes nothing."""
    world.sold_out = ["cn-hangzhou-i", "cn-hangzhou-j"]
    world.shelves = {
        TYPE: {"cn-hangzhou-i": "WithStock", "cn-hangzhou-j": "WithStock"},
        OTHER: {"cn-hangzhou-k": "WithStock"},
    }
    with pytest.raises(StackFailed, match="sold out everywhere") as failed:
        deploy(world, tmp_path / "strict").run()
    assert "--fallback-type" in failed.value.hint
    assert world.stacks == {}
    run = deploy(world, tmp_path / "open", fallback_types=(OTHER,))
    assert run.run()["state"] == "running"
    assert run.deployment.placed is not None
    assert run.deployment.placed.instance_type == OTHER
    writes = len(world.writes)
    deploy(world, tmp_path / "open").run()
    deploy(world, tmp_path / "open", fallback_types=(OTHER,), instance_type=TYPE).run()
    assert len(world.writes) == writes


def test_another_region_is_the_last_resort(world: World, tmp_path: Path) -> None:
    """Where the first region has nothing on its shelves at all."""
    world.shelves = {TYPE: {"cn-hangzhou-i": "WithoutStock"}}
    with pytest.raises(OperationError, match="in stock now; nothing was made"):
        deploy(world, tmp_path / "strict").run()
    assert world.writes == []

    def stocked(region: str) -> Any:
        world.shelves = {TYPE: {f"{region}-a": "WithStock"}}
        return elsewhere(world, region)

    run = deploy(world, tmp_path / "open", fallback_regions=("cn-beijing",))
    run.elsewhere = stocked
    facts = run.run()
    assert (facts["region"], facts["state"]) == ("cn-beijing", "running")


def test_what_is_no_matter_of_stock_is_not_tried_elsewhere(world: World, tmp_path: Path) -> None:
    """A node that fails would fail there as well."""
    world.node_says = "ensure_model: no such model"
    with pytest.raises(OperationError):
        deploy(world, tmp_path).run()
    assert world.writes.count("CreateStack") == 1


@pytest.mark.parametrize("point", ["deploy.journaled", "deploy.created", "capacity.clearing", "capacity.abandoned"])
def test_a_kill_in_the_middle_ends_in_one_stack(world: World, tmp_path: Path, point: str) -> None:
    """Typed again, it goes on: one stack, wherever it is."""
    world.sold_out = ["cn-hangzhou-i"]
    with pytest.raises(Killed):
        deploy(world, tmp_path, at=point).run()
    assert deploy(world, tmp_path).run()["state"] == "running"
    assert len(world.stacks) == 1


def test_a_dearer_place_is_asked_about_again(world: World, tmp_path: Path) -> None:
    """A yes to one price is no yes to a higher one."""
    world.sold_out = ["cn-hangzhou-i"]
    world.prices = iter([(9.5, "CNY"), (12.0, "CNY")])
    asked: list[Plan] = []
    deploy(world, tmp_path, asked=asked).run()
    assert [plan.prices.running.amount for plan in asked if plan.prices] == [9.5, 12.0]


def test_a_zone_that_was_said_gives_way_to_a_region_that_was_allowed(world: World, tmp_path: Path) -> None:
    """The zone is wished for in its region only; each try is told."""
    world.shelves = {TYPE: {"cn-hangzhou-i": "WithoutStock", "cn-hangzhou-j": "WithStock"}}
    here = world.shelves
    there = {OTHER: {"cn-beijing-a": "ClosedWithStock"}}

    def stocked(region: str) -> Any:
        world.shelves = there if region == "cn-beijing" else here
        return elsewhere(world, region)

    said = {"zone": "cn-hangzhou-i", "fallback_regions": ("cn-beijing",), "fallback_types": (OTHER,)}
    run = deploy(world, tmp_path, **said)
    run.elsewhere = stocked
    facts = run.run()
    assert (facts["region"], facts["state"]) == ("cn-beijing", "running")
    assert run.deployment.plan is not None
    assert run.deployment.plan["zone"] == "cn-beijing-a"
    assert "'cn-hangzhou-i' has no" in told(run)


def test_a_region_that_is_none_is_told_before_anything_is_tried(world: World, tmp_path: Path) -> None:
    """Also one that would only be the last resort."""
    with pytest.raises(SettingsError, match="fallback_regions: there is no region 'cn-atlantis'"):
        deploy(world, tmp_path, fallback_regions=("cn-atlantis",)).run()


def test_what_costs_too_much_elsewhere_is_passed_over(world: World, tmp_path: Path) -> None:
    """The limit holds for each place; a third one below it is taken."""
    third = "ecs.gn7i-c32g1.8xlarge"
    world.shelves = {
        TYPE: {"cn-hangzhou-i": "WithoutStock"},
        OTHER: {"cn-hangzhou-i": "WithStock", "cn-hangzhou-j": "WithStock"},
        third: {"cn-hangzhou-j": "WithStock"},
    }
    world.prices = iter([(12.0, "CNY"), (9.5, "CNY")])
    run = deploy(world, tmp_path, fallback_types=(OTHER, third), max_price_per_hour=10.0)
    run.run()
    placed = run.deployment.placed
    assert placed is not None
    assert placed.instance_type == third
    assert f"{OTHER} in cn-hangzhou-i: {OTHER} with disk and address costs 12.00 CNY" in told(run)
    world.stacks.clear()
    world.prices = iter([(12.0, "CNY"), (12.0, "CNY")])
    with pytest.raises(SpecError, match=r"costs 12\.00 CNY per hour, 2\.00 more than the limit of 10"):
        deploy(world, tmp_path / "poor", fallback_types=(OTHER, third), max_price_per_hour=10.0).run()
    assert world.writes.count("CreateStack") == 1


def test_the_next_place_is_told_with_its_price(world: World, tmp_path: Path) -> None:
    """Where the question was answered already, a line says what goes on."""
    world.sold_out = ["cn-hangzhou-i"]
    run = deploy(world, tmp_path)
    run.run()
    assert f"next: {TYPE} in cn-hangzhou-j (in stock), 9.50 CNY per hour" in told(run)


def test_a_wish_outlives_a_kill_between_two_places(world: World, tmp_path: Path) -> None:
    """Typed again without its options, it is still the same deployment; one that was given up is forgotten."""
    world.sold_out = ["cn-hangzhou-i"]
    with pytest.raises(Killed):
        deploy(world, tmp_path, at="capacity.abandoned", bandwidth_mbps=33, instance_password=True).run()
    deploy(world, tmp_path).run()
    spec = deployment_in(tmp_path).spec
    assert spec is not None
    assert (spec.bandwidth_mbps, spec.instance_password) == (33, True)
    world.stacks.clear()
    world.sold_out = ["cn-hangzhou-i", "cn-hangzhou-j"]
    with pytest.raises(StackFailed):
        deploy(world, tmp_path / "given-up", bandwidth_mbps=33).run()
    assert deployment_in(tmp_path / "given-up").wish_left is None
    assert deployment_in(tmp_path / "given-up").login is None


def test_a_token_that_is_used_up_is_not_used_again(world: World, tmp_path: Path) -> None:
    """Killed before the stack's id was written down, and again while its remains were cleared away."""
    world.sold_out = ["cn-hangzhou-i"]
    for point in ("deploy.created", "capacity.clearing"):
        with pytest.raises(Killed):
            deploy(world, tmp_path, at=point).run()
    assert deploy(world, tmp_path).run()["state"] == "running"
    assert len(world.stacks) == 1
    assert len(world.tokens) == 3  # cn-hangzhou-i twice, for its shelf still looks full, then cn-hangzhou-j
