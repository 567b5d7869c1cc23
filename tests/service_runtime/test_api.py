"""The A1111 dialect over HTTP, with the fake engine: what is answered, and how wrong bodies are refused."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from garret.service_runtime.png import SIGNATURE
from tests.service_runtime.living import Service, read_texts


def test_a_picture_comes_back_with_what_it_was_made_from(service: Service) -> None:
    """The body, the info text and the text in the file agree."""
    answer = service.txt2img(prompt="a red circle", negative_prompt="blue", seed=5, cfg_scale=4.5, sampler_name="DDIM")
    assert answer.status == 200
    (png,) = answer.pictures
    assert png.startswith(SIGNATURE)
    info = json.loads(answer.json["info"])
    assert (info["seed"], info["sampler_name"], info["width"], info["steps"]) == (5, "DDIM", 64, 2)
    expected = (
        "a red circle\nNegative prompt: blue\nSteps: 2, Sampler: DDIM, Schedule type: Automatic, CFG scale: 4.5, "
    )
    assert info["infotexts"][0].startswith(expected + "Seed: 5, Size: 64x64")
    assert read_texts(png) == {"parameters": info["infotexts"][0]}
    assert answer.json["parameters"]["seed"] == 5


def test_the_same_seed_gives_the_same_picture_and_a_free_one_another(service: Service) -> None:
    """-1 and null mean any; the answer says which it was."""
    first, again = service.txt2img(prompt="x", seed=7), service.txt2img(prompt="x", seed=7)
    assert first.pictures[0] == again.pictures[0]
    free = [json.loads(service.txt2img(prompt="x", seed=seed).json["info"])["seed"] for seed in (-1, None)]
    assert len({7, *free}) == 3
    repeated = service.txt2img(prompt="x", seed=free[0])
    assert repeated.status == 200


def test_a_batch_counts_its_seeds_on(service: Service) -> None:
    """Picture i is the one of seed + i asked for alone."""
    batch = service.txt2img(prompt="x", seed=20, batch_size=2, n_iter=2)
    assert json.loads(batch.json["info"])["all_seeds"] == [20, 21, 22, 23]
    assert len(set(batch.pictures)) == 4
    alone = service.txt2img(prompt="x", seed=22)
    assert _pixels(batch.pictures[2]) == _pixels(alone.pictures[0])


def test_nulls_mean_defaults(service: Service) -> None:
    """Clients of A1111 send every field they know, most of them null."""
    body = dict.fromkeys(
        ["prompt", *(field for field, _, _ in WRONG), "eta", "s_churn", "restore_faces", "script_name"]
    )
    answer = service.call("POST", "/sdapi/v1/txt2img", body)
    info = json.loads(answer.json["info"])
    # The model in these tests has no configuration, so it counts as SDXL in full size.
    assert (info["width"], info["height"], info["steps"], info["cfg_scale"]) == (1024, 1024, 30, 6.0)
    assert info["sampler_name"] == "Euler"


def test_the_body_of_webuiapi_is_understood(service: Service) -> None:
    """The whole body as that client sends it."""
    body = {
        "enable_hr": False, "hr_scale": 2, "hr_upscaler": "Latent", "hr_second_pass_steps": 0, "hr_resize_x": 0,
        "hr_resize_y": 0, "hr_checkpoint_name": None, "hr_sampler_name": None, "hr_scheduler": None, "hr_prompt": "",
        "hr_negative_prompt": "", "denoising_strength": 0.7, "firstphase_width": 0, "firstphase_height": 0,
        "prompt": "x", "styles": [], "seed": -1, "subseed": -1, "subseed_strength": 0.0, "seed_resize_from_h": 0,
        "seed_resize_from_w": 0, "batch_size": 1, "n_iter": 1, "steps": 20, "cfg_scale": 7.0, "width": 64,
        "height": 64, "restore_faces": False, "tiling": False, "do_not_save_samples": False,
        "do_not_save_grid": False, "negative_prompt": "", "eta": 1.0, "s_churn": 0, "s_tmax": 0, "s_tmin": 0,
        "s_noise": 1, "override_settings": {}, "override_settings_restore_afterwards": True,
        "sampler_name": "Euler a", "scheduler": "automatic", "sampler_index": "Euler a", "script_name": None,
        "script_args": [], "send_images": True, "save_images": False, "alwayson_scripts": {},
    }  # fmt: skip
    answer = service.call("POST", "/sdapi/v1/txt2img", body)
    assert answer.status == 200
    assert "Steps: 20, Sampler: Euler a" in json.loads(answer.json["info"])["infotexts"][0]


WRONG: list[tuple[str, Any, int]] = [
    ("width", 63, 422),
    ("width", "64 pixels", 422),
    ("width", 64.5, 422),
    ("width", True, 422),
    ("height", 4096, 422),
    ("height", [64], 422),
    ("height", 10**300, 422),
    ("steps", 0, 422),
    ("steps", 151, 422),
    ("steps", "many", 422),
    ("cfg_scale", -1, 422),
    ("cfg_scale", 1e300, 422),
    ("cfg_scale", 10**400, 422),
    ("cfg_scale", "seven", 422),
    ("seed", -2, 422),
    ("seed", 2**63, 422),
    ("seed", {}, 422),
    ("batch_size", 0, 422),
    ("batch_size", 5, 422),
    ("n_iter", 17, 422),
    ("prompt", 7, 422),
    ("prompt", "x" * 16_001, 422),
    ("prompt", "\ud800", 422),
    ("prompt", "a\0", 422),
    ("negative_prompt", ["x"], 422),
    ("sampler_name", "Elder", 400),
    ("sampler_name", 3, 422),
    ("scheduler", "cosine", 400),
    ("override_settings", [], 422),
    ("override_settings", "demo", 422),
    ("send_images", "yes", 422),
    ("enable_hr", "yes", 422),
    ("styles", "fine", 422),
    ("styles", [3], 422),
    ("styles", ["unheard"], 400),
    ("subseed_strength", 1.3, 422),
    ("subseed", -2, 422),
    ("eta", 2, 422),
    ("s_noise", "much", 422),
    ("refiner_switch_at", 80, 422),
    ("tiling", True, 501),
    ("alwayson_scripts", {"ADetailer": {}}, 501),
]


@pytest.mark.parametrize(("field", "value", "status"), WRONG, ids=[f"{w[0]}-{str(w[1])[:12]!a}" for w in WRONG])
def test_a_wrong_field_is_answered_with_its_name(service: Service, field: str, value: Any, status: int) -> None:
    """A 4xx, or 501 for what is not there yet; the text begins with the field."""
    answer = service.txt2img(**{field: value})
    assert answer.status == status
    assert answer.json["errors"].startswith(f"{field}: ")
    assert b"Traceback" not in answer.body
    assert len(answer.body) < 2000


BODIES: list[tuple[bytes, int]] = [
    (b"", 422),
    (b"{", 422),
    (b"null", 422),
    (b"[]", 422),
    (b'"text"', 422),
    (b"NaN", 422),
    (b'{"cfg_scale": NaN}', 422),
    (b'{"cfg_scale": -Infinity}', 422),
    (b'{"cfg_scale": 1e999}', 422),
    (b'{"seed": ' + b"9" * 5000 + b"}", 422),
    (b'{"prompt": "\xff"}', 422),
    (b'{"prompt": "\xed\xa0\x80"}', 422),
    (b"[" * 100_000, 422),
    (b'{"a":' * 50_000, 422),
    (b'{"prompt": "' + b"x" * 1_000_001 + b'"}', 413),
]


@pytest.mark.parametrize(("body", "status"), BODIES, ids=[repr(body[:20]) for body, _ in BODIES])
def test_a_body_that_is_no_clean_json_is_refused(service: Service, body: bytes, status: int) -> None:
    """And the service answers the next one."""
    answer = service.call("POST", "/sdapi/v1/txt2img", body)
    assert answer.status == status
    assert b"Traceback" not in answer.body
    assert len(answer.body) < 2000
    assert service.call("GET", "/healthz").status == 200


def test_a_body_without_length_is_bounded_too(service: Service) -> None:
    """A chunked one is read only as far as the limit."""
    connection = service.connect()
    chunks = (b'{"prompt": "' if number == 0 else b"x" * 60_000 for number in range(40))
    connection.request("POST", "/sdapi/v1/txt2img", chunks, service.headers, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


FIELDS = list(dict.fromkeys(field for field, _, _ in WRONG))
VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=20),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some.dictionaries(some.sampled_from(FIELDS) | some.text(max_size=8), VALUES, max_size=5))
def test_no_body_makes_the_service_stumble(service: Service, body: dict[str, Any]) -> None:
    """Any JSON object is a picture or a refusal, never a 500."""
    small = {"width": 64, "height": 64, "steps": 1, **body}
    assert service.call("POST", "/sdapi/v1/txt2img", small).status in (200, 400, 413, 422, 501)


def test_an_unknown_model_is_answered_with_the_known_ones(service: Service) -> None:
    """404 that lists what there is."""
    answer = service.txt2img(override_settings={"sd_model_checkpoint": "nothing"})
    assert answer.status == 404
    assert "tiny" in answer.json["detail"]


def test_a_model_may_be_named_as_the_list_has_it(service: Service) -> None:
    """By name, by file name, by title."""
    (model,) = service.call("GET", "/sdapi/v1/sd-models").json
    for name in (model["model_name"], "tiny.safetensors", model["title"]):
        assert service.txt2img(override_settings={"sd_model_checkpoint": name}).status == 200


def test_lists_and_settings_have_a1111s_shape(service: Service) -> None:
    """What its clients read at start."""
    assert {"name": "Euler a", "aliases": ["k_euler_a", "k_euler_ancestral"], "options": {}} in service.call(
        "GET", "/sdapi/v1/samplers"
    ).json
    assert service.call("GET", "/sdapi/v1/schedulers").json[0]["label"] == "Automatic"
    assert service.call("GET", "/sdapi/v1/options").json["sd_model_checkpoint"].startswith("tiny.safetensors")
    assert service.call("POST", "/sdapi/v1/refresh-checkpoints").json is None
    assert service.call("POST", "/sdapi/v1/options", {"sd_model_checkpoint": "tiny", "unheard": 1}).json is None
    assert service.call("POST", "/sdapi/v1/options", {"sd_model_checkpoint": "nothing"}).status == 404
    idle = service.call("GET", "/sdapi/v1/progress").json
    assert (idle["progress"], idle["state"]["job_count"]) == (0.0, 0)


def test_pictures_can_be_left_out(service: Service) -> None:
    """send_images false."""
    answer = service.txt2img(send_images=False)
    assert answer.json["images"] == []
    assert json.loads(answer.json["info"])["width"] == 64


def test_a_job_is_kept_with_its_pictures(service: Service) -> None:
    """Whoever lost the reply finds the picture by the job's id."""
    answer = service.txt2img(prompt="kept", n_iter=2)
    job_id = answer.json["garret_job"]
    job = service.call("GET", f"/v1/jobs/{job_id}").json
    assert (job["state"], job["request"]["prompt"], len(job["pictures"])) == ("Success", "kept", 2)
    assert service.call("GET", f"/v1/jobs/{job_id}/pictures/1").body == answer.pictures[1]
    assert job_id in [entry["id"] for entry in service.call("GET", "/v1/jobs").json]
    for place in (f"{job_id}/pictures/2", f"{job_id}/pictures/-1", "none", "..%2fjobs.sqlite"):
        assert service.call("GET", f"/v1/jobs/{place}").status == 404
    assert service.call("GET", f"/v1/jobs/{job_id}/pictures/x").status == 422


def test_what_is_not_there_says_so(service: Service) -> None:
    """JSON with a hint, not a web page."""
    for method, path, status in (("POST", "/sdapi/v1/paint", 404), ("GET", "/sdapi/v1/txt2img", 405)):
        answer = service.call(method, path)
        assert answer.status == status
        assert path in answer.json["errors"]
        assert "/docs" in answer.json["detail"]


def test_the_model_list_tells_the_native_size(service: Service) -> None:
    """So that a client need not ask a small model for 512 pixels; without a configuration it is SDXL's own."""
    assert [entry["garret_native_size"] for entry in service.call("GET", "/sdapi/v1/sd-models").json] == [1024]


def test_the_routes_are_described(service: Service) -> None:
    """For machines and for people, without scripts from a third party."""
    paths = service.call("GET", "/openapi.json").json["paths"]
    body = paths["/sdapi/v1/txt2img"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert "cfg_scale" in body["properties"]
    docs = service.call("GET", "/docs")
    assert b"/sdapi/v1/txt2img" in docs.body
    assert b"<script" not in docs.body
    assert b'<a href="/">' in docs.body


def test_many_callers_get_their_own_pictures(service: Service) -> None:
    """Batched together, and none mixed up."""
    from concurrent.futures import ThreadPoolExecutor

    seeds = random.Random(1).sample(range(1000), 24)
    with ThreadPoolExecutor(8) as callers:
        together = list(callers.map(lambda seed: service.txt2img(prompt="m", seed=seed).pictures[0], seeds))
    for seed, png in list(zip(seeds, together, strict=True))[::6]:
        assert f"Seed: {seed}," in read_texts(png)["parameters"]
        assert _pixels(service.txt2img(prompt="m", seed=seed).pictures[0]) == _pixels(png)


def _pixels(png: bytes) -> bytes:
    import io

    from PIL import Image

    return Image.open(io.BytesIO(png)).tobytes()
