"""One's own finished pictures: listed, searched, small, linked to, deleted, and read for what they were made from."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import PIL.Image
import pytest

from garret.service_runtime.passwords import hash_password, hash_token
from garret.service_runtime.png import encode_png
from garret.service_runtime.thumbnails import SIDE, Thumbnails
from tests.service_runtime.api.studio import OTHER_TOKEN
from tests.service_runtime.conftest import PASSWORD, TOKEN
from tests.service_runtime.living import Service, fake_settings, serving, wait

SMALL = {"prompt": "a", "width": 64, "height": 64, "steps": 2}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a service of one's own."""
    return tmp_path_factory.mktemp("images")


@pytest.fixture(scope="module")
def own(place: Path) -> Iterator[Service]:
    """A service with a login behind a front, whose pictures a test may count."""
    tokens = (hash_token(TOKEN), hash_token(OTHER_TOKEN))
    logins = {"password_hash": hash_password(PASSWORD), "token_hashes": tokens}
    with serving(fake_settings(place, **logins, trusted_proxy=True)) as running:
        running.headers = {"Authorization": f"Bearer {TOKEN}"}
        yield running


@pytest.fixture
def other(own: Service) -> Service:
    """Another caller of it."""
    return Service(own.process, own.host, own.port, {"Authorization": f"Bearer {OTHER_TOKEN}"})


def make(service: Service, **body: Any) -> list[str]:
    """Have pictures made, and return their ids."""
    job = service.call("POST", "/v1/jobs?wait=20", {**SMALL, **body}).json
    assert job["state"] == "Success", job
    return [f"{job['id']}-{one['number']}" for one in job["pictures"]]


def listed(service: Service, query: str = "") -> list[str]:
    """Return the ids of a list."""
    return [one["id"] for one in service.call("GET", f"/v1/images{query}").json["data"]]


@pytest.mark.compatible("Native", "HTTP", "one's own pictures, newest first, page by page")
def test_pictures_are_listed_newest_first_page_by_page(own: Service, other: Service) -> None:
    """Each caller's own; a page goes on where the last one ended, also when that picture is gone."""
    first, theirs = make(own, n_iter=2, seed=5), make(other)
    second = make(own, seed=9, width=128, height=96, negative_prompt="grey")
    newest = [*reversed(second), *reversed(first)]
    assert listed(own)[:3] == newest
    assert listed(other) == theirs
    page = own.call("GET", "/v1/images?limit=2").json
    assert ([one["id"] for one in page["data"]], page["has_more"]) == (newest[:2], True)
    assert own.call("DELETE", f"/v1/images/{newest[1]}").json == {"deleted": True}
    assert listed(own, f"?before={newest[1]}")[:1] == newest[2:]
    assert other.call("GET", f"/v1/images?before={newest[1]}").json["field"] == "before"
    one = page["data"][0]
    assert (one["width"], one["height"], one["seed"], one["negative_prompt"]) == (128, 96, 9, "grey")
    whole = own.call("GET", f"/v1/images/{one['id']}").json
    assert whole["infotext"].startswith("a\nNegative prompt: grey\n")
    assert (whole["request"]["seed"], whole["model"]["name"]) == (9, "tiny")
    kept_s = own.call("GET", "/v1/settings").json["service"]["keep_finished_s"]
    assert 0 < whole["kept_until"] - whole["created_at"] - kept_s < 60
    assert {name: whole[name] for name in one} == one
    assert PIL.Image.open(io.BytesIO(own.call("GET", one["url"]).body)).size == (128, 96)


def test_what_is_no_page_is_refused_by_its_field(own: Service) -> None:
    """By its name."""
    for query, name in (
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=%D9%A3", "limit"),
        ("before=x", "before"),
        (f"before={'0' * 32}-0", "before"),
    ):
        refused = own.call("GET", f"/v1/images?{query}")
        assert (refused.status, refused.json["field"]) == (422, name)
    assert own.call("GET", f"/v1/images?q={'x' * 501}").json["field"] == "q"


def test_pictures_are_found_by_words(own: Service) -> None:
    """All of them, in whatever case and alphabet, and also those of the text's pairs."""
    [found] = make(own, prompt="Ein ROTER Kreis über Öl, 红色的圆", seed=77)
    for words in ("roter KREIS", "öl ÜBER", "红色的圆", "roter seed: 77", "kreis tiny"):
        assert listed(own, f"?q={quote(words)}") == [found], words
    assert listed(own, f"?q={quote('roter quadrat')}") == []
    assert listed(own, f"?q={quote('100% _')}") == []


def test_a_picture_is_shown_small(own: Service, place: Path) -> None:
    """Made once and kept, in its own proportions, as WebP; it goes with its picture."""
    [image] = make(own, width=768, height=512)
    shown = own.call("GET", f"/v1/images/{image}/thumbnail")
    assert shown.headers["content-type"] == "image/webp"
    assert PIL.Image.open(io.BytesIO(shown.body)).size == (SIDE, 256)
    [kept] = (place / "state" / "thumbnails").iterdir()
    kept.write_bytes(b"kept")
    assert own.call("GET", f"/v1/images/{image}/thumbnail").body == b"kept"
    own.call("DELETE", f"/v1/images/{image}")
    assert list((place / "state" / "thumbnails").iterdir()) == []
    assert own.call("GET", f"/v1/images/{image}/thumbnail").status == 404


def test_a_broken_file_has_no_small_form(own: Service, place: Path) -> None:
    """It is listed, without a size, and can be deleted."""
    there = set((place / "state" / "results").iterdir())
    [image] = make(own)
    [file] = set((place / "state" / "results").iterdir()) - there
    file.write_bytes(file.read_bytes()[:40])
    assert own.call("GET", f"/v1/images/{image}/thumbnail").status == 410
    file.write_bytes(b"")
    assert own.call("GET", f"/v1/images/{image}/thumbnail").status == 410
    assert own.call("GET", f"/v1/images/{image}").json["width"] is None
    assert own.call("DELETE", f"/v1/images/{image}").status == 200


def test_the_same_picture_may_be_looked_at_twice_at_once(tmp_path: Path) -> None:
    """Whoever is second gets it as well."""
    pictures = [tmp_path / f"{number}.png" for number in range(5)]
    thumbnails = Thumbnails(tmp_path / "small")

    async def seen() -> set[bytes]:
        return set(await asyncio.gather(*(thumbnails.of(picture) for picture in pictures for _ in range(4))))

    for picture in pictures:
        picture.write_bytes(encode_png(b"\1" * 12, 2, 2, {}))
    assert len(asyncio.run(seen())) == 1
    assert len(list((tmp_path / "small").iterdir())) == len(pictures)


def test_small_forms_of_pictures_that_are_gone_are_swept(tmp_path: Path) -> None:
    """Also those that were half-written."""
    for name in ("kept.webp", "gone.webp", "half.webp.part"):
        (tmp_path / name).touch()
    Thumbnails(tmp_path).keep_only({"kept.png"})
    assert [path.name for path in tmp_path.iterdir()] == ["kept.webp"]


def test_a_picture_is_deleted_by_its_owner_alone(own: Service, other: Service, place: Path) -> None:
    """Its job stays, and says when none of its pictures is left; its file is gone."""
    first, second = make(own, n_iter=2)
    job = first.partition("-")[0]
    for asked in ("", "/file", "/thumbnail"):
        assert other.call("GET", f"/v1/images/{first}{asked}").status == 404
    assert other.call("POST", f"/v1/images/{first}/link").status == 404
    assert other.call("DELETE", f"/v1/images/{first}").status == 404
    before = len(list((place / "state" / "results").iterdir()))
    assert own.call("DELETE", f"/v1/images/{first}").status == 200
    assert own.call("DELETE", f"/v1/images/{first}").status == 404
    assert len(list((place / "state" / "results").iterdir())) == before - 1
    left = own.call("GET", f"/v1/jobs/{job}").json
    assert ([one["number"] for one in left["pictures"]], left["pictures_removed"]) == ([1], False)
    own.call("DELETE", f"/v1/images/{second}")
    assert own.call("GET", f"/v1/jobs/{job}").json["pictures_removed"] is True
    assert own.call("GET", f"/v1/jobs/{job}/pictures/1").status == 410
    for wrong in ("x", f"{job}-00", f"{job}-1/../2", f"{job.upper()}-1"):
        assert own.call("DELETE", f"/v1/images/{wrong}").status in (404, 405)


def test_a_picture_of_a_job_that_is_not_over_stays(tmp_path: Path) -> None:
    """It is listed, and 409 until the end."""
    with serving(fake_settings(tmp_path, fake_seconds=0.6, max_batch=1)) as service:
        job = service.call("POST", "/v1/jobs", {**SMALL, "n_iter": 3}).json["id"]
        wait(lambda: listed(service), 10, "the first picture")
        refused = service.call("DELETE", f"/v1/images/{job}-0")
        assert (refused.status, refused.json["error"]) == (409, "InUse")
        service.call("DELETE", f"/v1/jobs/{job}")
        assert service.call("DELETE", f"/v1/images/{job}-0").status == 200


def test_the_same_request_again_does_not_take_what_is_left_for_all_of_it(own: Service) -> None:
    """A picture was deleted: the others would be told by its number and its seed."""
    asked = {"prompt": "a", "width": 64, "height": 64, "steps": 2, "batch_size": 2, "seed": 3}
    made = own.call("POST", "/sdapi/v1/txt2img", asked, Idempotency_Key="deleted")
    assert own.call("POST", "/sdapi/v1/txt2img", asked, Idempotency_Key="deleted").body == made.body
    second, first = listed(own, "?limit=2")
    own.call("DELETE", f"/v1/images/{first}")
    for _ in range(2):
        again = own.call("POST", "/sdapi/v1/txt2img", asked, Idempotency_Key="deleted")
        assert (again.status, "not kept any more" in again.json["detail"]) == (404, True)
        own.call("DELETE", f"/v1/images/{second}")


@pytest.mark.compatible("Native", "HTTP", "signed links to a picture, without a login")
def test_a_link_opens_one_picture_without_a_login(own: Service) -> None:
    """From another site's page as well, where a login would be refused; nothing else opens with it."""
    image, second = make(own, n_iter=2)
    told = own.call("POST", f"/v1/images/{image}/link").json
    assert told["url"].startswith(f"http://{own.host}:{own.port}/v1/jobs/")
    parts = urlsplit(told["url"])
    target = f"{parts.path}?{parts.query}"
    stranger = Service(own.process, own.host, own.port)
    for headers in ({}, {"Sec_Fetch_Site": "cross-site"}, {"Authorization": "Basic !!"}, {"Authorization": "Bearer x"}):
        shown = stranger.call("GET", target, **headers)
        assert (shown.status, shown.headers["content-type"]) == (200, "image/png")
    assert shown.body == own.call("GET", f"/v1/images/{image}/file").body
    for wrong in (target.replace("pictures/0", "pictures/1"), target[:-2], f"/v1/jobs?{parts.query}", parts.path):
        assert stranger.call("GET", wrong).status == 401
    assert stranger.call("DELETE", target).status == 401
    own.call("DELETE", f"/v1/images/{image}")
    assert stranger.call("GET", target).status == 404
    assert own.call("GET", f"/v1/images/{second}").status == 200


def test_a_link_is_at_the_front_that_the_caller_knows(own: Service) -> None:
    """By the name and the scheme that they used there."""
    [image] = make(own)
    headers = {"Host": "garret.example:8443", "X_Forwarded_Proto": "https", "X_Forwarded_For": "203.0.113.9"}
    told = own.call("POST", f"/v1/images/{image}/link", **headers).json
    assert told["url"].startswith("https://garret.example:8443/v1/jobs/")


@pytest.mark.compatible("Native", "HTTP", "what a picture's file was made from")
@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_what_a_picture_was_made_from_makes_it_again(own: Service, form: str) -> None:
    """Its own text, read back as fields, asks for the same picture."""
    [image] = make(own, prompt="a (red:1.2) circle", negative_prompt="grey", seed=21, sampler="DPM++ 2M", cfg_scale=4.5,
                   output={"format": form})  # fmt: skip
    file = own.call("GET", f"/v1/images/{image}/file").body
    told = own.call("POST", "/v1/images/read", file).json
    assert (told["width"], told["height"], told["media_type"]) == (64, 64, f"image/{form}")
    assert told["infotext"] == own.call("GET", f"/v1/images/{image}").json["infotext"]
    wanted = {"prompt": "a (red:1.2) circle", "negative_prompt": "grey", "seed": 21, "sampler": "DPM++ 2M", "steps": 2}
    assert {name: told["fields"].get(name) for name in wanted} == wanted
    again = {name: value for name, value in told["fields"].items() if name in {*wanted, "width", "height", "cfg_scale"}}
    [second] = make(own, **again, output={"format": form})
    # The checkpoint's hash may have become known between the two.
    texts = (own.call("GET", f"/v1/images/{second}").json["infotext"], told["infotext"])
    assert len({re.sub(r" Model hash: \w+,", "", text) for text in texts}) == 1


def test_a_file_without_words_or_without_a_picture(own: Service) -> None:
    """The first says nothing, the second is refused."""
    told = own.call("POST", "/v1/images/read", encode_png(b"\0" * 12, 2, 2, {})).json
    assert (told["width"], told["infotext"], told["fields"], told["texts"]) == (2, None, {}, {})
    for body in (b"", b"{}", b"<html>", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff" + b"\0" * 100, b"RIFF1234WEBP"):
        refused = own.call("POST", "/v1/images/read", body)
        assert (refused.status, refused.json["field"]) == (422, "body"), body
    bomb = encode_png(b"\0" * 12, 2, 2, {f"key {number}": "x" * 900_000 for number in range(5)})
    assert len(own.call("POST", "/v1/images/read", bomb).body) < 1_100_000


def test_a_browser_keeps_pictures_and_asks_once(own: Service, other: Service) -> None:
    """They never change at their address; for another login, or without one, the service is asked again."""
    (one,) = make(own)
    for form in ("file", "thumbnail"):
        first = own.call("GET", f"/v1/images/{one}/{form}")
        assert first.headers["cache-control"] == "private, max-age=31536000, immutable"
        assert first.headers["vary"] == "Cookie, Authorization"
        tag = first.headers["etag"]
        again = own.call("GET", f"/v1/images/{one}/{form}", If_None_Match=f'"x", W/{tag}')
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
        assert own.call("GET", f"/v1/images/{one}/{form}", If_None_Match='"x"').status == 200
        assert other.call("GET", f"/v1/images/{one}/{form}", If_None_Match=tag).status == 404
    assert own.call("GET", f"/v1/images/{one}").headers["cache-control"] == "no-store"
    assert own.call("GET", "/v1/images/none-0/file").headers["cache-control"] == "no-store"
    assert own.call("DELETE", f"/v1/images/{one}").status == 200
