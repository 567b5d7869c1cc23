"""A1111's progress, tasks and orders to stop: of the caller's own jobs, and of nobody else's."""

from __future__ import annotations

import base64
import json
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from garret.service_runtime.png import SIGNATURE
from tests.service_runtime.api.studio import other, progress, until
from tests.service_runtime.living import Answer, Service

A1111 = "A1111"
LONG = {"prompt": "a fox", "n_iter": 16, "steps": 20}


def begun(service: Service, pool: ThreadPoolExecutor, **body: Any) -> Future[Answer]:
    """Ask for pictures, and return when they are being made."""
    answer = pool.submit(service.txt2img, **{**LONG, **body})
    until(lambda: progress(service)["state"]["sampling_step"], "a first step")
    return answer


def task(service: Service, name: str, **more: Any) -> dict[str, Any]:
    """Return what a caller is told of a task."""
    return dict(service.call("POST", "/internal/progress", {"id_task": name, **more}).json)


def stop(service: Service, answer: Future[Answer], order: str = "interrupt") -> Answer:
    """Stop a job, and return what who waited for it got."""
    assert service.call("POST", f"/sdapi/v1/{order}").json == {}
    return answer.result(timeout=10)


@pytest.mark.compatible(A1111, "HTTP", "progress with the picture so far, of one's own jobs only")
def test_progress_is_of_ones_own_jobs(studio: Service) -> None:
    """With a picture so far, for who wants it; another caller sees an idle service."""
    with ThreadPoolExecutor(1) as pool:
        answer = begun(studio, pool)
        seen = progress(studio)
        until(lambda: progress(studio)["current_image"], "a preview")
        assert base64.b64decode(progress(studio)["current_image"]).startswith(SIGNATURE)
        assert progress(studio, "?skip_current_image=true")["current_image"] is None
        assert 0 < seen["progress"] < 1
        assert seen["eta_relative"] > 0
        assert (seen["state"]["job_count"], seen["state"]["sampling_steps"]) == (16, 20)
        idle = progress(other(studio))
        assert (idle["progress"], idle["state"]["job_count"], idle["current_image"]) == (0.0, 0, None)
        assert other(studio).call("GET", "/internal/pending-tasks").json == {"size": 0, "tasks": []}
        assert other(studio).call("GET", "/queue/status").json["queue_size"] == 0
        # Somebody else's orders reach nothing of this caller's.
        for order in ("interrupt", "skip"):
            other(studio).call("POST", f"/sdapi/v1/{order}")
        assert progress(studio)["state"]["job_count"] == 16
        stopped = stop(studio, answer)
    assert stopped.status in (200, 409)
    state = progress(studio)["state"]
    assert (state["interrupted"], state["skipped"], state["job_count"]) == (True, False, 0)


def test_what_was_done_before_a_stop_is_brought(studio: Service) -> None:
    """With the seeds and texts of just these pictures; a stop before the first one is 409."""
    with ThreadPoolExecutor(1) as pool:
        answer = begun(studio, pool, seed=40)
        until(lambda: progress(studio)["state"]["job_no"] >= 2, "two pictures")
        stopped = stop(studio, answer)
        info = json.loads(stopped.json["info"])
        assert 2 <= len(stopped.pictures) < 16
        assert info["all_seeds"] == [40 + number for number in range(len(stopped.pictures))]
        assert len(info["infotexts"]) == len(stopped.pictures)
        first = begun(studio, pool, n_iter=1)
        assert stop(studio, first).status == 409


@pytest.mark.compatible(A1111, "HTTP", "skip ends what runs and leaves what waits; interrupt ends both")
def test_skip_leaves_what_waits(studio: Service) -> None:
    """And interrupt does not; a job that came to /v1/jobs is out of reach of both."""
    with ThreadPoolExecutor(2) as pool:
        native = studio.call("POST", "/v1/jobs", {"prompt": "x", "width": 64, "height": 64, "n_iter": 2}).json["id"]
        first = pool.submit(studio.txt2img, **LONG, force_task_id="first")
        until(lambda: task(studio, "first")["active"], "the first to run")
        second = pool.submit(studio.txt2img, **{**LONG, "n_iter": 2, "width": 128}, force_task_id="second")
        until(lambda: task(studio, "second")["queued"] or task(studio, "second")["active"], "the second")
        assert stop(studio, first, "skip").status in (200, 409)
        assert second.result(10).status == 200
        assert studio.call("GET", f"/v1/jobs/{native}?wait=5").json["state"] == "Success"


def test_orders_do_not_reach_jobs_of_other_apis(studio: Service) -> None:
    """A job that came to /v1/jobs goes on, though it is the same caller's and runs."""
    native = studio.call("POST", "/v1/jobs", {**LONG, "width": 64, "height": 64}).json["id"]
    until(lambda: studio.call("GET", f"/v1/jobs/{native}").json["state"] == "Running", "the job to run")
    for order in ("interrupt", "skip"):
        assert studio.call("POST", f"/sdapi/v1/{order}").json == {}
    assert studio.call("DELETE", f"/v1/jobs/{native}").json["cancelled"] is True
    assert studio.call("GET", f"/v1/jobs/{native}?wait=10").json["error"]["message"] == "cancelled by its owner"


@pytest.mark.compatible(A1111, "HTTP", "/internal/progress and pending-tasks by force_task_id")
def test_a_task_is_followed_by_its_name(studio: Service) -> None:
    """Waiting, running with a preview, done; nobody else knows it, and an unknown one is nothing."""
    with ThreadPoolExecutor(2) as pool:
        first = begun(studio, pool)
        named = pool.submit(studio.txt2img, **{**LONG, "n_iter": 4}, width=128, force_task_id="task(one)")
        until(lambda: task(studio, "task(one)")["queued"], "the task to wait")
        assert studio.call("GET", "/internal/pending-tasks").json == {"size": 1, "tasks": ["task(one)"]}
        assert task(studio, "task(one)")["textinfo"].startswith("In queue: ")
        assert task(other(studio), "task(one)")["queued"] is False
        assert stop(studio, first, "skip").status in (200, 409)
        until(lambda: task(studio, "task(one)")["live_preview"], "the task to run")
        seen = task(studio, "task(one)")
        assert seen["live_preview"].startswith("data:image/png;base64,")
        assert (seen["active"], seen["completed"]) == (True, False)
        assert progress(studio)["state"]["job"] == "task(one)"
        assert named.result(10).status == 200
    done = task(studio, "task(one)")
    assert (done["active"], done["queued"], done["completed"]) == (False, False, True)
    assert task(studio, named.result().json["garret_job"])["completed"] is True
    assert task(other(studio), named.result().json["garret_job"])["completed"] is False
    assert task(studio, "nothing") == {
        "active": False, "queued": False, "completed": False, "progress": None, "eta": None, "live_preview": None,
        "id_live_preview": -1, "textinfo": "Waiting...",
    }  # fmt: skip
    assert studio.call("GET", "/internal/ping").json == {}
