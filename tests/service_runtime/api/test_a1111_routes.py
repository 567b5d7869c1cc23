"""A1111's smaller routes: what a picture says, what the machine says, and what is refused by design."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import PIL.PngImagePlugin
import pytest
from PIL import Image

from tests.service_runtime.living import Service, wait

A1111 = "A1111"
A1111S_OWN = (
    "a fox, (red:1.2)\nNegative prompt: blue\nSteps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 5, "
    'Size: 512x768, Model hash: 31e35c80fc, Model: other, Lora hashes: "a: 1234, b: 5678", Version: v1.6.0'
)


def file_with(**texts: str) -> str:
    """Return a PNG with texts, in base64."""
    info = PIL.PngImagePlugin.PngInfo()
    for key, text in texts.items():
        info.add_text(key, text)
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG", pnginfo=info)
    return base64.b64encode(file.getvalue()).decode()


@pytest.mark.compatible(A1111, "HTTP", "png-info of files from A1111 and other programs, in three formats")
def test_a_file_of_another_program_is_read(service: Service) -> None:
    """A1111's own text is taken apart as A1111 does; other texts are items; one without any says nothing."""
    image = file_with(parameters=A1111S_OWN, Software="other")
    told = service.call("POST", "/sdapi/v1/png-info", {"image": "data:image/png;base64," + image}).json
    assert (told["info"], told["items"]) == (A1111S_OWN, {"Software": "other"})
    expected = {"Prompt": "a fox, (red:1.2)", "Size-1": "512", "Size-2": "768", "Clip skip": "1", "RNG": "GPU"}
    assert expected.items() <= told["parameters"].items()
    assert told["parameters"]["Lora hashes"] == "a: 1234, b: 5678"
    for form in ("jpg", "webp"):
        made = service.txt2img(prompt="a fox", override_settings={"samples_format": form})
        told = service.call("POST", "/sdapi/v1/png-info", {"image": made.json["images"][0]}).json
        assert told["info"] == json.loads(made.json["info"])["infotexts"][0]
    plain = service.call("POST", "/sdapi/v1/png-info", {"image": file_with()}).json
    assert plain == {"info": "", "items": {}, "parameters": {}}
    silent = service.txt2img(prompt="a fox", override_settings={"enable_pnginfo": False}).json["images"][0]
    assert service.call("POST", "/sdapi/v1/png-info", {"image": silent}).json["info"] == ""


@pytest.mark.parametrize("image", [None, "", 7, "not base64!", "aGVsbG8=", "http://127.0.0.1/a.png"])
def test_what_is_no_picture_is_refused(service: Service, image: Any) -> None:
    """By its field."""
    refused = service.call("POST", "/sdapi/v1/png-info", {"image": image})
    assert (refused.status, refused.json["field"]) == (422, "image")


REFUSED: list[tuple[str, int, str]] = [
    ("/sdapi/v1/interrogate", 501, "no model that describes pictures"),
    ("/sdapi/v1/create/embedding", 501, "not trained here"),
    ("/sdapi/v1/create/hypernetwork", 501, "no hypernetworks"),
    ("/sdapi/v1/train/embedding", 501, "not trained here"),
    ("/sdapi/v1/train/hypernetwork", 501, "no hypernetworks"),
    ("/controlnet/detect", 501, "none here"),
    ("/sdapi/v1/server-kill", 403, "garret ops stop"),
    ("/sdapi/v1/server-restart", 403, "garret ops stop"),
    ("/sdapi/v1/server-stop", 403, "garret ops stop"),
]


@pytest.mark.incompatible(A1111, "training, stopping the server", "501 and 403: not here, and the operator's")
@pytest.mark.parametrize(("path", "status", "words"), REFUSED, ids=[path for path, _, _ in REFUSED])
def test_what_is_refused_by_design_says_why(service: Service, path: str, status: int, words: str) -> None:
    """In the dialect's own shape, with what to do instead; and the service goes on."""
    refused = service.call("POST", path, {})
    assert refused.status == status
    assert words in refused.json["detail"]
    assert {"error", "detail", "body", "errors"} <= set(refused.json)
    assert service.call("GET", "/internal/ping").json == {}


def loaded(service: Service) -> list[str]:
    """The models that its one device holds."""
    (worker,) = service.call("GET", "/machine").json["workers"]
    return list(worker["models"])


@pytest.mark.compatible(A1111, "HTTP", "unload-checkpoint, reload-checkpoint, refresh-…, memory")
def test_a_model_is_let_go_and_loaded_again(service: Service) -> None:
    """A device that has nothing to do holds nothing then, and the next picture is made all the same."""
    assert service.txt2img(prompt="a fox").status == 200
    held = service.call("GET", "/sdapi/v1/memory").json["cuda"]["system"]
    assert held["free"] + held["used"] == held["total"]
    assert loaded(service) == ["tiny"]
    for order in ("unload-checkpoint", "reload-checkpoint"):
        assert service.call("POST", f"/sdapi/v1/{order}").json == {}
    wait(lambda: not loaded(service), 10, "the device to let go")
    for kind in ("checkpoints", "vae", "loras", "embeddings"):
        assert service.call("POST", f"/sdapi/v1/refresh-{kind}").json is None
    assert service.txt2img(prompt="a fox").status == 200


OFF: list[Any] = [
    {},
    {"ControlNet": {"args": []}},
    {"ControlNet": {"args": [{"enabled": False}, {"enabled": False}]}},
    {"ADetailer": {"args": [False, False]}},
    {"a": {"args": {"enabled": False}}, "b": {"args": None}},
]
ON: list[Any] = [
    {"ControlNet": {"args": [{"enabled": False}, {"enabled": True}]}},
    {"ControlNet": {"args": [{}]}},
    {"ADetailer": {"args": [True, {}]}},
    {"ADetailer": {}},
    {"ADetailer": 3},
    ["ADetailer"],
    "ADetailer",
]


@pytest.mark.parametrize("scripts", OFF)
def test_scripts_that_are_switched_off_are_no_scripts(service: Service, scripts: Any) -> None:
    """Clients send them with every request."""
    assert service.txt2img(prompt="a fox", alwayson_scripts=scripts).status == 200


@pytest.mark.parametrize("scripts", ON)
def test_scripts_in_earnest_are_refused(service: Service, scripts: Any) -> None:
    """A picture without them would not be what was asked for."""
    refused = service.txt2img(prompt="a fox", alwayson_scripts=scripts)
    assert (refused.status, refused.json["errors"].startswith("alwayson_scripts: ")) == (501, True)
