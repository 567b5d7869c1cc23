"""From nothing to a picture, to no bill, and back to nothing: what a person does with garret."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from garret.demo_model.check import matches
from garret.local_cloud.nodes.processes import marked
from tests.flows.house import DEPLOY, House

pytestmark = pytest.mark.flow


def shows(picture: Path, prompt: str) -> bool:
    """Say whether the picture shows what the prompt says, by the automatic check."""
    with Image.open(picture) as image:
        return matches(prompt, np.asarray(image.convert("RGB")))


def test_from_nothing_to_a_picture_and_back(house: House, tmp_path: Path) -> None:
    """Deploy makes a true picture; stop, start, generate and delete do what they say and leave nothing."""
    first = tmp_path / "first.png"
    deployed = house.json(*DEPLOY, "--picture", str(first))
    assert deployed["state"] == "running"
    assert deployed["login"] == "admin"
    assert deployed["price_per_hour"]["made_up"] is True
    assert shows(first, "a red circle on a blue background")

    told = house.json("logs", "--bootstrap")
    assert [entry["state"] for entry in told["journal"] if entry["step"] == "ensure_picture"] == ["running", "done"]
    assert any(line.endswith("signal done: SUCCESS") for line in told["lines"])
    assert len(house.json("logs", "--service", "-n", "2")["lines"]) == 2

    written = house.calls("write")
    again = house.json(*DEPLOY)
    assert again["endpoint"] == deployed["endpoint"]
    assert house.calls("write") == written, "a second deploy with nothing to change writes nothing"
    assert len(house.stacks()) == 1

    star = tmp_path / "star.png"
    house.garret("generate", "a green star on a white background", "-o", str(star), "--seed", "1")
    assert shows(star, "a green star on a white background")

    assert [row["name"] for row in house.json("list")] == ["garret"]
    house.garret("ops", "stop")
    assert house.json("status")["state"] == "stopped"
    assert "instance" not in {line["kind"] for line in house.billed()}, "a stopped machine is not paid for"
    assert [instance.stopped_mode for instance in house.instances()] == ["StopCharging"]
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{deployed['endpoint']}/healthz", timeout=5)

    house.garret("ops", "start")
    started = house.json("status")
    assert (started["state"], started["endpoint"]) == ("running", deployed["endpoint"])
    house.garret("generate", "a green star on a white background", "-o", str(tmp_path / "again.png"), "--seed", "1")
    assert shows(tmp_path / "again.png", "a green star on a white background")

    machine = house.instances()[0].instance_id
    assert marked(machine)
    house.garret("delete", "garret", "--yes")
    assert house.json("list") == []
    assert house.stacks() == []
    assert house.instances() == []
    assert house.billed() == []
    assert marked(machine) == [], "nothing of the node runs any more"


@pytest.mark.parametrize("point", ["deploy.journaled", "deploy.created", "deploy.waiting"])
def test_a_killed_deploy_is_explained_and_finished(house: House, point: str) -> None:
    """After kill -9 in the middle of deploy, status explains it and deploy ends with one stack."""
    killed = house.run(*DEPLOY, GARRET_CRASH_AT=point)
    assert killed.returncode == -9
    assert house.json("status")["state"] in {"creating", "running"}
    assert house.json(*DEPLOY)["state"] == "running"
    assert len(house.stacks()) == 1
    assert len(house.instances()) == 1


def test_killed_operations_are_finished_by_typing_them_again(house: House) -> None:
    """After kill -9 right behind the call that stops, starts or deletes, the same command ends what it began."""
    house.garret(*DEPLOY)
    stopping = house.run("ops", "stop", GARRET_CRASH_AT="stop.sent")
    assert (stopping.returncode, "ended in its middle" in stopping.stderr) == (1, True)
    house.garret("ops", "stop")
    assert house.json("status")["state"] == "stopped"
    assert house.run("ops", "start", GARRET_CRASH_AT="start.sent").returncode == 1
    house.garret("ops", "start")
    assert house.json("status")["state"] == "running"
    assert house.run("delete", "garret", "--yes", GARRET_CRASH_AT="delete.sent").returncode == -9
    house.garret("delete", "garret", "--yes")
    assert house.stacks() == []
    assert house.billed() == []


def test_a_killed_deploy_can_be_deleted(house: House) -> None:
    """After kill -9 in the middle of deploy, delete leaves nothing."""
    assert house.run(*DEPLOY, GARRET_CRASH_AT="deploy.created").returncode == -9
    house.garret("delete", "garret", "--yes")
    assert house.stacks() == []
    assert house.instances() == []
