"""OpenAI's own client for JavaScript, npm's `openai`, by a real Node.js."""

from __future__ import annotations

import base64
import io
import json
import shutil
from pathlib import Path

import PIL.Image
import pytest

from tests.service_runtime.api.drawn import picture, size_of
from tests.service_runtime.api.javascript import Node
from tests.service_runtime.conftest import TOKEN
from tests.service_runtime.living import Service

VERSION = "7.57.0"


@pytest.mark.compatible(
    "OpenAI", "npm openai 7.57.0", "generate, edit with a mask, variations, url, models, stream, errors and its retry"
)
def test_its_client_in_javascript(service: Service, slow: Service, node: Node, tmp_path: Path) -> None:
    """The same as in Python: what it sends is taken, what it reads is there, and what it raises says why."""
    node.install(tmp_path, f"openai@{VERSION}")
    (tmp_path / "image.png").write_bytes(picture())
    (tmp_path / "mask.png").write_bytes(picture(mode="RGBA", colour=(0, 0, 0, 0)))
    script = shutil.copy(Path(__file__).with_name("openai_client.mjs"), tmp_path)
    quick, unhurried = (f"http://{one.host}:{one.port}/v1" for one in (service, slow))
    told = json.loads(node.run(script, folder=tmp_path, QUICK=quick, SLOW=unhurried, TOKEN=TOKEN))
    assert [(size_of(base64.b64decode(text)), seed) for text, seed in told["made"]] == [((64, 64), 7), ((64, 64), 8)]
    sizes = {name: [size_of(base64.b64decode(text)) for text in told[name]] for name in ("edited", "varied")}
    assert sizes == {"edited": [(64, 64)], "varied": [(256, 256)] * 2}
    assert size_of(base64.b64decode(told["fetched"])) == (64, 64)
    assert "tiny" in told["models"]
    kinds = [kind for kind, _ in told["events"]]
    assert kinds[-1] == "image_generation.completed"
    assert set(kinds[:-1]) == {"image_generation.partial_image"}
    assert {PIL.Image.open(io.BytesIO(base64.b64decode(text))).format for _, text in told["events"]} == {"WEBP"}
    refusals = {name: (told[name]["kind"], told[name]["status"]) for name in ("wrong", "stranger", "missing", "full")}
    assert refusals == {
        "wrong": ("BadRequestError", 400),
        "stranger": ("AuthenticationError", 401),
        "missing": ("NotFoundError", 404),
        "full": ("RateLimitError", 429),
    }
    assert (told["wrong"]["param"], told["missing"]["code"]) == ("size", "model_not_found")
    assert (told["first"], told["patient"]) == ("image_generation.completed", 1)
