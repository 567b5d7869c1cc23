"""OpenAI's image routes over plain HTTP: bodies as no client writes them, and refusals in that API's words."""

from __future__ import annotations

import base64
import io
import shutil
from pathlib import Path
from typing import Any

import httpx2
import numpy
import pytest
from PIL import Image

from garret import demo_model
from tests.service_runtime.api.drawn import last_asked, picture, text_of
from tests.service_runtime.living import Answer, Service, fake_settings, serving

MASK = picture(mode="RGBA", colour=(0, 0, 0, 0))


def post(service: Service, route: str, **body: Any) -> Answer:
    """Post a JSON body."""
    return service.call("POST", f"/v1/images/{route}", body)


def form(service: Service, route: str, files: Any, **texts: Any) -> httpx2.Response:
    """Post a form."""
    headers = {"Authorization": service.headers["Authorization"]}
    address = f"http://{service.host}:{service.port}/v1/images/{route}"
    return httpx2.post(address, data=texts, files=files, headers=headers, timeout=30)


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        ({}, "prompt", "is missing"),
        ({"prompt": ""}, "prompt", "is missing"),
        ({"prompt": 5}, "prompt", "must be text, not a number"),
        ({"prompt": "x" * 16_001}, "prompt", "At most 16000"),
        ({"n": 0}, "n", "Give 1 to 16"),
        ({"n": 17}, "n", "Give 1 to 16"),
        ({"n": "2"}, "n", "must be a whole number"),
        ({"size": "big"}, "size", "1024x1024, or auto"),
        ({"size": "100x64"}, "size", "Try 96"),
        ({"size": "4096x4096"}, "size", "Give 64 to 2048"),
        ({"size": "-64x64"}, "size", "is no size"),
        ({"quality": "best"}, "quality", "Known: low"),
        ({"output_format": "bmp"}, "output_format", "Known: png, jpeg, webp"),
        ({"output_compression": 50}, "output_compression", "PNG loses nothing"),
        ({"output_compression": 101, "output_format": "webp"}, "output_compression", "Give 0 to 100"),
        ({"background": "red"}, "background", "Known: auto, opaque"),
        ({"response_format": "file"}, "response_format", "Known: b64_json, url"),
        ({"response_format": "url", "stream": True}, "response_format", "a stream brings"),
        ({"partial_images": 4, "stream": True}, "partial_images", "Give 0 to 3"),
        ({"stream": "yes"}, "stream", "must be true or false"),
        ({"seed": 2**63}, "seed", "is out of range"),
        ({"guidance_scale": 99}, "guidance_scale", "must be 0 to 50"),
        ({"num_inference_steps": 500}, "num_inference_steps", "Give 1 to 150"),
        ({"steps": 5, "num_inference_steps": 6}, "num_inference_steps", "says another thing than steps"),
        ({"sampler_name": "Guess"}, "sampler_name", "Guess"),
        ({"loras": [{"name": "none-such"}]}, "loras", "none-such"),
        ({"hires": 5}, "hires", "must be an object"),
        ({"upscale": {"image": "x"}}, "upscale.image", "Ask POST /v1/jobs"),
        ({"negative_promt": "blue"}, "negative_promt", "is not a field"),
        ({"image": "x"}, "image", "is not a field"),
    ],
)
def test_a_wrong_field_is_named(service: Service, body: dict[str, Any], param: str, message: str) -> None:
    """With status 400, as the real service answers, and what to send instead."""
    answer = post(service, "generations", **({"prompt": "x"} if body and "prompt" not in body else {}), **body)
    error = answer.json["error"]
    assert (answer.status, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert message in error["message"]


@pytest.mark.incompatible("OpenAI", "background transparent", "with 400: SDXL paints no transparency")
def test_a_transparent_background_is_refused(service: Service) -> None:
    """It is not made opaque in silence."""
    error = post(service, "generations", prompt="x", background="transparent").json["error"]
    assert (error["param"], error["code"]) == ("background", "invalid_value")


@pytest.mark.incompatible("OpenAI", "moving pictures and SVG", "with 400: no such pictures are made")
@pytest.mark.parametrize("body", [{"output_format": "gif"}, {"output_format": "svg"}, {"frame_count": 4}, {"svg": {}}])
def test_moving_pictures_and_drawings_are_refused(service: Service, body: dict[str, Any]) -> None:
    """Each by its own name."""
    answer = post(service, "generations", prompt="x", **body)
    assert (answer.status, answer.json["error"]["param"]) == (400, next(iter(body)))


@pytest.mark.incompatible("OpenAI", "several pictures in one edit", "with 400: SDXL begins from one")
def test_several_pictures_are_refused(service: Service) -> None:
    """Rather than all but the first being left out."""
    files = [("image[]", ("a.png", picture())), ("image[]", ("b.png", picture()))]
    error = form(service, "edits", files, prompt="x").json()["error"]
    assert (error["param"], "comes 2 times" in error["message"]) == ("image", True)


@pytest.mark.incompatible("OpenAI", "file_id and web addresses as pictures", "with 400: nothing is fetched for callers")
@pytest.mark.parametrize("image", [{"file_id": "file-1"}, {"image_url": "http://169.254.169.254/x.png"}, "http://x/"])
def test_pictures_elsewhere_are_refused(service: Service, image: Any) -> None:
    """Whoever may call would else reach what this node reaches."""
    answer = post(service, "edits", prompt="x", images=[image])
    assert (answer.status, answer.json["error"]["param"]) == (400, "image")


@pytest.mark.compatible("OpenAI", "HTTP", "edits as JSON: image, images with image_url as a data URI, mask")
@pytest.mark.parametrize(
    "pictures",
    [
        {"image": text_of(picture())},
        {"image": [f"data:image/png;base64,{text_of(picture())}"], "mask": text_of(MASK)},
        {
            "images": [{"image_url": f"data:image/png;base64,{text_of(picture())}"}],
            "mask": {"image_url": text_of(MASK)},
        },
    ],
)
def test_edits_as_json(service: Service, pictures: dict[str, Any]) -> None:
    """What has no form to send may send its pictures as Base64."""
    answer = post(service, "edits", prompt="x", steps=2, size="64x64", **pictures)
    assert answer.status == 200
    assert (answer.json["size"], len(answer.json["data"])) == ("64x64", 1)


@pytest.mark.parametrize(
    ("route", "files", "texts", "wrong"),
    [
        ("edits", {"mask": MASK}, {"prompt": "x"}, ("image", "is missing")),
        ("edits", {"image": picture()}, {}, ("prompt", "is missing")),
        ("edits", {"image": b"nothing"}, {"prompt": "x"}, ("image", "PNG, JPEG or WebP")),
        ("edits", {"image": picture(), "mask": picture()}, {"prompt": "x"}, ("mask", "nothing transparent")),
        ("edits", {"image": picture(128, 64), "mask": MASK}, {"prompt": "x"}, ("mask", "64x64 and 128x64")),
        ("edits", {"image": picture(), "markup": MASK}, {"prompt": "x"}, ("markup", "is no file that this takes")),
        ("edits", {"image": picture()}, {"prompt": "x", "n": "two"}, ("n", "must be a whole number")),
        ("edits", {"image": picture()}, {"prompt": "x", "strength": "2"}, ("strength", "must be 0 to 1")),
        ("edits", {"image": picture()}, {"prompt": "x", "loras": "[{"}, ("loras", "is not JSON")),
        (
            "edits",
            {"image": picture()},
            {"prompt": "x", "input_fidelity": "no"},
            ("input_fidelity", "Known: low"),
        ),
        ("edits", {"image": picture()}, {"prompt": "x", "hires": "{}"}, ("hires", "does not go together")),
        ("variations", {"image": picture(), "mask": MASK}, {}, ("mask", "Ask /v1/images/edits")),
        ("variations", {"image": picture()}, {"size": "9x9"}, ("size", "Give 64 to 2048")),
    ],
)
def test_a_wrong_form_is_named(
    service: Service, route: str, files: dict[str, bytes], texts: dict[str, str], wrong: tuple[str, str]
) -> None:
    """Forms are refused as JSON is."""
    named = {name: (f"{name}.png", data) for name, data in files.items()}
    answer = form(service, route, named, **texts)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, wrong[0])
    assert wrong[1] in error["message"]


@pytest.mark.compatible("OpenAI", "Open WebUI", "generations and edits, as its OpenAI engine asks")
def test_the_bodies_of_open_webui(service: Service) -> None:
    """Which sends `response_format` or not by the model's name, and one picture as `image`, several as `image[]`."""
    asked = {"model": "gpt-image-1", "prompt": "x", "n": 1, "size": "64x64"}
    for body in (asked, {**asked, "response_format": "b64_json"}):
        assert len(post(service, "generations", **body).json["data"]) == 1
    for name in ("image", "image[]"):
        files = [(name, ("image.png", picture(), "image/png"))]
        answer = form(service, "edits", files, **{**asked, "n": "1"}, background="auto")
        assert list(answer.json()["data"][0]) == ["b64_json", "seed"]


@pytest.mark.compatible("OpenAI", "HTTP", "upscale and hires beside the words: larger pictures")
@pytest.mark.parametrize("larger", [{"upscale": {"upscaler": "Lanczos", "scale": 2}}, {"hires": {"scale": 2}}])
def test_larger_pictures(service: Service, larger: dict[str, Any]) -> None:
    """The answer's size is the finished picture's."""
    answer = post(service, "generations", prompt="x", size="64x96", steps=2, **larger)
    assert answer.json["size"] == "128x192"


@pytest.mark.compatible("OpenAI", "HTTP", "fields of POST /v1/jobs in JSON and forms")
def test_a_form_takes_what_json_does(service: Service) -> None:
    """Lists and objects are JSON text there."""
    texts = {"prompt": "x", "noise": '{"eta": 0.5}', "styles": "[]", "steps": "2", "cfg": "3.5", "user": "me"}
    assert form(service, "edits", {"image": ("a.png", picture())}, **texts).status_code == 200
    request = last_asked(service)
    assert (request["noise"]["eta"], request["cfg_scale"], request["steps"]) == (0.5, 3.5, 2)


@pytest.mark.parametrize(
    ("call", "status", "code"),
    [
        (("POST", "/v1/images/generations", b"{", {}), 400, "invalid_value"),
        (("POST", "/v1/images/edits", b"", {"Content_Type": "multipart/form-data"}), 400, "invalid_value"),
        (("POST", "/v1/images/generations", b"{}", {"Authorization": "Bearer no"}), 401, "invalid_api_key"),
        (("PUT", "/v1/images/generations", b"{}", {}), 405, None),
        (("POST", "/v1/images/generations", b" " * 1_100_000, {}), 413, "too_large"),
        (("POST", "/v1/images/generations", b'{"prompt": "x"}', {"Idempotency_Key": "\u00e9"}), 400, "invalid_value"),
    ],
)
def test_every_error_is_in_its_shape(service: Service, call: Any, status: int, code: str | None) -> None:
    """Also those that no route of its own has found."""
    method, path, body, headers = call
    answer = service.call(method, path, body, **headers)
    assert (answer.status, answer.json["error"]["code"]) == (status, code)


def test_a_key_with_another_body_is_refused_for_good(service: Service) -> None:
    """Its status is none that the clients try again."""
    path, body = "/v1/images/generations", {"prompt": "x", "steps": 1}
    assert service.call("POST", path, body, Idempotency_Key="one").status == 200
    answer = service.call("POST", path, {**body, "prompt": "y"}, Idempotency_Key="one")
    assert (answer.status, answer.json["error"]["code"]) == (400, "key_taken")


def test_a_node_has_its_own_bounds(slow: Service) -> None:
    """What a node does not make is refused under the caller's name for it; quality does as much as it may."""
    assert post(slow, "generations", prompt="x", n=3).json["error"]["param"] == "n"
    assert post(slow, "generations", prompt="x", size="1024x512").json["error"]["param"] == "size"
    assert post(slow, "generations", prompt="x", size="64x64", quality="max").status == 200
    assert last_asked(slow)["steps"] == 20


@pytest.mark.compatible("OpenAI", "HTTP", "edits paint what is transparent in the mask, and nothing else")
def test_what_is_transparent_is_painted(tmp_path: Path) -> None:
    """The demo model puts a blue circle into the hole, and every other pixel stays as it was."""
    settings = fake_settings(tmp_path, engine="sdxl", device="cpu", config_dir=demo_model.CONFIG.parent)
    (settings.models_dir / "Stable-diffusion" / "tiny.safetensors").unlink()
    shutil.copyfile(demo_model.WEIGHTS, settings.models_dir / "Stable-diffusion" / "demo.safetensors")
    mask = Image.new("RGBA", (128, 128), "white")
    mask.paste((0, 0, 0, 0), (32, 32, 96, 96))
    file = io.BytesIO()
    mask.save(file, "PNG")
    asked = {"prompt": "a blue circle on a white background", "seed": 3, "image": text_of(picture(128, 128, "white"))}
    with serving(settings) as service:
        answer = post(service, "edits", **asked, mask=text_of(file.getvalue()))
    made = numpy.asarray(Image.open(io.BytesIO(base64.b64decode(answer.json["data"][0]["b64_json"]))).convert("RGB"))
    red, _, blue = made[60:68, 60:68].reshape(-1, 3).mean(0)
    assert blue > red + 100
    assert (made[:20] == 255).all()
