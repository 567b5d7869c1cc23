"""LoRAs, VAEs and refiners as callers of a running service meet them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from garret import demo_model
from garret.service_runtime.tensor_families import UNET
from tests.service_runtime.living import Answer, Service, fake_settings, safetensors_bytes, serving


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the service has its models."""
    return tmp_path_factory.mktemp("stocked")


@pytest.fixture(scope="module")
def stocked(folder: Path) -> Iterator[Service]:
    """A service with the demo LoRA and with files of another family."""
    settings = fake_settings(folder)
    root = settings.models_dir
    old = {UNET + "out.0.weight": (1,), "cond_stage_model.transformer.x": (1,)}
    ancient = {"lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight": (8, 768)}
    for path, content in {
        "Lora/heart.safetensors": demo_model.LORA.read_bytes(),
        "Lora/ancient.safetensors": safetensors_bytes(ancient),
        "Stable-diffusion/old.safetensors": safetensors_bytes(old),
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    with serving(settings) as running:
        yield running


def post(service: Service, **body: Any) -> Answer:
    """Ask for a small picture, and wait for it."""
    return service.call("POST", "/v1/jobs?wait=10", {"prompt": "a fox", "width": 64, "height": 64, "steps": 1, **body})


def test_a_lora_is_asked_for_by_tag_or_field(stocked: Service) -> None:
    """The picture tells of it either way."""
    tagged, listed = post(stocked, prompt="a fox <lora:heart:0.5>"), post(stocked, loras=[{"name": "heart"}])
    for answer in (tagged, listed):
        assert answer.json["state"] == "Success", answer.json
        assert "<lora:heart:" in answer.json["pictures"][0]["infotext"]
    assert stocked.txt2img(prompt="a fox <lora:HEART:1>").status == 200, "in whatever case, at A1111's door as well"


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"prompt": "a fox <lora:hart:1>"}, 400, "no LoRA is called 'hart'"),
        ({"loras": [{"name": "ancient"}]}, 422, "a LoRA for Stable Diffusion 1.x"),
        ({"checkpoint": "old"}, 422, "a checkpoint of Stable Diffusion 1.x"),
        ({"vae": "nothing"}, 400, "no VAE is called 'nothing'"),
        ({"refiner": {"checkpoint": "old"}}, 422, "a checkpoint of Stable Diffusion 1.x"),
        ({"refiner": {}}, 400, "no refiner for"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(
    stocked: Service, body: dict[str, Any], status: int, words: str
) -> None:
    """Before there is a job."""
    answer = post(stocked, **body)
    assert (answer.status, words in str(answer.json)) == (status, True), answer.json


def test_a_lora_put_there_a_moment_ago_is_found(stocked: Service, folder: Path) -> None:
    """Without a restart; and one that was taken away is not there."""
    (path,) = folder.rglob("heart.safetensors")
    assert post(stocked, prompt="a fox <lora:new:1>").status == 400
    new = path.with_name("new.safetensors")
    new.write_bytes(path.read_bytes())
    assert post(stocked, prompt="a fox <lora:new:1>").json["state"] == "Success"
    new.unlink()
    assert post(stocked, prompt="a fox <lora:new:1>").status == 400
