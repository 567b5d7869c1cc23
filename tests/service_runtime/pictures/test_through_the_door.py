"""A whole service: what a request says of its file is what its caller gets, marked and labelled as the node is set."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import PIL.Image

import garret
from garret.service_runtime.infotext_reader import request_fields
from garret.service_runtime.pictures.watermark import BITS, bits_in
from tests.service_runtime.living import fake_settings, serving
from tests.service_runtime.pictures.test_encode import comment_in, label_in

ASKED = {"prompt": "a red circle", "negative_prompt": "blue", "width": 256, "height": 256, "steps": 2, "seed": 7}


def test_files_say_what_they_are(tmp_path: Path) -> None:
    """WebP with words, label and mark; the words make the same picture again; PNG as the request's own wish."""
    with serving(fake_settings(tmp_path, aigc_producer="001-lab", watermark=True)) as service:
        job = service.call("POST", "/v1/jobs?wait=20", {**ASKED, "output": {"format": "webp", "quality": 100}}).json
        shown = service.call("GET", f"/v1/jobs/{job['id']}/pictures/0")
        assert shown.headers["content-type"] == "image/webp"
        picture = PIL.Image.open(io.BytesIO(shown.body))
        label = label_in(picture.info["xmp"])
        assert (label["Label"], label["ContentProducer"]) == ("1", "001-lab")
        fields, rest = request_fields(comment_in(picture))
        assert rest["Version"] == "garret"
        again = service.call("POST", "/v1/jobs?wait=20", {**fields, "output": {"watermark": False}}).json
        plain = PIL.Image.open(io.BytesIO(service.call("GET", f"/v1/jobs/{again['id']}/pictures/0").body))
        assert json.loads(plain.text["AIGC"])["ProduceID"] != label["ProduceID"]
        marked = service.call("POST", "/v1/jobs?wait=20", fields).json
        third = PIL.Image.open(io.BytesIO(service.call("GET", f"/v1/jobs/{marked['id']}/pictures/0").body))
    assert bits_in(third.tobytes(), 256, 256) == BITS
    assert bits_in(plain.tobytes(), 256, 256) != BITS
    furthest = max(abs(a - b) for a, b in zip(picture.convert("RGB").tobytes(), third.tobytes(), strict=True))
    assert furthest < 40
    assert request_fields(third.text["parameters"])[0] == fields


def test_a_text_makes_its_picture_again(tmp_path: Path) -> None:
    """The demo model, a LoRA by its tag, a variation, a second pass: what the file says brings the same pixels."""
    demo = Path(garret.__file__).parent / "demo_model"
    for name, kind in (("demo", "Stable-diffusion"), ("heart", "Lora")):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / f"{name}.safetensors").symlink_to(demo / f"{name}.safetensors")
    settings = replace(fake_settings(tmp_path), engine="sdxl", models_dir=tmp_path, config_dir=demo / "config")
    asked = {
        **ASKED, "prompt": "a red heart <lora:heart:0.7> on (white:1.2)", "width": 64, "height": 64, "clip_skip": 2,
        "sampler": "Euler a", "variation": {"seed": 4, "strength": 0.3}, "n_iter": 2,
        "hires": {"scale": 1.5, "steps": 2, "denoise": 0.5, "schedule": "exponential"},
    }  # fmt: skip
    with serving(replace(settings, device="cpu", max_batch=1)) as service:
        job = service.call("POST", "/v1/jobs?wait=60", asked).json
        second = PIL.Image.open(io.BytesIO(service.call("GET", f"/v1/jobs/{job['id']}/pictures/1").body))
        fields, _ = request_fields(second.text["parameters"])
        assert (fields["variation"]["seed"], fields["prompt"]) == (5, "a red heart  on (white:1.2) <lora:heart:0.7>")
        again = service.call("POST", "/v1/jobs?wait=60", fields).json
        alone = PIL.Image.open(io.BytesIO(service.call("GET", f"/v1/jobs/{again['id']}/pictures/0").body))
    assert alone.text["parameters"] == second.text["parameters"]
    assert alone.tobytes() == second.tobytes()
