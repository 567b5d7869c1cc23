"""A machine that cannot be had where it was wanted: zones, then types, then regions, and nothing left behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.flows.conftest import house_at
from tests.flows.house import House

pytestmark = pytest.mark.flow

SMALL, LARGER = "ecs.gn7i-c8g1.2xlarge", "ecs.gn7i-c16g1.4xlarge"
FILM = ("deploy", "film", "--region", "cn-hangzhou", "--fallback-type", LARGER, "--fallback-region", "cn-shanghai")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One house for all of these."""
    with house_at(tmp_path_factory.mktemp("sold-out") / "home") as house:
        yield house


@pytest.fixture(autouse=True)
def _clean_board(house: House) -> None:
    """Each test begins with full shelves."""
    house.clear_faults()


def gone(**where: str) -> dict[str, Any]:
    """A fault: no stock when a machine is made, whatever the shelf says."""
    text = "The requested resource is sold out in the specified zone; try other types of resources or other regions."
    return {"action": "RunInstances", "code": "OperationDenied.NoStock", "message": text, "status": 403, "times": 0,
            "match": where}  # fmt: skip


def test_an_empty_shelf_is_seen_before_anything_is_made(house: House) -> None:
    """The plan goes to the next zone; a zone that was said is refused with the one that has; nothing is written."""
    written = house.calls("write")
    house.faults(stock={f"cn-hangzhou-i/{SMALL}": "WithoutStock"})
    plan = house.json("deploy", "film", "--region", "cn-hangzhou", "--dry-run")
    assert plan["zone"] == "cn-hangzhou-j"
    said = ("deploy", "film", "--region", "cn-hangzhou", "--zone", "cn-hangzhou-i", "--dry-run")
    refused = house.run(*said)
    assert refused.returncode == 2
    assert "--zone cn-hangzhou-j" in refused.stderr
    assert house.json(*said, "--fallback-zone", "cn-hangzhou-j")["zone"] == "cn-hangzhou-j"
    house.faults(stock={f"cn-hangzhou-{zone}/{SMALL}": "WithoutStock" for zone in "ij"})
    elsewhere = house.run("deploy", "film", "--region", "cn-hangzhou", "--dry-run")
    assert elsewhere.returncode == 1
    assert f"--fallback-type {LARGER}" in elsewhere.stderr
    plan = house.json("deploy", "film", "--region", "cn-hangzhou", "--fallback-type", LARGER, "--dry-run")
    assert plan["spec"]["instance_type"] == LARGER
    assert house.calls("write") == written


def test_stock_that_goes_while_the_stack_is_made_is_looked_for_elsewhere(house: House) -> None:
    """Zone, zone, type, type, region, killed twice on the way: each told, one stack in the end, nothing of others."""
    house.faults(gone(RegionId="cn-hangzhou"))
    assert house.run(*FILM, "--yes", GARRET_CRASH_AT="capacity.clearing").returncode == -9
    assert house.run(*FILM, "--yes", GARRET_CRASH_AT="capacity.abandoned").returncode == -9
    assert house.instances() == []
    done = house.run(*FILM, "--yes")
    assert done.returncode == 0, done.stderr
    for place in (f"{kind} in cn-hangzhou-{zone}" for kind in (SMALL, LARGER) for zone in "ij"):
        assert f"{place} is sold out (OperationDenied.NoStock); nothing of it stays" in done.stdout
    assert f"next: {SMALL} in cn-shanghai-" in done.stdout
    assert house.json("status", "film")["region"] == "cn-shanghai"
    assert [stack.stack_name for stack in house.stacks("cn-shanghai")] == ["garret-film"]
    assert (house.stacks(), house.instances()) == ([], [])
    assert sorted(line["kind"] for line in house.billed()) == ["address", "disk", "instance"]
    written = house.calls("write")
    assert house.json(*FILM, "--yes")["changed"] is False
    assert house.calls("write") == written
    house.garret("delete", "film", "--yes")
    assert house.billed() == []


def test_when_nothing_is_left_to_try_nothing_is_left_behind(house: House) -> None:
    """What was tried is listed, with the cloud's own words and what else could be allowed."""
    house.faults(gone(InstanceType=SMALL))
    done = house.run("deploy", "film", "--region", "cn-hangzhou", "--yes")
    assert done.returncode == 1
    for words in ("cn-hangzhou-i", "cn-hangzhou-j", "OperationDenied.NoStock", "billed: nothing", "--fallback-type"):
        assert words in done.stderr
    assert (house.stacks(), house.billed()) == ([], [])
