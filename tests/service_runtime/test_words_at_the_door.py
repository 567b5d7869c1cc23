"""Styles, tags and embeddings as callers of a running service meet them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.service_runtime.living import Answer, Service, fake_settings, serving
from tests.service_runtime.test_embeddings import put


@pytest.fixture(scope="module")
def wordy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with a style, and with an embedding that it cannot use."""
    settings = fake_settings(tmp_path_factory.mktemp("wordy"))
    (settings.models_dir / "styles.csv").write_text(
        "name,prompt,negative_prompt\nink,ink drawing of {prompt},colour\n", encoding="utf-8"
    )
    put(settings.embeddings_dir, "old.safetensors", {"emb_params": (2, 768)})
    with serving(settings) as running:
        yield running


def post(service: Service, **body: Any) -> Answer:
    """Ask for a small picture, and wait for it."""
    return service.call("POST", "/v1/jobs?wait=10", {"prompt": "a fox", "width": 64, "height": 64, "steps": 1, **body})


def test_a_style_is_around_the_words_that_a_picture_tells(wordy: Service) -> None:
    """As A1111 writes them into the file; the job has them as they were asked for."""
    done = post(wordy, styles=["ink"]).json
    assert done["state"] == "Success"
    assert done["pictures"][0]["infotext"].startswith("ink drawing of a fox\nNegative prompt: colour\nSteps: 1,")
    assert done["request"]["prompt"] == "a fox"


def test_what_is_not_there_is_refused_with_what_is(wordy: Service) -> None:
    """Before there is a job."""
    style = post(wordy, styles=["oil"])
    assert (style.status, style.json["field"]) == (400, "styles")
    assert "Known: ink" in str(style.json["detail"])
    tag = post(wordy, prompt="a fox <lora:ink:loud>")
    assert (tag.status, tag.json["field"]) == (422, "prompt")
    assert "no number" in tag.json["errors"]


def test_what_is_passed_over_is_told(wordy: Service) -> None:
    """With the job, and with its picture."""
    done = post(wordy, prompt="an old fox", negative_prompt="<lora:ink:1>").json
    assert "Stable Diffusion 1.x" in done["notes"]["Embedding passed over"]
    assert "negative prompt" in done["notes"]["LoRA passed over"]


def test_callers_of_a1111_have_styles_as_well(wordy: Service) -> None:
    """By the same names; clip skip comes among the overridden settings."""
    body = {"prompt": "a fox", "styles": ["ink"], "override_settings": {"CLIP_stop_at_last_layers": 3}}
    told = wordy.txt2img(**body).json["info"]
    assert "ink drawing of a fox\\nNegative prompt: colour" in told
    assert "Clip skip: 3" in told
