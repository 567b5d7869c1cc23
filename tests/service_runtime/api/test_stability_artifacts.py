"""Finished pictures as artifacts: their seeds, and which of them a content filter kept back."""

from __future__ import annotations

import json

import pytest

from garret.service_runtime.api.picture_json import picture_json
from garret.service_runtime.api.stability.artifacts import artifacts, picture_response
from garret.service_runtime.request import ImageResult
from tests.service_runtime.api.drawn import picture
from tests.service_runtime.asking import ask

JPEG, PNG = picture(kind="JPEG"), picture()
KEPT_BACK = {"Picture 1": "kept back by the content filter (CONTENT_FILTERED)"}
RESULT = ImageResult("job", ask(n_iter=2, seed=7), (JPEG, PNG), ("a", "a"), "demo", "", 1.0, KEPT_BACK)


@pytest.mark.compatible("Stability", "HTTP", "finishReason CONTENT_FILTERED of what the node's filter keeps back")
def test_each_artifact_says_how_it_ended() -> None:
    """Others of the same request are there to be seen."""
    said = json.loads(picture_json(artifacts(RESULT)))
    assert [(one["seed"], one["finishReason"]) for one in said] == [(7, "SUCCESS"), (8, "CONTENT_FILTERED")]


def test_a_picture_says_what_file_it_is() -> None:
    """A node's settings may make others than PNG; a client that looks at the type is told the truth."""
    answer = picture_response(RESULT)
    assert (answer.media_type, answer.headers["seed"], answer.headers["finish-reason"]) == (
        "image/jpeg",
        "7",
        "SUCCESS",
    )
