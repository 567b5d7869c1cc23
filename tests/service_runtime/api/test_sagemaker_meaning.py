"""What strength, weights and masks mean in the two schemas, seen on pictures of the model that this project trained."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy
import pytest
from numpy.typing import NDArray
from PIL import Image

from garret.demo_model.check import matches
from tests.service_runtime.api.drawn import text_of
from tests.service_runtime.living import Service

CIRCLE, STAR = "a red circle on a white background", "a green star on a blue background"
Pixels = NDArray[numpy.uint8]


def paint(service: Service, route: str, *texts: str | tuple[str, float], **body: Any) -> bytes:
    """Return a picture's file."""
    prompts = [{"text": one} if isinstance(one, str) else {"text": one[0], "weight": one[1]} for one in texts]
    said = {"text_prompts": prompts, "seed": 3, "steps": 8, "cfg_scale": 4, **body}
    answer = service.call("POST", f"/invocations/{route}", said)
    assert answer.status == 200, answer.body
    entry = answer.json["artifacts"][0]["base64"] if route == "optimised" else answer.json["generated_image"]
    return base64.b64decode(entry)


def seen(file: bytes) -> Pixels:
    """Return a file's pixels."""
    return numpy.asarray(Image.open(io.BytesIO(file)).convert("RGB"))


@pytest.mark.compatible(
    "SageMaker", "HTTP", "image_strength in its opposite senses, weights and masks, seen on pictures"
)
def test_what_is_seen(painting: Service) -> None:
    """The same body stays at the picture in one schema, and follows its words in the other."""
    circle = paint(painting, "optimised", CIRCLE)
    assert matches(CIRCLE, seen(circle))
    body = {"init_image": text_of(circle), "image_strength": 0.95}
    assert matches(CIRCLE, seen(paint(painting, "optimised", STAR, **body)))
    assert matches(STAR, seen(paint(painting, "open", STAR, **body)))
    schedule = {**body, "init_image_mode": "STEP_SCHEDULE", "step_schedule_start": 1.0}
    assert matches(STAR, seen(paint(painting, "optimised", STAR, **schedule)))


def test_weights_are_shares(painting: Service) -> None:
    """One that is nearly everything is what is seen; a lone text is all of it, whatever it weighs."""
    assert matches(STAR, seen(paint(painting, "open", (STAR, 0.97), (CIRCLE, 0.03))))
    assert paint(painting, "open", (CIRCLE, 0.2), steps=2) == paint(painting, "open", CIRCLE, steps=2)


def test_what_is_transparent_is_made_anew(painting: Service, tmp_path: Path) -> None:
    """And nothing else of the picture."""
    circle = paint(painting, "optimised", CIRCLE)
    with Image.open(io.BytesIO(circle)) as opened:
        half = opened.convert("RGBA")
    half.paste((0, 0, 0, 0), (64, 0, 128, 128))
    half.save(tmp_path / "half.png")
    body = {"init_image": text_of((tmp_path / "half.png").read_bytes()), "mask_source": "INIT_IMAGE_ALPHA"}
    changed = seen(paint(painting, "optimised", STAR, **body, image_strength=0.0)) != seen(circle)
    assert changed[:, 64:].any()
    assert not changed[:, :64].any()
