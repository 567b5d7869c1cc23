"""A whole service: what a request says of its file is what its caller gets, marked and labelled as the node is set."""

from __future__ import annotations

import io
import json
from pathlib import Path

import PIL.Image

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
