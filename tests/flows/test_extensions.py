"""An extension of one's own disk on a deployment: in the next picture, and taken back when the service dies of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.flows.house import DEPLOY, House
from tests.service_runtime.extensions.making import project
from tests.service_runtime.extensions.test_roll_back import DIES

pytestmark = [pytest.mark.flow, pytest.mark.timeout(600)]

EXAMPLE = Path(__file__).parents[2] / "examples" / "extension"
MARKS = ((16, 16, 16), (239, 239, 239))


def deadly(folder: Path) -> Path:
    """A project whose code ends the service, and nothing else."""
    for name, content in project("deadly", DIES).items():
        path = folder / "deadly" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder / "deadly"


def comes_and_goes(house: House, folder: Path) -> None:
    """Install the example and a deadly one, on whatever kind of node."""
    installed = house.json("ops", "install-extension", str(EXAMPLE))
    assert (installed["status"], installed["output"]["trial"]) == ("Success", "")
    assert [task["name"] for task in installed["tasks"]] == ["check", "fetch", "examine", "restart and watch"]

    refused = house.run("ops", "install-extension", str(deadly(folder)))
    said = refused.stdout + refused.stderr
    assert refused.returncode == 1, said
    assert "deadly was rolled back" in said
    assert "a last word" in said

    listed = house.json("ops", "extensions")
    assert {one["name"]: one["state"] for one in listed["extensions"]} == {
        "deadly": "disabled",
        "studio-style": "enabled",
    }
    picture = folder / "fox.png"
    house.garret("generate", "a red circle @ink", "-o", str(picture))
    with Image.open(picture) as image:
        assert image.text["parameters"].startswith("a red circle black ink drawing")
        assert image.getpixel((image.width - 1, image.height - 1)) in MARKS
    ended = [one["status"] for one in house.json("ops", "executions") if one["verb"] == "install-extension"]
    assert sorted(ended) == ["Failed", "Success"]
    house.garret("ops", "extensions", "remove", "studio-style")
    assert [one["name"] for one in house.json("ops", "extensions", "list")["extensions"]] == ["deadly"]


def test_an_extension_comes_and_goes(house: House, tmp_path: Path) -> None:
    """On a node of processes."""
    house.garret(*DEPLOY)
    comes_and_goes(house, tmp_path)
    missing = house.run("ops", "extensions", "enable", "nobody", "--json")
    assert missing.returncode == 1
    assert "there is no extension 'nobody'" in json.dumps(missing.stdout + missing.stderr)
