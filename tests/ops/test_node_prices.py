"""A node is told what it costs, by whoever deploys, changes or starts it; no verb fails for that."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from garret.ops.crash import Crash
from garret.ops.node_prices import prices_of, tell_prices
from garret.ops.start import start
from garret.ops.stop import stop
from tests.ops.fake import Listener, World, cloud_of, deployment_in
from tests.ops.test_autostop import again, deployed


def told(world: World) -> list[dict[str, Any]]:
    """The prices that the node was told."""
    return [body for body in world.asked if "running_per_hour" in body]


def test_a_node_is_told_its_price_at_deploy_and_at_start(world: World, tmp_path: Path) -> None:
    """As it was planned, with when it was started; typed again, a deploy tells nothing anew."""
    deployed(world, tmp_path)
    (first,) = told(world)
    plan = deployment_in(tmp_path).plan
    assert plan is not None
    assert first["running_per_hour"] == plan["prices"]["running_per_hour"]["amount"] > first["stopped_per_hour"]
    assert (first["currency"], first["made_up"]) == ("CNY", True)
    assert abs(datetime.now(UTC).timestamp() - first["since"]) < 600
    assert again(world, tmp_path)["changed"] is False
    assert len(told(world)) == 1
    stop(cloud_of(world), deployment_in(tmp_path), Listener(), Crash())
    start(cloud_of(world), deployment_in(tmp_path), Listener(), Crash())
    assert told(world)[1]["since"] > first["since"]


def test_an_update_tells_the_price_again(world: World, tmp_path: Path) -> None:
    """It may be another one."""
    deployed(world, tmp_path)
    again(world, tmp_path, bandwidth_mbps=20)
    assert len(told(world)) == 2


def test_what_nobody_knows_is_not_told(world: World, tmp_path: Path) -> None:
    """A plan without prices, and a deployment without a login, tell nothing and fail nothing."""
    one = deployment_in(tmp_path)
    assert prices_of(one) is None
    assert tell_prices(one) is False
    deployed(world, tmp_path)
    one.journal.append("updated", prices=None)
    assert tell_prices(deployment_in(tmp_path)) is False
