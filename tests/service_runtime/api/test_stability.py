"""Stability's REST API over HTTP: what its clients send is made, and answered as they read it."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx2
import pytest

from tests.service_runtime.api.drawn import chosen, last_asked, picture, size_of
from tests.service_runtime.living import Answer, Service

TITLE = "Stability"
ENGINE = "/v1/generation/stable-diffusion-xl-1024-v1-0"
SMALL = {"width": 64, "height": 64, "steps": 2}
PART = {"text_prompts[0][text]": "a dog", "steps": "2"}


def text_to_image(service: Service, engine: str = ENGINE, **body: Any) -> Answer:
    """Ask for a picture, small and quick where nothing is said; headers are those of `accept`."""
    headers = {"Accept": body.pop("accept")} if "accept" in body else {}
    return service.call(
        "POST", f"{engine}/text-to-image", {"text_prompts": [{"text": "a cat"}], **SMALL, **body}, **headers
    )


def send(
    service: Service, path: str, data: dict[str, str], *, engine: str = ENGINE, accept: str = "", **files: bytes
) -> httpx2.Response:
    """Send a form as `requests` does, with files of a name."""
    headers = {**service.headers, **({"Accept": accept} if accept else {})}
    headers.pop("Content-Type", None)
    address = f"http://{service.host}:{service.port}{engine}/{path}"
    named = {name: (f"{name}.png", data) for name, data in files.items()}
    return httpx2.post(address, data=data, files=named, headers=headers, timeout=30)


@pytest.mark.compatible(TITLE, "HTTP", "text-to-image as its own examples send it")
def test_the_body_of_its_documentation_is_made(service: Service) -> None:
    """Artifacts with their seeds, and how each ended; what has no meaning here changes nothing."""
    answer = service.call(
        "POST",
        f"{ENGINE}/text-to-image",
        {
            "text_prompts": [{"text": "A lighthouse on a cliff", "weight": 1}, {"text": "fog", "weight": -0.9}],
            "cfg_scale": 7, "clip_guidance_preset": "FAST_BLUE", "height": 512.0, "width": 512, "samples": 3,
            "sampler": "K_DPM_2_ANCESTRAL", "steps": 10, "seed": 4294967290, "style_preset": "line-art",
            "extras": {"$IPC": {}},
        },
        Accept="application/json",
    )  # fmt: skip
    assert answer.status == 200, answer.json
    entries = answer.json["artifacts"]
    assert [(one["seed"], one["finishReason"]) for one in entries] == [
        (4294967290 + index, "SUCCESS") for index in range(3)
    ]
    assert {size_of(base64.b64decode(one["base64"])) for one in entries} == {(512, 512)}
    made = last_asked(service)
    assert made["prompt"].startswith("line drawing of A lighthouse on a cliff,")
    assert made["negative_prompt"].startswith("fog, colour")
    assert chosen(made, ["sampler", "cfg_scale", "steps", "n_iter"]) == ("DPM2 a", 7, 10, 3)


def test_what_is_not_said_is_the_models_own(service: Service) -> None:
    """A seed of 0 is any, and the one that was taken is told."""
    answer = service.call("POST", f"{ENGINE}/text-to-image", {"text_prompts": [{"text": "x"}], "steps": 1, "seed": 0})
    made = last_asked(service)
    assert chosen(made, ["width", "height", "sampler"]) == (1024, 1024, "DPM++ 2M")
    assert answer.json["artifacts"][0]["seed"] == made["seed"] > 0


@pytest.mark.compatible(TITLE, "HTTP", "the picture itself by Accept: image/png, with Seed and Finish-Reason")
@pytest.mark.parametrize("accept", ["image/png", "image/*;q=0.9, application/json"])
def test_a_picture_itself_where_it_is_asked_for(service: Service, accept: str) -> None:
    """With its seed and how it ended in headers; several have no place in it."""
    answer = text_to_image(service, accept=accept, seed=5)
    told = [answer.headers[name] for name in ("content-type", "seed", "finish-reason")]
    assert told == ["image/png", "5", "SUCCESS"]
    assert size_of(answer.body) == (64, 64)
    refused = text_to_image(service, accept=accept, samples=2)
    assert (refused.status, refused.json["name"]) == (400, "invalid_samples")


@pytest.mark.compatible(TITLE, "HTTP", "image-to-image by image_strength and by STEP_SCHEDULE")
@pytest.mark.parametrize(
    ("said", "denoise"),
    [
        ({"image_strength": "0.8", "init_image_mode": "IMAGE_STRENGTH"}, 0.2),
        ({}, 0.65),
        ({"init_image_mode": "STEP_SCHEDULE", "step_schedule_start": "0.4", "step_schedule_end": "0.01"}, 0.4),
        ({"init_image_mode": "STEP_SCHEDULE", "image_strength": "0.8"}, 0.65),
    ],
)
def test_strength_and_schedule(service: Service, said: dict[str, str], denoise: float) -> None:
    """High strength stays near the picture; the schedule says where denoising starts, whatever the strength says."""
    answer = send(service, "image-to-image", {**PART, **said}, init_image=picture(1024, 768))
    assert answer.status_code == 200, answer.text
    made = last_asked(service)
    assert chosen(made, ["width", "height", "prompt"]) == (1024, 768, "a dog")
    assert (made["start"]["denoise"], made["start"]["mask"]) == (denoise, None)


@pytest.mark.compatible(TITLE, "HTTP", "masking by each of the three mask sources")
@pytest.mark.parametrize(
    ("source", "invert", "pictures"),
    [
        ("MASK_IMAGE_WHITE", False, {"init_image": picture(), "mask_image": picture(colour="white")}),
        ("MASK_IMAGE_BLACK", True, {"init_image": picture(), "mask_image": picture(colour="black")}),
        ("INIT_IMAGE_ALPHA", False, {"init_image": picture(colour=(255, 0, 0, 0), mode="RGBA")}),
    ],
)
def test_masks_from_each_source(service: Service, source: str, invert: bool, pictures: dict[str, bytes]) -> None:
    """What is masked is made wholly anew, in the mask's own shades."""
    answer = send(service, "image-to-image/masking", {**PART, "mask_source": source}, accept="image/png", **pictures)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png"), answer.text
    start = last_asked(service)["start"]
    assert (start["denoise"], start["mask"]["invert"], start["mask"]["blur"]) == (1.0, invert, 0)
    assert start["mask"]["soft"]


@pytest.mark.compatible(TITLE, "HTTP", "image-to-image/upscale by factor, width or height")
@pytest.mark.parametrize(
    ("engine", "said", "size"),
    [
        ("esrgan-v1-x2plus", {}, (128, 96)),
        ("esrgan-v1-x2plus", {"width": "512"}, (512, 384)),
        ("Lanczos", {"height": "96"}, (128, 96)),
    ],
)
def test_a_larger_picture(service: Service, engine: str, said: dict[str, str], size: tuple[int, int]) -> None:
    """By an upscaler of the node, or for Stability's own ids by the node's choice."""
    path = "image-to-image/upscale"
    answer = send(service, path, said, engine=f"/v1/generation/{engine}", accept="image/png", image=picture(64, 48))
    assert answer.status_code == 200, answer.text
    assert size_of(answer.content) == size


def test_what_makes_nothing_larger_is_refused(service: Service) -> None:
    """An engine that is none, both sides at once, no picture, and more than a picture may become."""
    path, image = "image-to-image/upscale", picture()
    gone = send(service, path, {}, engine="/v1/generation/stable-diffusion-x4-latent-upscaler", image=image)
    assert (gone.status_code, gone.json()["name"]) == (404, "not_found")
    for said, files, why in (
        ({"width": "512", "height": "512"}, {"image": image}, "height: does not go together with width"),
        ({}, {"other": b""}, "image: is missing"),
        ({"width": "100000"}, {"image": image}, "width: 100000 is out of range"),
    ):
        refused = send(service, path, said, engine="/v1/generation/esrgan-v1-x2plus", **files)
        assert (refused.status_code, refused.json()["message"][: len(why)]) == (400, why)


def test_prompts_of_a_form_are_told_apart_by_their_numbers(service: Service) -> None:
    """Which need not follow one another; a weight may stand before its text."""
    said = {
        "text_prompts[7][weight]": "-0.5", "text_prompts[7][text]": "grass", "text_prompts[2][text]": "a cat",
        "steps": "1", "extras": "{}", "seed": "12",
    }  # fmt: skip
    answer = send(service, "image-to-image", said, init_image=picture())
    assert answer.json()["artifacts"][0]["seed"] == 12
    assert chosen(last_asked(service), ["prompt", "negative_prompt"]) == ("a cat", "grass")


@pytest.mark.compatible(TITLE, "Go and Node.js examples", "files of forms without a filename")
def test_a_file_without_a_name_is_one(service: Service) -> None:
    """As Go's CreateFormField and Node's form-data write it, which the API's own examples use."""
    lines = [b"--x", b'Content-Disposition: form-data; name="init_image"', b"", picture()]
    for name, value in PART.items():
        lines += [b"--x", f'Content-Disposition: form-data; name="{name}"'.encode(), b"", value.encode()]
    body = b"\r\n".join([*lines, b"--x--", b""])
    answer = service.call("POST", f"{ENGINE}/image-to-image", body, Content_Type="multipart/form-data; boundary=x")
    assert answer.status == 200, answer.json


@pytest.mark.compatible(TITLE, "HTTP", "engines, account and balance")
def test_what_clients_ask_before_they_begin(service: Service) -> None:
    """The node's checkpoints are engines; ids that Stability published mean the default one, others nothing."""
    (engine,) = service.call("GET", "/v1/engines/list").json
    assert engine == {"id": "tiny", "name": "tiny", "description": "sdxl, 1024 pixels", "type": "PICTURE"}
    assert service.call("GET", "/v1/user/balance").json["credits"] > 0
    assert set(service.call("GET", "/v1/user/account").json) == {"id", "email", "organizations"}
    for known in ("tiny", "stable-inpainting-512-v2-0"):
        assert text_to_image(service, f"/v1/generation/{known}").status == 200
    gone = text_to_image(service, "/v1/generation/some-fake-engine")
    assert (gone.status, gone.json["name"]) == (404, "not_found")
    assert gone.json["message"].startswith("The specified engine (ID some-fake-engine) was not found")


@pytest.mark.parametrize(
    ("said", "name", "field"),
    [
        ({"width": 100}, "invalid_height_or_width", "width"),
        ({"height": 4096}, "invalid_height_or_width", "height"),
        ({"sampler": "K_MAGIC"}, "bad_request", "sampler"),
        ({"style_preset": "cubist"}, "bad_request", "style_preset"),
        ({"clip_guidance_preset": "FASTEST"}, "bad_request", "clip_guidance_preset"),
        ({"cfg_scale": 51}, "bad_request", "cfg_scale"),
        ({"samples": 0}, "bad_request", "samples"),
        ({"seed": 2**32}, "bad_request", "seed"),
        ({"seed": -1}, "bad_request", "seed"),
        ({"steps": 1.5}, "bad_request", "steps"),
        ({"text_prompts": None}, "bad_request", "text_prompts"),
        ({"extras": 1}, "bad_request", "extras"),
    ],
)
def test_a_wrong_field_is_named_in_the_apis_own_shape(service: Service, said: Any, name: str, field: str) -> None:
    """With the class of the error, an id, and a message that begins with the field."""
    answer = text_to_image(service, **said)
    assert (answer.status, answer.json["name"]) == (400, name)
    assert set(answer.json) == {"id", "name", "message"}
    assert answer.json["message"].startswith(field)


RED = {"init_image": picture()}
WRONG_FORMS = [
    ("", {}, {}, "bad_request init_image: is missing"),
    ("", {"text_prompts[0][text]": ""}, RED, "bad_request text_prompts[0].text: is empty"),
    ("", {"text_prompts[0][weight]": "much"}, RED, "bad_request text_prompts[0].weight: must be a number"),
    ("", {"image_strength": "nan"}, RED, "bad_request image_strength"),
    ("", {"image_strength": "x"}, RED, "bad_request image_strength"),
    ("", {"init_image_mode": "X"}, RED, "bad_request init_image_mode"),
    ("", {}, {"init_image": b"GIF89a"}, "bad_request init_image"),
    ("/masking", {}, RED, "bad_request mask_source"),
    ("/masking", {"mask_source": "MASK_IMAGE_WHITE"}, RED, "invalid_mask_image mask_image: is missing"),
    (
        "/masking",
        {"mask_source": "MASK_IMAGE_WHITE"},
        {**RED, "mask_image": picture(32, 32, "white")},
        "invalid_image_dimensions mask_image: has 32 x 32 pixels",
    ),
    ("/masking", {"mask_source": "INIT_IMAGE_ALPHA"}, RED, "bad_request init_image: holds nothing transparent"),
]


@pytest.mark.parametrize(("path", "said", "files", "why"), WRONG_FORMS)
def test_a_wrong_form_is_named(service: Service, path: str, said: Any, files: Any, why: str) -> None:
    """By the part of it that is wrong."""
    # Without any file httpx2 would send no form.
    answer = send(service, f"image-to-image{path}", {**PART, **said}, **(files or {"other": b""}))
    assert answer.status_code == 400, answer.text
    assert f"{answer.json()['name']} {answer.json()['message']}".startswith(why)


def test_strangers_and_wrong_paths_are_told_so_in_its_shape(service: Service) -> None:
    """Who is refused before any route reads the same words as who asks for the wrong thing."""
    stranger = service.call("GET", "/v1/engines/list", Authorization="Bearer nobody")
    assert (stranger.status, stranger.json["name"]) == (401, "unauthorized")
    wrong = service.call("GET", f"{ENGINE}/text-to-image")
    assert (wrong.status, wrong.json["name"]) == (405, "method_not_allowed")
    missing = service.call("POST", f"{ENGINE}/text-to-video", {})
    assert (missing.status, missing.json["name"]) == (404, "not_found")


def test_a_request_that_is_sent_again_with_its_key_is_the_same(service: Service) -> None:
    """Also as a form, whose boundary is another one each time."""
    service.headers["Idempotency-Key"] = key = json.dumps("stability-again")
    try:
        first, again = (send(service, "image-to-image", PART, init_image=picture()).json() for _ in range(2))
        other = send(service, "image-to-image", {**PART, "seed": "9"}, init_image=picture())
    finally:
        del service.headers["Idempotency-Key"]
    assert first == again
    assert other.status_code == 400
    assert key.strip('"') in other.json()["message"]
