"""Models come, are listed, removed, restored and verified, as a person types it; whole nodes: test_whole_node.py."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from garret import demo_model
from garret.ops.endpoint import Endpoint
from garret.service_runtime.png import encode_png
from tests.flows.conftest import house_at
from tests.flows.house import DEPLOY, House
from tests.flows.test_house import shows
from tests.service_runtime.living import safetensors_bytes
from tests.service_runtime.operations.hub import Hub, serving_hub

pytestmark = [pytest.mark.flow, pytest.mark.timeout(300)]

TO_TEXT = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight"
INK = safetensors_bytes({TO_TEXT: (16, 2048)}, b"ink")
OLD = safetensors_bytes({TO_TEXT: (16, 768)}, b"old")
PNG = encode_png(b"\0" * 12, 2, 2, {})
WEIGHTS = demo_model.WEIGHTS.read_bytes()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house with one deployment on a process node."""
    with house_at(tmp_path_factory.mktemp("models") / "home") as one:
        one.garret(*DEPLOY)
        yield one


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A web server that is CivitAI as well, with a LoRA, its picture, and one of another family."""
    with serving_hub() as one:
        one.files |= {"/ink.safetensors": INK, "/old.safetensors": OLD, "/ink.png": PNG, "/mine.safetensors": WEIGHTS}
        file = {"name": "ink.safetensors", "primary": True, "downloadUrl": f"{one.url}/ink.safetensors",
                "hashes": {"SHA256": hashlib.sha256(INK).hexdigest()}}  # fmt: skip
        one.say("/api/v1/model-versions/8", {"id": 8, "modelId": 7, "files": [file], "images": []})
        yield one


def test_many_models_come_from_a_list(house: House, hub: Hub, tmp_path: Path) -> None:
    """A LoRA by its number at CivitAI with a token that no disk keeps, its picture, and a checkpoint by its address."""
    listed = tmp_path / "models.yaml"
    listed.write_text(
        f"- {{type: lora, kind: preview, name: ink, url: '{hub.url}/ink.png'}}\n"
        "- {type: lora, from: 'civitai:7@8', token_env: CIVITAI}\n"
        f"- {{type: checkpoint, url: '{hub.url}/mine.safetensors'}}\n",
        "utf-8",
    )
    doors = {"GARRET_ENDPOINT_CIVITAI": hub.url, "CIVITAI": "planted-token-7"}
    execution = house.json("ops", "download-model", "--list", str(listed), **doors)
    assert [(one["name"], one["kind"]) for one in execution["output"]["models"]] == [
        ("ink", "model"), ("mine", "model"), ("ink", "preview"),
    ]  # fmt: skip
    asked = dict(hub.asked)
    assert asked["/api/v1/model-versions/8"] == asked["/ink.safetensors"] == "Bearer planted-token-7"
    assert (asked["/ink.png"], asked["/mine.safetensors"]) == ("", "")
    kept = [path for path in house.home.rglob("*") if path.is_file() and b"planted-token-7" in path.read_bytes()]
    assert kept == []
    models = {one["name"]: one for one in house.json("ops", "list-models")["models"]}
    assert (models["ink"]["family"], models["ink"]["preview"], models["ink"]["problem"]) == ("lora-sdxl", "ink.png", "")
    endpoint = _service(house)
    assert {"demo", "ink", "mine"} <= {one["name"] for one in endpoint.get("/v1/models?type=all")["data"]}
    picture = tmp_path / "mine.png"
    house.garret("generate", "a blue square on a yellow background", "--model", "mine", "-o", str(picture))
    assert shows(picture, "a blue square on a yellow background")
    told = house.garret("ops", "list-models", "--type", "lora")
    assert [line.split()[:3] for line in told.splitlines()[1:3]] == [
        ["lora", "heart", "lora-sdxl"], ["lora", "ink", "lora-sdxl"],
    ]  # fmt: skip
    house.garret("generate", "a red heart on a blue background <lora:heart:1>", "-o", str(picture))
    assert shows(picture, "a red heart on a blue background"), "what comes with the demo model is there to be used"
    asked = {"upscale": {"image": base64.b64encode(picture.read_bytes()).decode(), "upscaler": "demo-2x"}}
    larger = endpoint.post("/v1/jobs?wait=60", asked, timeout_s=90)
    assert (larger["state"], larger["model"]["name"]) == ("Success", "demo-2x")
    assert larger["pictures"][0]["infotext"].startswith("a red heart on a blue background")
    house.garret("generate", "a red circle", "--set", "upscale.upscaler=demo-2x", "-o", str(picture))
    assert int.from_bytes(picture.read_bytes()[16:20]) == 256, "twice what the demo model draws"


def test_a_lora_of_another_family_is_refused_unless_that_is_meant(house: House, hub: Hub) -> None:
    """By its tensors' names, with the reason; forced, it is listed with that reason."""
    wanted = ("ops", "download-model", "--type", "lora", "--url", f"{hub.url}/old.safetensors")
    refused = house.run(*wanted)
    assert refused.returncode == 1
    assert "a LoRA for Stable Diffusion 1.x, and this service makes pictures with SDXL" in refused.stderr
    assert "--force" in refused.stderr
    assert "old" not in [one["name"] for one in house.json("ops", "list-models")["models"]]
    house.garret(*wanted, "--force")
    models = {one["name"]: one for one in house.json("ops", "list-models")["models"]}
    assert "Stable Diffusion 1.x" in models["old"]["problem"]


def test_a_model_is_removed_restored_and_verified(house: House, hub: Hub) -> None:
    """Gone from the service at once, back at once, and a byte that changed is found; each leaves an execution."""
    house.garret("ops", "download-model", "--type", "lora", "--name", "kept", "--url", f"{hub.url}/ink.safetensors")
    endpoint = _service(house)
    removed = house.garret("ops", "remove-model", "kept")
    assert "garret ops restore-model kept" in removed
    assert "kept" not in {one["name"] for one in endpoint.get("/v1/models?type=all")["data"]}
    assert "kept until" in house.garret("ops", "list-models")
    asked = len(hub.asked)
    digest = hashlib.sha256(INK).hexdigest()
    again = ("ops", "download-model", "--type", "lora", "--name", "from-bin", "--sha256", digest)
    assert house.json(*again, "--url", f"{hub.url}/ink.safetensors")["output"]["already_there"]
    assert len(hub.asked) == asked
    house.garret("ops", "remove-model", "from-bin", "--for-good")
    [path] = [Path(one["path"]) for one in house.json("ops", "restore-model", "kept")["output"]["models"]]
    assert path.read_bytes() == INK
    house.garret("ops", "verify-models", "kept")
    path.write_bytes(INK[:-1] + b"!")
    wrong = house.run("ops", "verify-models", "--type", "lora")
    assert wrong.returncode == 1
    assert "Lora/kept.safetensors: its SHA-256 is" in wrong.stderr
    house.garret("ops", "verify-models", "kept", "--accept")
    nothing = house.run("ops", "remove-model", "nothing")
    assert "there is no model 'nothing'" in nothing.stderr
    verbs = {one["verb"] for one in house.json("ops", "executions", "list")}
    assert {"list-models", "remove-model", "restore-model", "verify-models", "download-model"} <= verbs


def _service(house: House) -> Endpoint:
    login = json.loads((house.home / "deployments/local/garret/login.json").read_text("utf-8"))
    return Endpoint(login["endpoint"], login["token"], login.get("tls_sha256", ""))
