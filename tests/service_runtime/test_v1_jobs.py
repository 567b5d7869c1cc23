"""The native door: a job is accepted, watched, fetched, cancelled, and asked for twice without being made twice."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from garret.service_runtime.pace import Pace
from garret.service_runtime.png import SIGNATURE
from tests.service_runtime.living import Answer, Service, fake_settings, launch, serving, wait

SMALL = {"prompt": "a", "width": 64, "height": 64, "steps": 2}


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that takes a second for a picture and has room for three jobs."""
    with serving(fake_settings(tmp_path_factory.mktemp("slow"), fake_seconds=1.0, queue_limit=3)) as running:
        yield running


def post(service: Service, wait_s: float = 0, key: str = "", **body: Any) -> Answer:
    """Ask for a small picture."""
    headers = {"Idempotency_Key": key} if key else {}
    return service.call("POST", f"/v1/jobs?wait={wait_s}", {**SMALL, **body}, **headers)


def clear(service: Service) -> None:
    """Cancel whatever is not over."""
    for job in service.call("GET", "/v1/jobs").json:
        service.call("DELETE", f"/v1/jobs/{job['id']}")


def picture(colour: str = "red", size: tuple[int, int] = (96, 48)) -> bytes:
    """A picture's file."""
    file = io.BytesIO()
    PIL.Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def test_a_job_is_accepted_and_fetched(service: Service) -> None:
    """202 with its address, then 200 with its pictures and what each was made from."""
    answer = post(service, n_iter=2, seed=7)
    assert answer.status == 202
    job = answer.json
    assert answer.headers["location"] == job["url"] == f"/v1/jobs/{job['id']}"
    done = service.call("GET", f"{job['url']}?wait=10").json
    assert (done["state"], done["position"], done["progress"], done["tries"]) == ("Success", None, None, 1)
    assert [one["seed"] for one in done["pictures"]] == [7, 8]
    for one in done["pictures"]:
        got = service.call("GET", one["url"])
        assert (got.headers["content-type"], len(got.body)) == (one["media_type"], one["size"])
        assert got.body.startswith(SIGNATURE)
        assert f"Seed: {one['seed']}" in one["infotext"]
    assert done["model"]["name"] == "tiny"


def test_waiting_in_the_first_request_is_enough(service: Service) -> None:
    """What is left out takes the model's own values, and any seed."""
    answer = service.call("POST", "/v1/jobs?wait=10", {"prompt": "x", "steps": 1})
    assert (answer.status, answer.json["state"]) == (200, "Success")
    asked = answer.json["request"]
    assert (asked["checkpoint"], asked["sampler"], asked["width"], asked["height"]) == ("tiny", "Euler", 1024, 1024)
    assert asked["seed"] > 0


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"promt": "x"}, 422, "promt"),
        ({"width": "64"}, 422, "width"),
        ({"width": 65}, 422, "width"),
        ({"loras": 5}, 422, "loras"),
        ({"loras": ["x"]}, 422, "loras"),
        ({"styles": "abc"}, 422, "styles"),
        ({"start": "x"}, 422, "start"),
        ({"start": {"denoise": 0.5}}, 422, "start.image"),
        ({"start": {"image": "a" * 64}, "width": 64, "height": 64}, 404, ""),
        ({"start": {"image": "%%%"}}, 422, "start.image"),
        ({"hires": {"nothing": 1}}, 422, "hires.nothing"),
        ({"sampler": "Leuer"}, 400, "sampler"),
        ({"checkpoint": "gone"}, 404, ""),
        ({"seed": -2}, 422, "seed"),
        ({"expires_in": 0}, 422, "expires_in"),
        ({"webhook": 5}, 422, "webhook"),
    ],
)
def test_what_is_wrong_is_named(service: Service, body: dict[str, Any], status: int, field: str) -> None:
    """Before anything is accepted."""
    before = len(service.call("GET", "/v1/jobs?limit=1000").json)
    answer = service.call("POST", "/v1/jobs", {"prompt": "x", **body})
    assert (answer.status, answer.json.get("field", "")) == (status, field)
    assert len(service.call("GET", "/v1/jobs?limit=1000").json) == before


def test_a_picture_to_begin_from_comes_in_the_body_or_before_it(service: Service) -> None:
    """Both ways are the same request; its size is the picture's proportions."""
    sha256 = service.call("PUT", "/v1/inputs", picture()).json["sha256"]
    text = "data:image/png;base64," + base64.b64encode(picture()).decode()
    asked = []
    for image in (sha256, text):
        mask = {"image": base64.b64encode(picture("white")).decode(), "blur": 2}
        start = {"image": image, "denoise": 0.5, "mask": mask}
        answer = service.call("POST", "/v1/jobs?wait=10", {"prompt": "x", "steps": 1, "seed": 1, "start": start})
        assert answer.status == 200, answer.body
        asked.append(answer.json["request"])
    assert asked[0] == asked[1]
    assert asked[0]["start"]["image"] == sha256
    assert asked[0]["width"] / asked[0]["height"] == pytest.approx(2, rel=0.02)
    for query, body, status in (("", b"", 422), ("", b"GIF89a", 422), ("?kind=text", picture(), 400)):
        assert service.call("PUT", f"/v1/inputs{query}", body).status == status


def test_a_finished_picture_is_begun_from_without_its_file(service: Service) -> None:
    """It is named by its id, and what is kept can be looked at; another name is none of the caller's images."""
    job = service.call("POST", "/v1/jobs?wait=10", {"prompt": "x", "steps": 1, "width": 128, "height": 64}).json
    kept = service.call("PUT", "/v1/inputs", {"image": f"{job['id']}-0"}).json
    assert (kept["width"], kept["height"]) == (128, 64)
    shown = service.call("GET", f"/v1/inputs/{kept['sha256']}")
    assert shown.body.startswith(b"\x89PNG")
    assert "immutable" in shown.headers["cache-control"]
    unchanged = service.call("GET", f"/v1/inputs/{kept['sha256']}", If_None_Match=shown.headers["etag"])
    assert (unchanged.status, unchanged.body) == (304, b"")
    assert service.call("PUT", "/v1/inputs", shown.body).json == kept
    for body, status in (({"image": "0" * 32 + "-0"}, 404), ({"image": 1}, 422), ({}, 404), (b"{", 422)):
        assert service.call("PUT", "/v1/inputs", body).status == status
    for digest, status in (("0" * 64, 404), ("..%2f" + "0" * 64, 404), ("x", 422)):
        assert service.call("GET", f"/v1/inputs/{digest}").status == status


def test_the_same_key_gives_the_same_job(service: Service) -> None:
    """Also to twenty who ask at once, in whatever order their fields come; another request with it is refused."""
    with ThreadPoolExecutor(20) as callers:
        answers = list(callers.map(lambda _: post(service, key="k-1", seed=3), range(20)))
    assert len({answer.json["id"] for answer in answers}) == 1
    assert sum("idempotent-replayed" in answer.headers for answer in answers) <= 19
    body = {"seed": 3, **{name: SMALL[name] for name in reversed(SMALL)}}
    again = service.call("POST", "/v1/jobs?wait=10", body, Idempotency_Key="k-1")
    assert (again.status, again.headers["idempotent-replayed"]) == (200, "true")
    assert again.json["id"] == answers[0].json["id"]
    refused = post(service, key="k-1", seed=4)
    assert (refused.status, refused.json["error"]) == (422, "KeyTaken")
    for key in ("x" * 256, "\x7f"):
        assert post(service, key=key).status == 422


def test_a_key_tells_long_bodies_apart(service: Service) -> None:
    """By what is in them, deep or shallow; what is nested without end is refused like anything wrong."""
    start = {"image": base64.b64encode(picture(size=(200, 200)) + bytes(20_000)).decode()}
    first = post(service, wait_s=10, key="long", start=start, seed=1)
    assert post(service, key="long", start=start, seed=1).json["id"] == first.json["id"]
    start = {"image": start["image"][:-8] + "AAAAAAA="}
    assert post(service, key="long", start=start, seed=1).json["error"] == "KeyTaken"
    deep = b'{"prompt": "a", "loras": ' + b"[" * 900 + b"]" * 900 + b"}"
    assert service.call("POST", "/v1/jobs", deep, Idempotency_Key="deep").status == 422


def test_a_key_gives_a_dialects_pictures_again(service: Service) -> None:
    """What A1111's route has answered once it answers again without making it."""
    body = {"prompt": "kept", "width": 64, "height": 64, "steps": 2, "n_iter": 2}
    first, again = (service.call("POST", "/sdapi/v1/txt2img", body, Idempotency_Key="k-2") for _ in range(2))
    assert first.json["garret_job"] == again.json["garret_job"]
    assert first.pictures == again.pictures
    assert json.loads(first.json["info"])["all_seeds"] == json.loads(again.json["info"])["all_seeds"]


def test_a_job_is_watched_and_cancelled(slow: Service) -> None:
    """Its place in line, its steps, a preview, and each change as it comes."""
    clear(slow)
    first = post(slow, steps=50, n_iter=3).json
    wait(lambda: slow.call("GET", first["url"]).json["state"] == "Running", 10, "the first to run")
    second = post(slow, width=128).json
    assert second["position"] == 1
    wait(lambda: slow.call("GET", first["url"]).json["progress"]["step"] > 1, 10, "some steps")
    seen = slow.call("GET", first["url"]).json
    assert (seen["state"], seen["position"]) == ("Running", 0)
    assert seen["progress"]["steps"] == 50
    # All three are made side by side, so each step is a step of the whole job.
    assert seen["progress"]["share"] == pytest.approx(seen["progress"]["step"] / 50, abs=0.001)
    wait(lambda: slow.call("GET", first["url"]).json["progress"]["preview"], 10, "a preview")
    assert slow.call("GET", f"{first['url']}/preview").body.startswith(SIGNATURE)
    assert slow.call("GET", f"{first['url']}/preview?number=99").status == 204
    with ThreadPoolExecutor(1) as callers:
        told = callers.submit(slow.call, "GET", f"{first['url']}/events")
        wait(lambda: slow.call("GET", first["url"]).json["progress"]["step"] > 5, 10, "more steps")
        assert slow.call("DELETE", first["url"]).json == {"cancelled": True, "forgotten": False}
        events = told.result(timeout=5).body.decode().split("\n\n")
    names = [event.split("\n")[0] for event in events if event]
    assert names[0] == "event: job"
    assert names[-1] == "event: end"
    assert json.loads(events[-2].partition("data: ")[2])["state"] == "Cancelled"
    assert slow.call("GET", f"{second['url']}?wait=10").json["state"] == "Success"


def test_watching_a_job_leaves_nothing_in_the_log(tmp_path: Path) -> None:
    """However often somebody has looked at it until it was cancelled."""
    service = launch(fake_settings(tmp_path, fake_seconds=1.0))
    try:
        service.wait_until("ok")
        job = post(service, n_iter=4, batch_size=1).json
        with ThreadPoolExecutor(1) as threads:
            told = threads.submit(service.call, "GET", f"{job['url']}/events")
            for _ in range(2):
                service.call("GET", f"{job['url']}?wait=0.3")
            service.call("DELETE", job["url"])
            assert b"event: end" in told.result().body
    finally:
        service.process.terminate()
    said, _ = service.process.communicate(timeout=20)
    assert "ERROR" not in said


def test_a_full_queue_says_so_before_a_picture_is_decoded(slow: Service) -> None:
    """At once, and not after what was sent with the request was looked at."""
    clear(slow)
    for seed in range(3):
        assert post(slow, seed=seed).status == 202
    assert post(slow, start={"image": base64.b64encode(b"no picture").decode()}).status == 429
    body = {"init_images": [base64.b64encode(b"no picture").decode()]}
    assert slow.call("POST", "/sdapi/v1/img2img", body).status == 429
    clear(slow)


def test_a_full_queue_says_when_there_is_room(slow: Service) -> None:
    """At once; and later callers are told to come later."""
    clear(slow)
    assert post(slow, wait_s=10).status == 200
    assert [post(slow, steps=50, n_iter=2, width=64 * side).status for side in (1, 2, 3)] == [202] * 3
    refused = [post(slow) for _ in range(3)]
    assert [answer.status for answer in refused] == [429] * 3
    pauses = [int(answer.headers["retry-after"]) for answer in refused]
    assert pauses == sorted(pauses)
    assert 1 <= pauses[0] < 600
    clear(slow)


def test_a_job_that_waits_too_long_is_given_up(slow: Service) -> None:
    """Its state says so, and so do those who wait for it."""
    clear(slow)
    post(slow, steps=50, n_iter=16)
    late = slow.call("POST", "/v1/jobs?wait=10", {**SMALL, "width": 128, "expires_in": 1}).json
    assert (late["state"], late["error"]["error"]) == ("Expired", "TimedOut")
    clear(slow)


def test_a_job_that_is_over_can_be_forgotten(service: Service) -> None:
    """With its pictures; it cannot be cancelled any more."""
    job = post(service, wait_s=10).json
    assert service.call("DELETE", job["url"]).json == {"cancelled": False, "forgotten": False}
    assert service.call("GET", job["pictures"][0]["url"]).status == 200
    assert service.call("DELETE", f"{job['url']}?forget=true").json == {"cancelled": False, "forgotten": True}
    assert service.call("GET", job["url"]).status == 404


def test_jobs_are_listed_in_pages(service: Service) -> None:
    """Newest first, by state."""
    ids = [post(service, wait_s=10).json["id"] for _ in range(3)]
    listed = service.call("GET", "/v1/jobs?limit=2&state=Success").json
    assert [job["id"] for job in listed] == [ids[2], ids[1]]
    assert service.call("GET", f"/v1/jobs?limit=1&before={ids[1]}").json[0]["id"] == ids[0]
    for query in ("limit=0", "limit=x", "state=Nothing", "before=nobody", f"before={'0' * 32}"):
        assert service.call("GET", f"/v1/jobs?{query}").status in (400, 422)


@pytest.mark.parametrize("limit", ["%C2%B2", "0000000019999999999999999999", "1001", "-1", ""])
def test_a_limit_that_is_none_is_refused(service: Service, limit: str) -> None:
    """422, whatever digits it is made of."""
    assert service.call("GET", f"/v1/jobs?limit={limit}").status == 422


def test_a_picture_whose_file_went_is_gone(tmp_path: Path) -> None:
    """410, between its record's end and its own."""
    with serving(fake_settings(tmp_path)) as service:
        job = post(service, wait_s=10).json
        for file in (tmp_path / "state" / "results").iterdir():
            file.unlink()
        assert service.call("GET", job["pictures"][0]["url"]).status == 410


def test_a_large_body_is_large_for_its_pictures(service: Service) -> None:
    """Millions of small values would take gigabytes where their text takes megabytes."""
    answer = service.call("POST", "/v1/jobs", b'{"loras": [' + b"{}," * 1_000_000 + b"{}]}")
    assert (answer.status, answer.json["error"]) == (413, "TooLarge")


def test_pictures_beyond_what_is_kept_make_room(tmp_path: Path) -> None:
    """410 says so; the newest stay, and nothing is left on the disk."""
    settings = fake_settings(tmp_path, keep_bytes=3_000)
    with serving(settings) as service:
        jobs = [post(service, wait_s=10, width=128, height=128, seed=seed).json for seed in range(6)]
        size = jobs[0]["pictures"][0]["size"]
        folder = settings.state_dir / "results"
        wait(lambda: sum(file.stat().st_size for file in folder.iterdir()) <= 3_000, 5, "room")
        assert size * 6 > 3_000
        first, last = (service.call("GET", job["url"]).json for job in (jobs[0], jobs[-1]))
        assert (first["state"], first["pictures_removed"], first["pictures"]) == ("Success", True, [])
        assert service.call("GET", f"{first['url']}/pictures/0").status == 410
        assert service.call("GET", last["pictures"][0]["url"]).status == 200


def test_the_pace_is_learned_from_jobs_that_ended() -> None:
    """Each who is refused is told when a place of their own will be there."""
    now = [0.0]
    pace = Pace(lambda: now[0])
    assert pace.until_room() == 5
    pace = Pace(lambda: now[0])
    pace.began()
    for moment in (10.0, 20.0):
        now[0] = moment
        pace.ended(3)
    now[0] = 24.0
    assert [pace.until_room() for _ in range(3)] == [6, 16, 26]
    pace.ended(0)
    now[0] = 1000.0
    pace.began()
    now[0] = 1008.0
    pace.ended(1)
    assert pace.until_room() <= 19
