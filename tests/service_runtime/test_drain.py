"""A node that is about to be stopped finishes what it accepted, and takes nothing new."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.service_runtime.living import fake_settings, serving, wait


def test_what_was_accepted_is_made_and_nothing_new_is(tmp_path: Path) -> None:
    """New jobs get 503 with the reason while the running one goes on; asked so, jobs are taken again."""
    with serving(fake_settings(tmp_path, fake_seconds=1.0)) as service, ThreadPoolExecutor(1) as callers:
        first = callers.submit(service.txt2img, prompt="first", steps=10)
        wait(lambda: service.call("GET", "/v1/jobs").json, 10, "the job to be accepted")
        assert service.call("POST", "/machine/drain", {"seconds": 60}).json == {"jobs": 1, "operations": []}
        refused = service.txt2img(prompt="second")
        assert refused.status == 503
        assert "about to be stopped" in refused.json["errors"]
        assert first.result().status == 200
        assert service.call("POST", "/machine/drain", {"seconds": 0}).json["jobs"] == 0
        assert service.txt2img(prompt="third").status == 200


def test_who_is_being_told_of_an_end_is_waited_for(tmp_path: Path) -> None:
    """Once: pictures may be on their way to where they are kept."""
    settings = fake_settings(tmp_path, allow_private_webhook=True)
    with serving(settings) as service, socket.create_server(("127.0.0.1", 0)) as silent:
        body = {"prompt": "a", "width": 64, "height": 64, "webhook": f"http://127.0.0.1:{silent.getsockname()[1]}/"}
        assert service.call("POST", "/v1/jobs?wait=10", body).status == 200
        said = service.call("POST", "/machine/drain", {"seconds": 60}).json
        assert said == {"jobs": 0, "operations": ["a delivery"]}
        silent.accept()[0].close()
        wait(lambda: not service.call("POST", "/machine/drain", {"seconds": 60}).json["operations"], 10, "the try")


def test_a_caller_that_went_away_leaves_a_service_that_works(tmp_path: Path) -> None:
    """The refusal ends by itself, and nobody can ask for one that lasts."""
    with serving(fake_settings(tmp_path)) as service:
        assert service.call("POST", "/machine/drain", {"seconds": 0.5}).status == 200
        assert service.txt2img().status == 503
        wait(lambda: service.txt2img().status == 200, 5, "jobs to be taken again")
        for wrong in ({"seconds": 121}, {"seconds": -1}, {"seconds": "long"}, {}):
            refused = service.call("POST", "/machine/drain", wrong)
            assert (400 <= refused.status < 500, "seconds" in refused.body.decode()) == (True, True)
        assert service.txt2img().status == 200


def test_whoever_said_stop_and_fell_asleep_is_still_heard(tmp_path: Path) -> None:
    """The time over, the node asks for its stop; here it may not, so it says why and works on."""
    with serving(fake_settings(tmp_path, metadata_url="http://127.0.0.1:9/latest")) as service:
        assert service.call("POST", "/machine/drain", {"seconds": 1, "then_stop": True}).status == 200
        assert service.txt2img().status == 503
        wait(lambda: service.call("GET", "/machine").json["autostop"]["refused"], 30, "the try to stop")
        assert "does not know itself" in service.call("GET", "/machine").json["autostop"]["refused"]
        assert service.txt2img().status == 200
        wrong = service.call("POST", "/machine/drain", {"seconds": 1, "then_stop": "yes"})
        assert (wrong.status, wrong.json["field"]) == (422, "then_stop")
