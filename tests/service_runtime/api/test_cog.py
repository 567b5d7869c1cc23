"""Cog's API: predictions waited for or not, once under an id of their own, told of as they go, cancelled."""

from __future__ import annotations

import base64
import json
import shutil
import time
from collections.abc import Iterator
from typing import Any

import pytest

from garret import demo_model
from garret.service_runtime.passwords import hash_token
from garret.service_runtime.png import SIGNATURE, encode_png
from garret.service_runtime.webhooks import read_secret, sign
from tests.service_runtime.conftest import TOKEN
from tests.service_runtime.living import Service, fake_settings, serving, wait
from tests.service_runtime.receiving import receiving

SMALL = {"prompt": "a cat", "width": 64, "height": 64, "num_inference_steps": 2}
PNG = "data:image/png;base64,"


def picture(width: int = 64, height: int = 64, grey: int = 255) -> str:
    """A picture of one shade as a data URI."""
    return PNG + base64.b64encode(encode_png(bytes([grey]) * width * height * 3, width, height)).decode()


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with a base model and its refiner, that takes a while for a picture and may tell loopback."""
    folder = tmp_path_factory.mktemp("cog")
    models = folder / "models" / "Stable-diffusion"
    models.mkdir(parents=True)
    for file in demo_model.WEIGHTS.parent.glob("demo*.safetensors"):
        shutil.copyfile(file, models / file.name)
    settings = fake_settings(
        folder,
        config_dir=demo_model.CONFIG.parent,
        default_checkpoint="demo",
        token_hashes=(hash_token(TOKEN),),
        fake_seconds=0.6,
        max_batch=1,
        allow_private_webhook=True,
    )
    with serving(settings) as service:
        service.headers = {"Authorization": f"Bearer {TOKEN}"}
        yield service


def shown(service: Service, prediction: dict[str, Any]) -> dict[str, Any]:
    """A prediction as it is now."""
    answer = service.call("GET", f"/predictions/{prediction['id']}")
    assert answer.status == 200
    return dict(answer.json)


def request_of(service: Service, prediction: dict[str, Any]) -> dict[str, Any]:
    """What its newest job asks the engine for."""
    return dict(service.call("GET", "/v1/jobs?limit=1").json[0]["request"])


@pytest.mark.compatible("Cog", "HTTP", "POST /predictions waits, and answers with data URIs")
def test_a_prediction_is_waited_for(service: Service) -> None:
    """As Cog answers: what was asked, the pictures as data URIs, how long it took."""
    answer = service.call("POST", "/predictions", {"input": {**SMALL, "num_outputs": 2, "seed": 5}})
    said = answer.json
    assert (answer.status, said["status"], said["error"]) == (200, "succeeded", None)
    assert said["input"] == {**SMALL, "num_outputs": 2, "seed": 5}
    assert [base64.b64decode(one.removeprefix(PNG))[:8] for one in said["output"]] == [SIGNATURE] * 2
    assert said["metrics"]["predict_time"] >= 0
    assert said["created_at"] <= said["started_at"] <= said["completed_at"]
    assert "Using seed: 5" in said["logs"]
    assert shown(service, said)["output"] == said["output"]


def test_nothing_said_is_the_schema_s_own(service: Service) -> None:
    """Cog's models run without an input at all."""
    said = service.call("POST", "/predictions", {"input": {"width": 64, "height": 64}}).json
    assert said["status"] == "succeeded"
    assert request_of(service, said)["prompt"] == "An astronaut riding a rainbow unicorn"


@pytest.mark.compatible("Cog", "HTTP", "Prefer: respond-async and wait=N, polled by GET")
def test_who_does_not_wait_is_answered_at_once(slow: Service) -> None:
    """With 202 and what there is so far; waited for too shortly the same, and long enough it is over."""
    answer = slow.call("POST", "/predictions", {"input": SMALL}, Prefer="respond-async")
    assert (answer.status, answer.json["output"]) == (202, None)
    assert answer.json["status"] in ("starting", "processing")
    assert answer.headers["preference-applied"] == "respond-async"
    wait(lambda: shown(slow, answer.json)["status"] == "succeeded", 10, "the picture")
    began = time.monotonic()
    answer = slow.call("POST", "/predictions", {"input": {**SMALL, "num_outputs": 4}}, Prefer="wait=1")
    assert (answer.status, time.monotonic() - began > 0.9) == (202, True)
    slow.call("POST", f"/predictions/{answer.json['id']}/cancel")
    answer = slow.call("POST", "/predictions", {"input": SMALL}, Prefer="respond-async, wait=60")
    assert (answer.status, answer.json["status"]) == (200, "succeeded")


@pytest.mark.parametrize(("path", "state"), [("/predictions", "Cancelled"), ("/predictions/left", "Success")])
def test_who_goes_away_cancels_what_has_no_id(slow: Service, path: str, state: str) -> None:
    """One that has an id of its own can be asked for again."""
    asked = json.dumps({"input": {**SMALL, "num_outputs": 2}})
    states = ("Queued", "Running")
    wait(lambda: not any(slow.call("GET", f"/v1/jobs?state={one}").json for one in states), 10, "what others left")
    connection = slow.connect()
    connection.request("POST" if path == "/predictions" else "PUT", path, asked, slow.headers)
    wait(lambda: slow.call("GET", "/v1/jobs?state=Running&limit=1").json, 10, "the job to run")
    (job,) = slow.call("GET", "/v1/jobs?state=Running").json
    connection.close()
    assert slow.call("GET", f"/v1/jobs/{job['id']}?wait=10").json["state"] == state


@pytest.mark.compatible("Cog", "HTTP", "PUT /predictions/{id} and POST with an id make it only once")
def test_an_id_of_one_s_own_makes_one_prediction(slow: Service) -> None:
    """Sent again it is the same one, while it is made and when it is over; with another input it is refused."""
    path, asked = "/predictions/wjx3whax6rf4vphkegkhcvpv6a", {"input": SMALL}
    first = slow.call("PUT", path, asked, Prefer="respond-async")
    again = slow.call("PUT", path, asked)
    assert (first.status, again.status, again.json["status"]) == (202, 200, "succeeded")
    assert first.json["id"] == again.json["id"] == path.rpartition("/")[2]
    assert slow.call("PUT", path, asked, Prefer="respond-async").json["output"] == again.json["output"]
    other = slow.call("PUT", path, {"input": {**SMALL, "prompt": "another"}})
    assert (other.status, other.json["field"]) == (422, "id")
    named = slow.call("POST", "/predictions", {"id": "mine", "input": SMALL})
    assert slow.call("GET", "/predictions/mine").json["output"] == named.json["output"]
    assert named.json["urls"]["get"].endswith("/predictions/mine")
    for wrong in ("a b", "x" * 200, "%2e%2e%2fetc"):
        assert slow.call("GET", f"/predictions/{wrong.replace(' ', '%20')}").status == 404
    for wrong in ("../etc", ".", ".."):
        assert slow.call("POST", "/predictions", {"id": wrong, "input": SMALL}).json["field"] == "id"


@pytest.mark.compatible("Cog", "HTTP", "cancel, also of predictions without an id of one's own")
def test_a_prediction_is_cancelled(slow: Service) -> None:
    """It stops at its next step; one that is over stays as it is, and one that is none is not found."""
    asked = slow.call("POST", "/predictions", {"input": {**SMALL, "num_outputs": 4}}, Prefer="respond-async").json
    cancelled = slow.call("POST", f"/predictions/{asked['id']}/cancel")
    assert (cancelled.status, cancelled.json["status"]) == (200, "canceled")
    assert slow.call("POST", f"/predictions/{asked['id']}/cancel").json["status"] == "canceled"
    assert slow.call("POST", "/predictions/nobody-s/cancel").status == 404


@pytest.mark.compatible("Cog", "HTTP", "webhooks of start, output and completed, signed; webhook_events_filter")
def test_a_webhook_is_told_as_it_goes(slow: Service) -> None:
    """The prediction itself is the body; its pictures are links that open without a login; the filter is heeded."""
    with receiving() as receiver:
        asked = {"input": {**SMALL, "num_outputs": 2}, "webhook": f"{receiver.url}/all", "id": "told"}
        slow.call("POST", "/predictions", asked, Prefer="respond-async")
        some = {**asked, "webhook": f"{receiver.url}/some", "webhook_events_filter": ["completed", "logs"], "id": "few"}
        slow.call("POST", "/predictions", some)
        came = lambda path: [json.loads(one.body) for one in receiver.came if one.path == path]  # noqa: E731
        wait(lambda: len(came("/all")) >= 4 and came("/some"), 15, "start, two outputs and the end")
        told = came("/all")
        assert {one["id"] for one in told} == {"told"}
        assert sorted(len(one["output"] or ()) for one in told)[-1] == 2
        assert told[-1]["status"] == "succeeded"
        assert [one["status"] for one in came("/some")] == ["succeeded"]
        link = came("/some")[0]["output"][0].partition(f":{slow.port}")[2]
        login, slow.headers = slow.headers, {}
        try:
            assert slow.call("GET", link).body.startswith(SIGNATURE)
            assert slow.call("GET", link.partition("?")[0]).status == 401
        finally:
            slow.headers = login
        key = read_secret(slow.call("GET", "/v1/webhooks/secret").json["secret"])
        one = receiver.came[0]
        at = int(one.headers["webhook-timestamp"])
        assert sign(key, one.headers["webhook-id"], at, one.body) == one.headers["webhook-signature"]
        assert len({one.headers["webhook-id"] for one in receiver.came if one.path == "/all"}) == len(told)


@pytest.mark.compatible("Cog", "HTTP", "every input of Replicate's SDXL")
def test_inputs_mean_what_they_mean_there(slow: Service) -> None:
    """Its schedulers, refiners, pictures, masks and watermark, each in the request that the engine gets."""

    def asked(**said: Any) -> dict[str, Any]:
        answer = slow.call("POST", "/predictions", {"input": {**SMALL, **said}}, Prefer="respond-async")
        assert answer.status == 202, answer.body
        slow.call("POST", f"/predictions/{answer.json['id']}/cancel")
        return request_of(slow, answer.json)

    one = asked(scheduler="KarrasDPM", guidance_scale=9, apply_watermark=False, negative_prompt="rain")
    assert (one["sampler"], one["schedule"], one["cfg_scale"]) == ("DPM++ 2M", "karras", 9)
    assert (one["output"]["watermark"], one["negative_prompt"]) == (False, "rain")
    assert asked(scheduler="PNDM")["sampler"] == "PLMS"
    assert asked(scheduler="DPM++ SDE")["sampler"] == "DPM++ SDE"
    assert asked(refine="no_refiner")["refiner"] is None
    ensemble = asked(refine="expert_ensemble_refiner", high_noise_frac=0.7)["refiner"]
    assert (ensemble["mode"], ensemble["switch_at"]) == ("finish", 0.7)
    again = asked(refine="base_image_refiner", refine_steps=9)["refiner"]
    assert (again["mode"], again["strength"], again["steps"]) == ("again", 0.3, 9)
    begun = asked(image=picture(128, 72), prompt_strength=0.4, width=64, height=64)
    assert (begun["width"], begun["height"], begun["start"]["denoise"]) == (128, 72, 0.4)
    masked = asked(image=picture(), mask=picture(), width=128, height=128)
    assert (masked["width"], masked["start"]["mask"]["blur"], masked["start"]["denoise"]) == (128, 0, 0.8)


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ({"guidance_scale": 51}, "guidance_scale"),
        ({"guidance_scale": "7"}, "guidance_scale"),
        ({"num_inference_steps": 0}, "num_inference_steps"),
        ({"num_inference_steps": 501}, "num_inference_steps"),
        ({"num_outputs": 5}, "num_outputs"),
        ({"prompt_strength": 1.1}, "prompt_strength"),
        ({"scheduler": "K_NONE"}, "scheduler"),
        ({"refine": "twice"}, "refine"),
        ({"high_noise_frac": -1}, "high_noise_frac"),
        ({"refine": "base_image_refiner", "refine_steps": 9999}, "refine_steps"),
        ({"lora_scale": 2}, "lora_scale"),
        ({"image": "!"}, "image"),
        ({"mask": picture()}, "mask"),
        ({"image": picture(), "mask": picture(grey=0)}, "mask"),
        ({"width": 65}, "width"),
        ({"seed": 1.5}, "seed"),
        ({"prompt": ["a"]}, "prompt"),
    ],
)
def test_what_is_wrong_has_its_name_of_there(slow: Service, said: dict[str, Any], name: str) -> None:
    """In the list that Cog's clients read, with the place within `input`."""
    refused = slow.call("POST", "/predictions", {"input": {**SMALL, **said}})
    assert refused.status == 422
    assert refused.json["detail"][0]["loc"] == ["body", "input", name], refused.json


@pytest.mark.incompatible("Cog", "pictures and weights at addresses", "422: nothing is fetched for callers")
def test_addresses_are_not_fetched(service: Service) -> None:
    """Neither pictures nor weights, and pictures are not sent to addresses either."""
    for said in ({"image": "https://example.com/cat.png"}, {"replicate_weights": "https://example.com/w.tar"}):
        refused = service.call("POST", "/predictions", {"input": {**SMALL, **said}})
        assert (refused.status, refused.json["field"]) == (422, next(iter(said)))
    refused = service.call("POST", "/predictions", {"input": SMALL, "output_file_prefix": "https://example.com/"})
    assert (refused.status, refused.json["field"]) == (422, "output_file_prefix")
    refused = service.call("POST", "/predictions", {"input": SMALL, "webhook": "https://127.0.0.1/"})
    assert (refused.status, refused.json["field"]) == (422, "webhook")


@pytest.mark.incompatible(
    "Cog", "streamed predictions (Accept: text/event-stream)", "406, as of models that do not stream"
)
def test_streams_are_refused(service: Service) -> None:
    """As by a model whose author did not ask for them."""
    refused = service.call("POST", "/predictions", {"input": SMALL}, Accept="text/event-stream")
    assert refused.status == 406
    assert "/events" in refused.json["detail"]


def test_the_node_s_health_is_told_in_its_words(service: Service) -> None:
    """With a login, as everything but /healthz."""
    assert service.call("GET", "/health-check").json["status"] == "READY"
    login, service.headers = service.headers, {}
    try:
        assert service.call("GET", "/health-check").status == 401
    finally:
        service.headers = login
