"""dstack's example of SDXL: its page's commands by a real curl, and what was wrong with it put right."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from garret import demo_model
from garret.service_runtime.passwords import hash_token
from garret.service_runtime.png import SIGNATURE
from tests.service_runtime.api.drawn import picture, text_of
from tests.service_runtime.conftest import TOKEN
from tests.service_runtime.living import Service, fake_settings, serving

SMALL = {"prompt": "A cat in a hat", "width": 64, "height": "64"}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with a base model and its refiner."""
    folder = tmp_path_factory.mktemp("dstack")
    models = folder / "models" / "Stable-diffusion"
    models.mkdir(parents=True)
    for file in demo_model.WEIGHTS.parent.glob("demo*.safetensors"):
        shutil.copyfile(file, models / file.name)
    settings = fake_settings(
        folder, config_dir=demo_model.CONFIG.parent, default_checkpoint="demo", token_hashes=(hash_token(TOKEN),)
    )
    with serving(settings) as service:
        service.headers = {"Authorization": f"Bearer {TOKEN}"}
        yield service


def curl(service: Service, *arguments: str) -> bytes:
    """Run curl as the page does, with a login; return what it printed."""
    url = f"http://{service.host}:{service.port}"
    command = ["curl", "-sS", "--fail-with-body", "--location", "-H", f"Authorization: Bearer {TOKEN}"]
    return subprocess.run(
        [*command, *(one.replace("$URL", url) for one in arguments)], capture_output=True, check=True, timeout=60
    ).stdout


@pytest.mark.compatible("dstack", "curl", "generate, download and refine as the example's page has them")
def test_the_commands_of_its_page_work(node: Service, tmp_path: Path) -> None:
    """A picture, its file, and the same one refined, each under an id of its own."""
    kind = ("-H", "Content-Type: application/json")
    first = json.loads(curl(node, "-X", "POST", "$URL/generate", *kind, "-d", '{"prompt": "A cat in a hat"}'))
    assert list(first) == ["id"]
    curl(node, f"$URL/download/{first['id']}", "--output", str(tmp_path / "cat.png"))
    assert (tmp_path / "cat.png").read_bytes().startswith(SIGNATURE)
    asked = json.dumps({"id": first["id"], "prompt": "A cat in a hat, fine hair"})
    second = json.loads(curl(node, "-X", "POST", "$URL/refine", *kind, "-d", asked))
    assert second["id"] != first["id"]
    curl(node, f"$URL/download/{second['id']}", "--remote-name", "--remote-header-name", "--output-dir", str(tmp_path))
    assert (tmp_path / f"{second['id']}.png").read_bytes().startswith(SIGNATURE)


def test_sides_come_as_numbers_or_text(node: Service) -> None:
    """The example declares its height a text; both are sides, and nonsense is refused."""
    made = node.call("POST", "/generate", SMALL).json
    asked = node.call("GET", f"/v1/jobs/{made['id']}").json["request"]
    assert (asked["width"], asked["height"]) == (64, 64)
    for wrong in ("64px", "-64", "", "٦٤", 64.5, [64], "9" * 5000):
        refused = node.call("POST", "/generate", {**SMALL, "height": wrong})
        assert (refused.status, refused.json["field"]) == (422, "height")


@pytest.mark.compatible("dstack", "HTTP", "a refinement keeps the negative prompt and the seed")
def test_a_refinement_keeps_what_the_picture_was_asked_for_with(node: Service) -> None:
    """The example forgot the negative prompt; and the refiner does all the steps that are made."""
    made = node.call("POST", "/generate", {**SMALL, "negative_prompt": "rain", "seed": 7, "steps": 5}).json
    asked = node.call("POST", "/refine", {"id": made["id"], "prompt": "a dog"}).json
    request = node.call("GET", f"/v1/jobs/{asked['id']}").json["request"]
    assert (request["prompt"], request["negative_prompt"], request["seed"]) == ("a dog", "rain", 7)
    assert (request["width"], request["height"]) == (64, 64)
    assert (request["start"]["denoise"], request["refiner"]["switch_at"]) == (0.3, 0.0)
    again = node.call("POST", "/refine", {"id": asked["id"]}).json
    assert node.call("GET", f"/v1/jobs/{again['id']}").json["request"]["prompt"] == "a dog"


def test_a_picture_that_was_made_larger_is_refined_too(node: Service) -> None:
    """Whether it was painted before that or only brought; it is as large as it was, where that can be painted."""
    grown = {"upscaler": "Lanczos", "scale": 2}
    painted = node.call("POST", "/v1/jobs?wait=30", {"prompt": "a", "width": 64, "height": 64, "upscale": grown}).json
    brought = node.call("POST", "/v1/jobs?wait=30", {"upscale": {**grown, "image": text_of(picture())}}).json
    for job in (painted, brought):
        asked = node.call("POST", "/refine", {"id": job["id"], "prompt": "a dog"}).json
        request = node.call("GET", f"/v1/jobs/{asked['id']}").json["request"]
        assert (request["width"], request["height"], request["upscale"]) == (128, 128, None)
        assert (request["checkpoint"], request["steps"]) == ("demo", 8)


@pytest.mark.parametrize("identifier", ["0" * 32, "..%2f..%2fetc%2fpasswd", "%2e%2e", "a" * 3000, "%00", "%ff", "."])
def test_an_id_that_is_none_is_not_found(node: Service, identifier: str) -> None:
    """It is looked up, never made a path of; the example answered 500."""
    assert node.call("GET", f"/download/{identifier}").status == 404


def test_an_id_in_a_body_is_looked_up_alike(node: Service) -> None:
    """Somebody else's picture is not there either."""
    for wrong in ("../../etc/passwd", "\0", "x" * 9000, "0" * 32):
        assert node.call("POST", "/refine", {"id": wrong, "prompt": "a"}).status == 404
    for wrong in (None, 7, [], ""):
        refused = node.call("POST", "/refine", {"id": wrong, "prompt": "a"})
        assert (refused.status, refused.json["field"]) == (422, "id")


def test_a_node_without_a_refiner_says_so(service: Service) -> None:
    """And what to do about it."""
    made = service.call("POST", "/generate", SMALL).json
    refused = service.call("POST", "/refine", {"id": made["id"], "prompt": "a"})
    assert refused.status == 400
    assert "download-model" in refused.json["detail"]
