"""Devices through trouble: full ones, lost ones, hanging ones, several of them, and idle ones."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.service_runtime.living import Answer, Service, checkpoint, fake_settings, serving, wait


def test_a_batch_that_does_not_fit_is_made_one_by_one(tmp_path: Path) -> None:
    """Nobody is told: the pictures are those that were asked for."""
    with serving(fake_settings(tmp_path, fake_faults="oom@3")) as service:
        answer = service.txt2img(batch_size=4)
        assert (answer.status, len(answer.pictures)) == (200, 4)


def test_a_picture_that_does_not_fit_alone_is_made_with_little_memory(tmp_path: Path) -> None:
    """Once; the answer says which mode made it."""
    with serving(fake_settings(tmp_path, fake_faults="oom@1")) as service:
        answer = service.txt2img()
        assert answer.status == 200
        assert "low-vram" in answer.json["info"]


def test_what_does_not_fit_with_little_memory_either_is_told(tmp_path: Path) -> None:
    """503 with the device's own words, and the next one is made."""
    with serving(fake_settings(tmp_path, fake_faults="oom@1,oom@2")) as service:
        answer = service.txt2img()
        assert (answer.status, answer.json["error"]) == (503, "OutOfMemory")
        assert "out of memory" in answer.json["detail"]
        assert service.txt2img().status == 200


def test_a_lost_device_costs_nobody_a_picture(tmp_path: Path) -> None:
    """Its process is replaced, and all jobs that were with it are made."""
    with serving(fake_settings(tmp_path, fake_seconds=0.2, fake_faults="fatal@3")) as service:
        with ThreadPoolExecutor(4) as callers:
            answers = list(callers.map(lambda side: service.txt2img(width=side), (64, 72, 80, 88)))
        assert [answer.status for answer in answers] == [200] * 4


def test_a_job_is_not_failed_for_what_its_neighbour_does(tmp_path: Path) -> None:
    """One ends each process that makes it; the other, in decoding when that happens first, is made."""
    settings = fake_settings(tmp_path, fake_seconds=0.2, fake_finish_seconds=0.7, fake_faults="fatal@2")
    with serving(settings) as service:
        small = {"prompt": "a", "height": 64, "steps": 2}
        jobs = [service.call("POST", "/v1/jobs", {**small, "width": side}).json for side in (64, 128)]
        ends = [service.call("GET", f"{job['url']}?wait=20").json["state"] for job in jobs]
        assert ends == ["Success", "Failed"]


def test_a_worker_that_never_begins_is_ended_in_time(tmp_path: Path) -> None:
    """504 after the job's time, and a new worker for the next one."""
    with serving(fake_settings(tmp_path, fake_faults="hang@1", job_timeout_s=1)) as service:
        began = time.monotonic()
        assert service.txt2img().status == 504
        assert time.monotonic() - began < 10
        service.wait_until("ok")
        assert len(service.workers()) == 1


def test_a_worker_that_stops_between_two_steps_is_ended_long_before_its_job_is_over_time(tmp_path: Path) -> None:
    """Each process counts its own pictures: both stall at their first, and both callers are told."""
    settings = fake_settings(tmp_path, fake_seconds=2.0, fake_faults="stall@1", step_timeout_s=0.5, workers=2)
    with serving(settings) as service, ThreadPoolExecutor(2) as callers:
        wait(lambda: service.call("GET", "/healthz").json["workers"] == 2, 10, "both workers")
        began = time.monotonic()
        answers = list(callers.map(lambda side: service.txt2img(width=side, steps=20), (64, 128)))
        assert [answer.status for answer in answers] == [504, 504]
        assert "in the middle of a job" in answers[0].json["detail"]
        assert time.monotonic() - began < 10


def test_every_worker_gets_work(tmp_path: Path) -> None:
    """Two workers make two pictures of different sizes in the time of one."""
    with serving(fake_settings(tmp_path, fake_seconds=1.0, workers=2)) as service:
        wait(lambda: service.call("GET", "/healthz").json["workers"] == 2, 10, "both workers")
        began = time.monotonic()
        with ThreadPoolExecutor(2) as callers:
            answers = list(callers.map(lambda side: service.txt2img(width=side), (64, 128)))
        assert [answer.status for answer in answers] == [200, 200]
        assert 1.0 <= time.monotonic() - began < 1.8


def test_a_request_goes_to_the_worker_that_has_its_model(tmp_path: Path) -> None:
    """Two workers and two models: once both are read, none is read again."""
    checkpoint(tmp_path / "models", "second", b"\1")
    with serving(fake_settings(tmp_path, fake_load_seconds=1.0, workers=2, default_checkpoint="tiny")) as service:
        wait(lambda: service.call("GET", "/healthz").json["workers"] == 2, 20, "both workers")
        assert _with(service, "second").status == 200
        began = time.monotonic()
        for name in ("tiny", "second") * 3:
            assert _with(service, name).status == 200
        assert time.monotonic() - began < 1.0


def test_decoding_goes_on_beside_the_next_batch(tmp_path: Path) -> None:
    """Four pictures that each take 0.5 s on the device and 0.5 s more are made in little more than five times that."""
    settings = fake_settings(tmp_path, fake_seconds=0.5, fake_finish_seconds=0.5, max_batch=1)
    with serving(settings) as service, ThreadPoolExecutor(4) as callers:
        began = time.monotonic()
        answers = list(callers.map(lambda seed: service.txt2img(seed=seed), range(4)))
        assert [answer.status for answer in answers] == [200] * 4
        assert len({answer.pictures[0] for answer in answers}) == 4
        assert time.monotonic() - began < 3.6


def test_what_is_idle_leaves_the_device_and_comes_back_when_asked_for(tmp_path: Path) -> None:
    """The picture after it takes the time of reading the model, and nothing else changes."""
    settings = fake_settings(tmp_path, fake_load_seconds=1.5, idle_unload_s=0.4)
    with serving(settings) as service:
        assert _seconds(service) < 1.4
        time.sleep(1.0)
        assert _seconds(service) >= 1.5
        assert _seconds(service) < 1.4


def _with(service: Service, name: str) -> Answer:
    return service.txt2img(override_settings={"sd_model_checkpoint": name})


def _seconds(service: Service) -> float:
    began = time.monotonic()
    assert service.txt2img(seed=1).status == 200
    return time.monotonic() - began
