"""A content filter keeps pictures back, and where it cannot be asked there are none."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from garret.service_runtime.extensions.registry import PROVEN
from garret.service_runtime.settings import ServiceSettings
from tests.service_runtime.extensions.making import HEAD, put
from tests.service_runtime.living import fake_settings, serving

FILTER = (
    HEAD
    + """
@hookimpl
def judge(picture, about):
    if "fail" in about["prompt"]:
        raise RuntimeError("no weights")
    if "number" in about["prompt"]:
        return 7
    assert picture.size == (about["width"], about["height"])
    return "a swan" if "swan" in about["prompt"] and about["seed"] % 2 else None
"""
)


@pytest.fixture
def settings(tmp_path: Path) -> ServiceSettings:
    """A service on a node with the filter."""
    made = replace(fake_settings(tmp_path), extensions_dir=tmp_path / "extensions", safety="guard")
    put(made, "guard", FILTER, ("judge",), trial=PROVEN)
    return made


def test_a_picture_that_is_kept_back_is_black_and_said_to_be(settings: ServiceSettings) -> None:
    """Only that one: of two pictures of a request the other is there; without an answer there is none at all."""
    with serving(settings) as service:
        answer = service.txt2img(prompt="a swan", seed=2, batch_size=2)
        assert answer.status == 200
        kept, blocked = (Image.open(io.BytesIO(picture)) for picture in answer.pictures)
        assert kept.getextrema() != ((0, 0), (0, 0), (0, 0))
        assert blocked.getextrema() == ((0, 0), (0, 0), (0, 0))
        assert "Finish reason" not in kept.text["parameters"]
        assert "Finish reason: CONTENT_FILTERED" in blocked.text["parameters"]
        notes = json.loads(answer.json["info"])["extra_generation_params"]
        assert notes == {"Picture 1": "kept back by the content filter (CONTENT_FILTERED)"}
        for words, reason in (("fail", "RuntimeError: no weights"), ("number", "judge returned int")):
            answer = service.txt2img(prompt=words)
            assert answer.status == 500
            assert f"extension guard: {reason}" in answer.json["errors"] or reason in answer.json["errors"]


@pytest.mark.parametrize("safety", ["nobody", "broken", "off"])
def test_without_its_filter_a_service_makes_no_pictures(settings: ServiceSettings, safety: str) -> None:
    """Named and not there, or not loadable: each request is refused with its name; off, nobody is asked."""
    put(settings, "broken", "raise ImportError('gone')\n", ("judge",), trial=PROVEN)
    with serving(replace(settings, safety=safety)) as service:
        answer = service.txt2img(prompt="a swan", seed=1)
        if safety == "off":
            assert answer.status == 200
        else:
            assert answer.status == 500
            assert safety in answer.json["errors"]
