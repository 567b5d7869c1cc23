"""An image of one's own, from the command to a picture: baked, looked through for secrets, deployed from, deleted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.flows.house import DEPLOY, House
from tests.flows.test_house import shows
from tests.image_bootstrap.test_clean import PLACES, PLANTED, holds

pytestmark = pytest.mark.flow

BAKE = ("image", "bake", "--cloud", "local", "--region", "cn-hangzhou", "--instance-type", DEPLOY[6], "--yes")


def plant(house: House) -> str:
    """Leave a secret wherever one may be left on the one node's disk; the address at which it signals its stack."""
    (disk,) = (house.home / "local-cloud/nodes").glob("*/disk")
    signal = (disk / "var/lib/garret/signal").read_text("utf-8")
    for place in PLACES:
        path = disk / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{PLANTED}\n")
    found = re.search(r"https?://[^\s'\"]+", signal)
    assert found, signal
    return found.group()


def test_an_image_is_baked_used_and_deleted(house: House, tmp_path: Path) -> None:
    """Killed in the middle it is finished; no secret is in it; deployments start from it; nothing stays."""
    assert house.run(*BAKE, GARRET_CRASH_AT="bake.installed").returncode == -9
    address = plant(house)
    baked = house.json(*BAKE)
    image = house.home / "local-cloud/images" / baked["image_id"]
    assert holds(image, PLANTED) == []
    assert holds(image, address) == []
    assert (house.stacks(), house.instances()) == ([], [])
    assert {line["kind"] for line in house.billed()} == {"snapshot"}

    picture = tmp_path / "first.png"
    files = house.asked("SendFile")
    deployed = house.json(*DEPLOY, "--picture", str(picture))
    assert shows(picture, "a red circle on a blue background")
    assert house.asked("SendFile") == files, "the image has the runtime: no piece of it is sent"
    assert [one.image_id for one in house.instances()] == [baked["image_id"]]
    assert deployed["state"] == "running"

    refused = house.run("image", "delete", baked["image_id"], "--yes")
    assert refused.returncode == 2
    assert "used by garret" in refused.stderr
    assert [one["used_by"] for one in house.json("image", "list")] == [["garret"]]
    house.garret("delete", "garret", "--yes")
    house.garret("image", "delete", baked["image_id"], "--yes")
    assert house.json("image", "list") == []
    assert house.billed() == []
