"""A node with real processes: backed up and brought back, sold out in the morning and moved with all that it holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.conftest import house_at
from tests.flows.house import House

pytestmark = pytest.mark.flow

SMALL, LARGER = "ecs.gn7i-c8g1.2xlarge", "ecs.gn7i-c16g1.4xlarge"
HOME, OTHER = "cn-hangzhou-i", "cn-hangzhou-j"
NOTE = '"$GARRET_PREFIX/home/models/Lora/note.txt"'


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house with one deployment, and a file of a person's among its models."""
    with house_at(tmp_path_factory.mktemp("moves") / "home") as house:
        house.garret("deploy", "film", "--region", "cn-hangzhou", "--zone", HOME, "--instance-type", SMALL, "--yes")
        on_node(house, f"echo kept > {NOTE}")
        yield house


def on_node(house: House, command: str) -> str:
    """What a command on the node says."""
    return house.garret("ops", "run", "--", "sh", "-c", command)


def picture(house: House, path: Path) -> bytes:
    """A picture, with the login that this machine has had from the beginning."""
    house.garret("generate", "a red circle on a blue background", "--seed", "7", "-o", str(path))
    return path.read_bytes()


def what_was_deleted_is_back(house: House) -> None:
    """A backup while it runs, a file that goes, and the disk as it was; what came after is in a backup of its own."""
    first = house.json("ops", "backup")["backup"]["id"]
    on_node(house, f"rm {NOTE}")
    asked = house.run("ops", "restore")
    assert asked.returncode == 2
    assert f"Restore: film to {first}" in asked.stdout + asked.stderr
    facts = house.json("ops", "restore", "--yes")
    assert (facts["restored"]["id"], facts["state"]) == (first, "running")
    assert "kept" in on_node(house, f"cat {NOTE}")
    assert len(house.json("ops", "backup", "--list")["backups"]) == 2


def sold_out_at_nine_in_the_morning(house: House, tmp_path: Path) -> None:
    """Told what there is; moved with models, pictures, login and address; the bill has one disk and one address."""
    before, same = house.json("status"), picture(house, tmp_path / "before.png")
    house.garret("ops", "stop")
    house.faults({"fault": "no_stock", "zone": HOME})
    refused = house.run("ops", "start")
    assert refused.returncode == 1
    for words in (f"zone {HOME} has no {SMALL}", "nothing is lost", f"--move-zone {OTHER}", "billed: disk and address"):
        assert words in refused.stderr, refused.stderr
    moved = house.run("ops", "start", "--fallback-type", LARGER, "--move-zone")
    assert moved.returncode == 0, moved.stderr
    for words in (f"{SMALL} in {HOME} is sold out", f"{LARGER} in {HOME} is sold out", f"trying {SMALL} in {OTHER}"):
        assert words in moved.stdout + moved.stderr
    now = house.json("status")
    assert (now["state"], now["endpoint"]) == ("running", before["endpoint"])
    assert [(one.zone_id, one.status) for one in house.instances()] == [(OTHER, "Running")]
    assert "kept" in on_node(house, f"cat {NOTE}")
    assert picture(house, tmp_path / "after.png") == same
    kinds = sorted(line["kind"] for line in house.billed() if line["kind"] != "snapshot")
    assert kinds == ["address", "disk", "instance"]
    written = house.calls("write")
    again = house.json("deploy", "film", "--region", "cn-hangzhou", "--zone", HOME, "--instance-type", SMALL, "--yes")
    assert again["changed"] is False
    assert house.calls("write") == written


def another_type_and_nothing_left(house: House) -> None:
    """Shown with both prices before it begins; deleted with its backups, nothing is billed."""
    house.clear_faults()
    said = house.run("ops", "resize", LARGER)
    assert said.returncode == 2
    assert f"{SMALL} → {LARGER}" in said.stdout + said.stderr
    assert "(before: " in said.stdout + said.stderr
    assert house.json("ops", "resize", LARGER, "--yes")["instance_type"] == LARGER
    assert "kept" in on_node(house, f"cat {NOTE}")
    house.garret("delete", "film", "--yes")
    assert {line["kind"] for line in house.billed()} == {"snapshot"}
    house.garret("delete", "film", "--snapshots", "--yes")
    assert house.billed() == []


def test_a_life_with_a_backup_a_move_and_another_type(house: House, tmp_path: Path) -> None:
    """Part after part: each needs what the one before it left, in whatever order tests are run."""
    what_was_deleted_is_back(house)
    sold_out_at_nine_in_the_morning(house, tmp_path)
    another_type_and_nothing_left(house)
