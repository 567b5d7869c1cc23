"""What the native API tells of what there is: samplers, sizes, styles, settings, the queue, its health."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from garret.service_runtime.pace import Pace
from garret.service_runtime.passwords import hash_token
from garret.service_runtime.samplers import SAMPLERS, find_sampler
from garret.service_runtime.sdxl_sizes import SDXL_SIZES
from tests.service_runtime.conftest import TOKEN
from tests.service_runtime.living import Service, checkpoint, fake_settings, serving, wait
from tests.service_runtime.networks import compact, write_upscaler

SMALL = {"prompt": "a", "width": 64, "height": 64, "steps": 2}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a service of one's own."""
    return tmp_path_factory.mktemp("lists")


@pytest.fixture(scope="module")
def own(place: Path) -> Iterator[Service]:
    """A slow service with two checkpoints."""
    checkpoint(place / "models", "second", b"\1")
    with serving(fake_settings(place, fake_seconds=0.5, queue_limit=5)) as running:
        yield running


@pytest.mark.compatible("Native", "HTTP", "samplers with their aliases, sizes, styles")
def test_every_name_of_a_sampler_is_one_that_requests_take(service: Service) -> None:
    """With the schedule that it implies."""
    told = service.call("GET", "/v1/samplers").json
    assert [one["name"] for one in told["data"]] == [one.name for one in SAMPLERS]
    for one in told["data"]:
        for alias in one["aliases"]:
            sampler, schedule = find_sampler(alias)
            assert sampler.name == one["name"]
            assert schedule.name == one["implied_schedules"].get(alias, "automatic")
    [edm] = [one for one in told["data"] if "EulerEDMSampler" in one["aliases"]]
    assert (edm["name"], edm["diffusers"]) == ("Euler", "EulerDiscreteScheduler")
    assert {one["name"] for one in told["schedules"]} >= {"automatic", "karras", "align_your_steps"}


def test_the_26_sizes_of_sdxl_are_listed(service: Service) -> None:
    """About a megapixel each."""
    sizes = service.call("GET", "/v1/sizes").json["data"]
    assert [(one["width"], one["height"]) for one in sizes] == list(SDXL_SIZES)
    assert len(sizes) == 26
    assert {"width": 1024, "height": 1024, "ratio": "1:1"} in sizes


def test_upscalers_are_arithmetic_networks_and_those_of_a_second_pass(own: Service, place: Path) -> None:
    """A network is there as soon as its file is."""
    kinds = {one["name"]: one["kind"] for one in own.call("GET", "/v1/upscalers").json["data"]}
    assert (kinds["Lanczos"], kinds["Latent"], "network" in kinds.values()) == ("plain", "latent", False)
    write_upscaler(place / "models" / "ESRGAN" / "twice.safetensors", compact(2))
    found = own.call("GET", "/v1/upscalers").json["data"]
    assert {"name": "twice", "kind": "network", "scale": 2, "model": "upscaler/twice"} in found
    assert own.call("GET", "/v1/models/upscaler/twice").json["usable"] is True


def test_styles_are_read_from_their_file(own: Service, place: Path) -> None:
    """One that cannot be read is said to be so."""
    assert own.call("GET", "/v1/styles").json == {"object": "list", "data": []}
    file = place / "models" / "styles.csv"
    file.write_text('name,prompt,negative_prompt\nink,"{prompt}, ink",blurry\n', "utf-8")
    [ink] = own.call("GET", "/v1/styles").json["data"]
    assert ink == {"name": "ink", "prompt": "{prompt}, ink", "negative_prompt": "blurry"}
    file.write_bytes(b"name,prompt\n\xff\xfe")
    assert own.call("GET", "/v1/styles").status == 422
    file.unlink()


@pytest.mark.compatible("Native", "HTTP", "settings shown, the default checkpoint chosen")
def test_the_default_checkpoint_is_chosen_and_kept(place: Path, own: Service) -> None:
    """For requests that name none, of any dialect, and after a restart; what else there is, is not changed here."""
    told = own.call("GET", "/v1/settings").json
    assert (told["checkpoint"], told["defaults"]["width"], told["limits"]["steps"]) == ("second", 1024, 150)
    assert told["service"]["queue_limit"] == 5
    assert "hash" not in str(told["service"])
    assert own.call("PUT", "/v1/settings", {"checkpoint": "tiny.safetensors"}).json["checkpoint"] == "tiny"
    assert own.call("GET", "/v1/models/tiny").json["is_default"] is True
    assert own.call("GET", "/v1/models/second").json["is_default"] is False
    assert own.call("GET", "/sdapi/v1/options").json["sd_model_checkpoint"].startswith("tiny")
    assert own.call("PUT", "/v1/settings", {"checkpoint": "nothing"}).status == 404
    refused = own.call("PUT", "/v1/settings", {"queue_limit": 9})
    assert (refused.status, refused.json["field"]) == (422, "queue_limit")
    assert (place / "state" / "default.json").read_text("utf-8") == '{"checkpoint": "tiny"}'


@pytest.mark.compatible("Native", "HTTP", "the queue's length, and place and time left of one's own jobs")
def test_the_queue_says_where_ones_own_jobs_stand(own: Service) -> None:
    """Once a job has ended, for about how long as well; how far each is, and how many are over."""
    over = own.call("GET", "/v1/queue").json["ended"]
    assert own.call("POST", "/v1/jobs?wait=10", SMALL).status == 200
    jobs = [
        own.call("POST", "/v1/jobs", {**SMALL, "seed": seed, "width": 64 + 8 * seed}).json["id"] for seed in range(3)
    ]
    told = own.call("GET", "/v1/queue").json
    assert (told["length"], told["limit"]) == (3, 5)
    assert [one["id"] for one in told["mine"]] == jobs
    assert told["ended"] == over + 1
    assert {one["progress"]["pictures"] for one in told["mine"]} == {1}
    times = [one["expected_s"] for one in told["mine"]]
    assert times == sorted(times)
    assert told["expected_s"] > 0
    for job in jobs:
        own.call("DELETE", f"/v1/jobs/{job}")
    wait(lambda: own.call("GET", "/v1/queue").json["length"] == 0, 10, "the queue to be empty")
    assert own.call("GET", "/v1/queue").json["ended"] == over + 4


def test_the_time_left_counts_from_when_the_last_job_ended() -> None:
    """It is shared out by places, and never below nothing."""
    at = [0.0]
    pace = Pace(lambda: at[0])
    assert pace.until_done(0) is None
    pace.began()
    at[0] = 4.0
    pace.ended(1)
    assert (pace.until_done(0), pace.until_done(2)) == (4.0, 12.0)
    at[0] = 5.0
    assert (pace.until_done(0), pace.until_done(2)) == (3.0, 11.0)
    at[0] = 50.0
    assert pace.until_done(0) == 0.0


@pytest.mark.compatible("Native", "HTTP", "its health, for programs")
def test_health_tells_what_an_operator_should_see_to(own: Service) -> None:
    """Behind the login, and always with 200."""
    told = own.call("GET", "/v1/health").json
    assert (told["status"], told["ready"], told["problems"]) == ("ready", True, [])
    assert [worker["ready"] for worker in told["workers"]] == [True]
    assert told["queue"]["limit"] == 5
    assert told["disk_free_bytes"] > 0


def test_looking_on_is_no_use_of_the_node(own: Service) -> None:
    """A program that asks day and night keeps no GPU running."""
    own.call("GET", "/v1/sizes")
    sign = own.call("GET", "/machine").json["autostop"]
    own.call("GET", "/v1/health")
    own.call("GET", "/v1/queue")
    assert own.call("GET", "/machine").json["autostop"]["last_sign"] == sign["last_sign"] == "GET /v1/sizes"


def test_a_restart_changes_neither_the_default_nor_a_link(tmp_path: Path) -> None:
    """Both were promised for longer than a process lives."""
    checkpoint(tmp_path / "models", "second", b"\1")
    settings = fake_settings(tmp_path, token_hashes=(hash_token(TOKEN),))
    with serving(settings) as service:
        service.headers = {"Authorization": f"Bearer {TOKEN}"}
        assert service.call("PUT", "/v1/settings", {"checkpoint": "tiny"}).status == 200
        job = service.call("POST", "/v1/jobs?wait=20", SMALL).json["id"]
        link = service.call("POST", f"/v1/images/{job}-0/link").json["url"].partition("/v1/")[2]
    with serving(settings) as again:
        assert again.call("GET", f"/v1/{link}").headers["content-type"] == "image/png"
        again.headers = {"Authorization": f"Bearer {TOKEN}"}
        assert again.call("GET", "/v1/settings").json["checkpoint"] == "tiny"
