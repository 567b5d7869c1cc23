"""Pictures made larger through the doors: A1111's extras with its real client, and jobs of the native API."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import webuiapi
from PIL import Image

from garret.service_runtime.passwords import hash_password
from garret.service_runtime.pictures.texts import infotext_of, texts_of
from tests.service_runtime.api.drawn import picture, size_of, text_of
from tests.service_runtime.conftest import LOGIN, PASSWORD, basic
from tests.service_runtime.living import Service, fake_settings, serving, wait
from tests.service_runtime.networks import compact, write_upscaler

A1111, CLIENT = "A1111", "webuiapi 0.9.17"


@pytest.fixture(scope="module")
def larger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that has a network for twice the size."""
    folder = tmp_path_factory.mktemp("larger")
    write_upscaler(folder / "models" / "ESRGAN" / "tiny-2x.safetensors", compact(2))
    settings = replace(fake_settings(folder), password_hash=hash_password(PASSWORD))
    with serving(settings) as running:
        running.headers = {"Authorization": basic(LOGIN, PASSWORD), "Content-Type": "application/json"}
        yield running


@pytest.fixture
def api(larger: Service) -> Iterator[webuiapi.WebUIApi]:
    """The client as its readme makes one."""
    client = webuiapi.WebUIApi(host=larger.host, port=larger.port, username=LOGIN, password=PASSWORD)
    yield client
    client.session.close()


@pytest.mark.compatible(A1111, CLIENT, "extra_single_image, extra_batch_images, get_upscalers")
def test_the_client_has_pictures_made_larger(api: webuiapi.WebUIApi) -> None:
    """One and several, by names of its own list; without an upscaler they come back as they are."""
    names = [one["name"] for one in api.get_upscalers()]
    assert names[0] == "None"
    assert names[-1] == "tiny-2x"
    small = Image.new("RGB", (40, 30), "navy")
    done = api.extra_single_image(small, upscaler_1="tiny-2x", upscaling_resize=3)
    assert done.image.size == (120, 90)
    assert "Postprocess upscale by: 3, Postprocess upscaler: tiny-2x" in done.info
    sides = {"resize_mode": 1, "upscaling_resize_w": 64, "upscaling_resize_h": 64}
    both = api.extra_batch_images(
        [small, small.rotate(90, expand=True)], upscaler_1=webuiapi.Upscaler.Lanczos, upscaler_2="tiny-2x",
        extras_upscaler_2_visibility=0.5, **sides,
    )  # fmt: skip
    assert [image.size for image in both.images] == [(64, 64)] * 2
    kept = api.extra_single_image(small, resize_mode=1, upscaling_crop=False, upscaler_1="Nearest")
    assert kept.image.size == (683, 512)
    assert api.extra_single_image(small).image.size == (40, 30)


@pytest.mark.parametrize("body", [{"gfpgan_visibility": 0.5}, {"codeformer_visibility": 1}])
@pytest.mark.incompatible(A1111, "GFPGAN and CodeFormer in extras", "501: no mender of faces runs here")
def test_faces_are_not_mended(larger: Service, body: dict[str, Any]) -> None:
    """Said by the field, rather than left out in silence."""
    sent = {"image": text_of(picture()), "upscaler_1": "Lanczos", **body}
    answer = larger.call("POST", "/sdapi/v1/extra-single-image", sent)
    assert (answer.status, next(iter(body)) in str(answer.json)) == (501, True)


@pytest.mark.parametrize(
    ("changes", "status", "field"),
    [
        ({"upscaler_1": "4x-None"}, 400, "upscaler_1"),
        ({"upscaler_2": "4x-None", "extras_upscaler_2_visibility": 0.5}, 400, "upscaler_2"),
        ({"upscaler_1": "Latent"}, 422, "upscaler_1"),
        ({"upscaling_resize": 9}, 422, "upscaling_resize"),
        ({"upscaling_resize": 0}, 422, "upscaling_resize"),
        ({"resize_mode": 1, "upscaling_resize_w": 8193}, 422, "upscaling_resize_w"),
        ({"resize_mode": 1, "upscaling_resize_w": 8192, "upscaling_resize_h": 8192}, 422, "upscaling_resize"),
        ({"resize_mode": 2}, 422, "resize_mode"),
        ({"image": "https://example.com/a.png"}, 422, "image"),
        ({"image": None}, 422, "image"),
    ],
)
def test_what_is_wrong_is_named_as_this_dialect_calls_it(
    larger: Service, changes: dict[str, Any], status: int, field: str
) -> None:
    """At once, before a worker hears of it."""
    sent = {"image": text_of(picture()), "upscaler_1": "Lanczos", **changes}
    answer = larger.call("POST", "/sdapi/v1/extra-single-image", sent)
    assert answer.status == status, answer.body
    assert f"{field}: " in str(answer.json)


@pytest.mark.parametrize("path", ["extra-single-image", "extra-batch-images"])
def test_a_mistake_beside_the_pictures_makes_none(larger: Service, path: str) -> None:
    """What is only looked at for the reply is looked at before any work is done."""
    newest = larger.call("GET", "/v1/jobs?limit=1").json
    sent = {"image": text_of(picture()), "imageList": [{"data": text_of(picture())}], "show_extras_results": "no"}
    answer = larger.call("POST", f"/sdapi/v1/{path}", {**sent, "upscaler_1": "Lanczos"})
    assert (answer.status, "show_extras_results" in str(answer.json)) == (422, True)
    assert larger.call("GET", "/v1/jobs?limit=1").json == newest


def test_a_key_leads_to_its_picture_also_when_the_queue_is_full(tmp_path: Path) -> None:
    """Whoever asks again is not refused for a place that they have."""
    settings = fake_settings(tmp_path, queue_limit=1, fake_seconds=3)
    with serving(settings) as service, ThreadPoolExecutor(1) as another:
        sent = {"image": text_of(picture()), "upscaler_1": "Lanczos"}
        first = another.submit(service.call, "POST", "/sdapi/v1/extra-single-image", sent, Idempotency_Key="one")
        wait(lambda: service.call("GET", "/v1/jobs?limit=1").json, 10, "the first one")
        again = service.call("POST", "/sdapi/v1/extra-single-image", sent, Idempotency_Key="one")
        assert (again.status, again.json["image"]) == (200, first.result().json["image"])
        assert len(service.call("GET", "/v1/jobs").json) == 1


def test_a_list_of_pictures_is_one(larger: Service) -> None:
    """Of objects, of at most so many, and without a key that leads to one job."""
    for wrong in (None, [], ["x"], [{"data": text_of(picture())}] * 17, {}):
        answer = larger.call("POST", "/sdapi/v1/extra-batch-images", {"imageList": wrong, "upscaler_1": "Lanczos"})
        assert (answer.status, "imageList" in str(answer.json)) == (422, True)
    keyed = larger.call("POST", "/sdapi/v1/extra-batch-images", {}, Idempotency_Key="a")
    assert (keyed.status, "Idempotency-Key" in str(keyed.json)) == (422, True)


@pytest.mark.compatible("Native", "HTTP", "a picture made larger as a job, and as a step after painting")
def test_a_job_makes_a_picture_larger(larger: Service) -> None:
    """By its file or by its digest; the new one goes on saying what the old one was made from."""
    painted = larger.call("POST", "/v1/jobs?wait=20", {"prompt": "a fox", "width": 64, "height": 64, "steps": 2}).json
    file = larger.call("GET", painted["pictures"][0]["url"]).body
    job = larger.call("POST", "/v1/jobs?wait=20", {"upscale": {"image": text_of(file), "upscaler": "tiny-2x"}}).json
    assert (job["state"], job["model"]["name"]) == ("Success", "tiny-2x")
    done = larger.call("GET", job["pictures"][0]["url"]).body
    assert size_of(done) == (128, 128)
    told = infotext_of(texts_of(done))
    assert told.startswith("a fox\nSteps: 2, ")
    assert told.endswith("Postprocess upscale by: 2, Postprocess upscaler: tiny-2x, Version: garret")
    again = {"image": job["request"]["upscale"]["image"], "width": 100}
    by_digest = larger.call("POST", "/v1/jobs?wait=20", {"upscale": again, "output": {"format": "webp"}}).json
    assert size_of(larger.call("GET", by_digest["pictures"][0]["url"]).body) == (100, 100)
    step = {"prompt": "a fox", "width": 64, "height": 64, "steps": 2, "upscale": {"scale": 3, "upscaler": "lanczos"}}
    both = larger.call("POST", "/v1/jobs?wait=20", step).json
    assert size_of(larger.call("GET", both["pictures"][0]["url"]).body) == (192, 192)
    assert "Postprocess upscaler: Lanczos" in both["pictures"][0]["infotext"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"upscale": {"image": "x" * 64, "upscaler": "Lanczos"}}, "upscale.image"),
        ({"upscale": {"upscaler": "4x-None"}}, "upscale.upscaler"),
        ({"upscale": {"image": 5}}, "upscale.image"),
        ({"upscale": {"sharpen": 1}}, "upscale.sharpen"),
        ({"upscale": "2x"}, "upscale"),
        ({"hires": {"upscaler": "4x-None"}}, "hires.upscaler"),
    ],
)
def test_what_a_job_says_wrong_is_named(larger: Service, body: dict[str, Any], field: str) -> None:
    """As its fields are called."""
    answer = larger.call("POST", "/v1/jobs", body)
    assert answer.status in (400, 422), answer.body
    assert answer.json["field"] == field


def test_a_job_that_only_makes_larger_takes_no_words(larger: Service) -> None:
    """What would be for a painter is refused by its name rather than left out; a camera's size is none."""
    upscale = {"image": text_of(picture(3000, 200)), "upscaler": "Nearest", "scale": 1}
    refused = larger.call("POST", "/v1/jobs", {"prompt": "a fox", "upscale": upscale})
    assert (refused.status, refused.json["field"]) == (422, "prompt")
    done = larger.call("POST", "/v1/jobs?wait=20", {"upscale": upscale}).json
    assert (done["request"]["width"], done["request"]["height"]) == (3000, 200)


def test_clients_second_pass_may_name_a_network(larger: Service) -> None:
    """In A1111's field, which names one that is not there as well."""
    body = {"prompt": "a", "width": 64, "height": 64, "steps": 2, "enable_hr": True, "hr_upscaler": "tiny-2x"}
    answer = larger.call("POST", "/sdapi/v1/txt2img", body)
    assert answer.status == 200
    assert "Hires upscaler: tiny-2x" in infotext_of(texts_of(answer.pictures[0]))
    lower = larger.call("POST", "/sdapi/v1/txt2img", {**body, "hr_upscaler": "lanczos"})
    assert "Hires upscaler: Lanczos" in infotext_of(texts_of(lower.pictures[0]))
    refused = larger.call("POST", "/sdapi/v1/txt2img", {**body, "hr_upscaler": "R-ESRGAN 4x+"})
    assert (refused.status, "hr_upscaler: " in str(refused.json)) == (400, True)
