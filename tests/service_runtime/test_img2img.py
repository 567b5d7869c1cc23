"""A1111's img2img over HTTP, with the fake engine: how its fields are read, and what is refused by which name."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from garret.service_runtime.inputs import InputStore, sized_like
from garret.service_runtime.settings import MAXIMUM_BODY_BYTES, MAXIMUM_PICTURE_BODY_BYTES
from tests.service_runtime.living import Answer, Service, fake_settings, launch, serving


def encoded(width: int = 64, height: int = 64, colour: Any = "red", mode: str = "RGB") -> str:
    """Return a picture of one colour as A1111's clients send it."""
    file = io.BytesIO()
    Image.new(mode, (width, height), colour).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


PICTURE, WHITE = encoded(), encoded(32, 32, "white")


def img2img(service: Service, **body: Any) -> Answer:
    """Ask for pictures from a red one, small and quick where nothing is said."""
    small = {"init_images": [PICTURE], "prompt": "x", "width": 64, "height": 64, "steps": 2}
    return service.call("POST", "/sdapi/v1/img2img", {**small, **body})


def begun_from(answer: Answer) -> dict[str, Any]:
    """Return how an answer says its pictures were begun."""
    assert answer.status == 200, answer.json
    return dict(answer.json["parameters"]["start"])


def test_a_picture_is_begun_from_as_the_fields_say(service: Service) -> None:
    """Each of A1111's fields, in its own numbers."""
    mask = encoded(32, 32, (255, 255, 255, 100), "RGBA")
    answer = img2img(
        service, denoising_strength=0.4, resize_mode=2, mask=mask, mask_blur=7, inpaint_full_res=False,
        inpaint_full_res_padding=12, inpainting_fill=3, inpainting_mask_invert=1, mask_round=False,
        initial_noise_multiplier=1.1,
    )  # fmt: skip
    start = begun_from(answer)
    mask = start.pop("mask")
    assert {len(start.pop("image")), len(mask.pop("image"))} == {64}
    assert start == {"denoise": 0.4, "resize": "fill", "noise": 1.1}
    assert mask == {
        "blur": 7, "only_masked": False, "padding": 12, "fill": "nothing", "invert": True, "soft": True,
    }  # fmt: skip
    assert len(answer.pictures) == 1


def test_what_is_not_said_is_as_a1111_has_it(service: Service) -> None:
    """Also where a client sends null for it; a mask's part is painted at full size then."""
    names = ["denoising_strength", "resize_mode", "mask_blur", "inpaint_full_res", "inpainting_fill", "mask_round"]
    for said in ({}, dict.fromkeys(names)):
        start = begun_from(img2img(service, mask=WHITE, **said))
        mask = start["mask"]
        assert (start["denoise"], start["resize"], start["noise"]) == (0.75, "stretch", 1.0)
        assert (mask["blur"], mask["only_masked"], mask["padding"], mask["fill"]) == (4, True, 0, "fill")
        assert (mask["invert"], mask["soft"]) == (False, False)
    assert begun_from(img2img(service))["mask"] is None


def test_the_body_of_webuiapi_is_understood(service: Service) -> None:
    """The fields that it adds to those of txt2img; neither pictures nor masks come back unasked."""
    added = {
        "init_images": ["data:image/png;base64," + PICTURE], "mask": "data:image/png;base64," + WHITE,
        "mask_blur": 4, "inpainting_fill": 0, "inpaint_full_res": True, "inpaint_full_res_padding": 0,
        "inpainting_mask_invert": 0, "initial_noise_multiplier": 1, "image_cfg_scale": 1.5, "resize_mode": 0,
        "denoising_strength": 0.75, "include_init_images": False, "enable_hr": False, "hr_scale": 2,
        "firstphase_width": 0, "sampler_name": "Euler a", "scheduler": "automatic", "sampler_index": "Euler a",
    }  # fmt: skip
    answer = img2img(service, **added)
    assert begun_from(answer)["denoise"] == 0.75
    assert answer.json["parameters"]["init_images"] is answer.json["parameters"]["mask"] is None
    assert PICTURE.encode() not in answer.body
    repeated = img2img(service, include_init_images=True)
    assert repeated.json["parameters"]["init_images"] == [PICTURE]


@pytest.mark.parametrize(
    "text",
    [
        PICTURE,
        "data:image/png;base64," + PICTURE,
        "data:image/png;name=x.png;base64," + PICTURE,
        "data:application/octet-stream;base64," + PICTURE,
        "\n".join(PICTURE[at : at + 60] for at in range(0, len(PICTURE), 60)) + "\n",
    ],
)
def test_every_writing_of_base64_is_the_same_picture(service: Service, text: str) -> None:
    """Bare, as a data URI, in lines."""
    assert begun_from(img2img(service, init_images=[text]))["image"] == begun_from(img2img(service))["image"]


def test_without_a_size_it_is_the_picture_s(service: Service) -> None:
    """Its own where the model can do it, else in its proportions; one side that is said takes the other with it."""
    answer = img2img(service, init_images=[encoded(200, 100)], width=None, height=None, send_images=False)
    parameters = answer.json["parameters"]
    assert (parameters["width"], parameters["height"]) == (1448, 728)
    answer = img2img(service, init_images=[encoded(200, 100)], width=None, send_images=False)
    assert (answer.json["parameters"]["width"], answer.json["parameters"]["height"]) == (128, 64)
    assert sized_like((1024, 1024), 1024) == (1024, 1024)
    assert sized_like((1000, 750), 1024) == (1000, 752)
    assert sized_like((3000, 4000), 1024) == (888, 1184)
    assert sized_like((64, 1), 1024) == (2048, 128)
    assert sized_like((128, 128), 128) == (128, 128)
    assert sized_like((300, 200), 1024, width=1024, outpaint=True) == (1024, 200)


def test_outpainting_needs_room(service: Service) -> None:
    """The fifth way of resizing, which A1111 has not; a picture that fills the request is not continued."""
    answer = img2img(service, init_images=[encoded(64, 64)], resize_mode=4, width=96)
    assert begun_from(answer)["resize"] == "outpaint"
    refused = img2img(service, init_images=[encoded(64, 64)], resize_mode=4)
    assert (refused.status, "nothing to paint" in refused.json["errors"]) == (422, True)
    refused = img2img(service, resize_mode=4, width=96, mask=WHITE)
    assert (refused.status, "inpaint_full_res" in refused.json["errors"]) == (422, True)


WRONG: list[tuple[str, Any, int]] = [
    ("init_images", None, 404),
    ("init_images", [], 404),
    ("init_images", PICTURE, 422),
    ("init_images", [PICTURE, PICTURE], 422),
    ("init_images", [7], 422),
    ("init_images", [""], 422),
    ("init_images", ["not base64!"], 422),
    ("init_images", ["data:text/plain,hello"], 422),
    ("init_images", ["http://100.100.100.200/latest/meta-data/"], 422),
    ("init_images", ["https://example.com/a.png"], 422),
    ("init_images", ["aGVsbG8="], 422),
    ("init_images", [PICTURE[: len(PICTURE) // 8 * 4]], 422),
    ("mask", 7, 422),
    ("mask", "aGVsbG8=", 422),
    ("mask", encoded(8, 8, "black"), 422),
    ("latent_mask", WHITE, 501),
    ("denoising_strength", 1.1, 422),
    ("denoising_strength", "half", 422),
    ("resize_mode", 5, 422),
    ("resize_mode", -1, 422),
    ("mask_blur", 65, 422),
    ("mask_blur", -1, 422),
    ("mask_blur_x", 9, 422),
    ("inpainting_fill", 4, 422),
    ("inpaint_full_res", "yes", 422),
    ("inpaint_full_res", 2, 422),
    ("inpaint_full_res_padding", 257, 422),
    ("inpainting_mask_invert", "no", 422),
    ("initial_noise_multiplier", 2, 422),
    ("include_init_images", "no", 422),
    ("width", 63, 422),
]


@pytest.mark.parametrize(("field", "value", "status"), WRONG, ids=[f"{w[0]}-{str(w[1])[:12]!a}" for w in WRONG])
def test_a_wrong_field_is_answered_with_its_name(service: Service, field: str, value: Any, status: int) -> None:
    """In A1111's name for it; no part of a picture stands in the answer."""
    answer = img2img(service, **{"mask": WHITE, field: value})
    assert answer.status == status
    assert answer.json["errors"].startswith(f"{field}: ")
    assert b"Traceback" not in answer.body
    assert len(answer.body) < 1000


def test_bodies_with_pictures_are_larger_and_bounded_too(service: Service) -> None:
    """More than another route takes, and no more than is said."""
    padded = {"init_images": [PICTURE + "\n" * (2 * MAXIMUM_BODY_BYTES)]}
    assert img2img(service, **padded).status == 200
    assert service.call("POST", "/sdapi/v1/txt2img", {"prompt": "x", **padded}).status == 413
    connection = service.connect()
    connection.putrequest("POST", "/sdapi/v1/img2img")
    for name, value in {**service.headers, "Content-Length": str(MAXIMUM_PICTURE_BODY_BYTES + 1)}.items():
        connection.putheader(name, value)
    connection.endheaders()
    reply = connection.getresponse()
    assert (reply.status, json.loads(reply.read())["error"]) == (413, "TooLarge")
    connection.close()


def test_an_input_s_size_is_read_from_its_file(tmp_path: Path) -> None:
    """Without a decoder."""
    store = InputStore(tmp_path)
    assert store.size(store.put(base64.b64decode(encoded(48, 20)))) == (48, 20)


def test_a_job_keeps_its_pictures_through_a_crash(tmp_path: Path) -> None:
    """Accepted is accepted: what it begins from is on the disk before it is; once gone, the job says so."""
    slow = fake_settings(tmp_path, fake_seconds=30)
    body = {"prompt": "x", "width": 64, "height": 64, "steps": 2, "start": {"image": PICTURE, "mask": {"image": WHITE}}}
    other = body | {"start": {"image": encoded(64, 64, "blue")}}
    service = launch(slow)
    try:
        service.wait_until("ok")
        kept, gone = (service.call("POST", "/v1/jobs", one).json for one in (body, other))
    finally:
        service.kill()
    inputs = InputStore(slow.state_dir / "inputs")
    inputs.path(gone["request"]["start"]["image"]).unlink()
    with serving(replace(slow, fake_seconds=0)) as again:
        answer = again.call("GET", f"/v1/jobs/{kept['id']}?wait=20").json
        assert answer["state"] == "Success"
        assert answer["request"]["start"] == kept["request"]["start"]
        lost = again.call("GET", f"/v1/jobs/{gone['id']}?wait=20").json
        assert lost["state"] == "Failed"
        assert "no input" in lost["error"]["message"]
