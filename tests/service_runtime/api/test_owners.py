"""Callers keep apart: by no dialect does one see, stop or go on with what is another one's."""

from __future__ import annotations

from typing import Any

import pytest

from tests.service_runtime.api.studio import other
from tests.service_runtime.living import Service

SMALL = {"prompt": "a fox", "width": 64, "height": 64, "steps": 2}
INPUT = {"input": {"prompt": "a fox", "width": 64, "height": 64, "num_inference_steps": 2}}


@pytest.fixture(scope="module")
def job(studio: Service) -> str:
    """The id of a job that is over, with its picture."""
    made = studio.call("POST", "/v1/jobs?wait=20", SMALL).json
    assert made["state"] == "Success"
    return str(made["id"])


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/jobs/{}", None),
        ("GET", "/v1/jobs/{}/events", None),
        ("GET", "/v1/jobs/{}/pictures/0", None),
        ("DELETE", "/v1/jobs/{}?forget=true", None),
        ("GET", "/v1/images/{}-0", None),
        ("GET", "/v1/images/{}-0/file", None),
        ("GET", "/v1/images/{}-0/thumbnail", None),
        ("DELETE", "/v1/images/{}-0", None),
        ("GET", "/predictions/{}", None),
        ("POST", "/predictions/{}/cancel", {}),
        ("GET", "/download/{}", None),
        ("POST", "/refine", {"id": "{}"}),
    ],
)
def test_what_is_somebody_elses_is_not_there(
    studio: Service, job: str, method: str, path: str, body: dict[str, Any] | None
) -> None:
    """Told as an id that is none; and it is as it was afterwards."""
    sent = {name: text.format(job) for name, text in body.items()} if body else body
    answer = other(studio).call(method, path.format(job), sent)
    assert answer.status == 404, answer.body
    if method == "GET" and "events" not in path:
        assert studio.call("GET", path.format(job)).status == 200
    assert studio.call("GET", f"/v1/jobs/{job}/pictures/0").status == 200


def test_lists_hold_ones_own(studio: Service, job: str) -> None:
    """Of jobs, of pictures, and of A1111's tasks."""
    for path in ("/v1/jobs?limit=1000", "/v1/images?limit=100"):
        assert job in studio.call("GET", path).body.decode()
        assert job not in other(studio).call("GET", path).body.decode()
    assert studio.call("POST", "/internal/progress", {"id_task": job}).json["completed"] is True
    assert other(studio).call("POST", "/internal/progress", {"id_task": job}).json["completed"] is False


def test_names_of_ones_own_are_ones_own(studio: Service) -> None:
    """Two callers may call their predictions alike, and each gets theirs."""
    mine = studio.call("PUT", "/predictions/one", INPUT).json
    assert other(studio).call("GET", "/predictions/one").status == 404
    theirs = other(studio).call("PUT", "/predictions/one", {"input": {**INPUT["input"], "prompt": "a dog"}}).json
    assert (mine["input"]["prompt"], theirs["input"]["prompt"]) == ("a fox", "a dog")
    assert studio.call("GET", "/predictions/one").json["input"]["prompt"] == "a fox"
