"""Models brought, given pictures, taken away and had back over HTTP, as the node's own commands do it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from garret.service_runtime.png import encode_png
from tests.service_runtime.conftest import TOKEN
from tests.service_runtime.living import SDXL_TENSORS, Service, fake_settings, safetensors_bytes, serving, wait
from tests.service_runtime.shelf import Request, Shelf, answer, serving_shelf, whole

PICTURE = encode_png(b"\1" * 12, 2, 2, {})
LORA = safetensors_bytes({"lora_te2_x.lora_down.weight": (4,)})
INK = safetensors_bytes({"lora_te2_z.lora_down.weight": (6,)})
MINE = safetensors_bytes({"lora_te2_y.lora_down.weight": (8,)})
ENDED = ("Success", "Failed", "Cancelled")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a service of one's own."""
    return tmp_path_factory.mktemp("keeping")


@pytest.fixture(scope="module")
def own(place: Path) -> Iterator[Service]:
    """A service whose models a test may change, and that may fetch from loopback."""
    with serving(fake_settings(place, allow_private_download=True)) as running:
        yield running


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    """A server that has a LoRA."""
    with serving_shelf(LORA) as one:
        yield one


def names(service: Service, kind: str) -> list[str]:
    """Return the names of a type's models."""
    return [one["name"] for one in service.call("GET", f"/v1/models?type={kind}").json["data"]]


def bring(service: Service, **body: Any) -> dict[str, Any]:
    """Have a model downloaded, and return the execution when it is over."""
    begun = service.call("POST", "/v1/models", body)
    assert begun.status == 202, begun.body
    assert begun.headers["location"] == begun.json["url"] == f"/v1/downloads/{begun.json['id']}"
    ended = service.call("GET", f"{begun.json['url']}?wait=30").json
    assert ended["status"] in ENDED, ended
    return dict(ended)


@pytest.mark.compatible("Native", "HTTP", "models downloaded, with progress")
def test_a_model_is_downloaded_and_listed(own: Service, place: Path) -> None:
    """With its hash; the second time nothing is fetched. A token goes with it, and stays nowhere."""
    # Of a content of its own, since what another test has brought is not fetched again.
    with serving_shelf(INK) as shelf:
        wanted = {"url": shelf.url, "type": "lora", "name": "ink", "sha256": hashlib.sha256(INK).hexdigest()}
        ended = bring(own, **wanted, token="planted-token")
        assert (ended["status"], ended["error"]) == ("Success", None)
        assert ended["progress"] == {"done": len(INK), "total": len(INK)}
        assert (ended["output"]["name"], ended["output"]["family"]) == ("ink", "lora-sdxl")
        assert own.call("GET", "/v1/models/lora/ink").json["sha256"] == wanted["sha256"]
        assert {one.get("authorization") for one in shelf.asked} == {"Bearer planted-token"}
        kept = [path for path in place.rglob("*") if path.is_file() and b"planted-token" in path.read_bytes()]
        assert kept == []
        assert bring(own, **wanted)["output"]["already_there"] is True
        assert [one["id"] for one in own.call("GET", "/v1/downloads?limit=2").json["data"]][1] == ended["id"]


def test_a_download_that_fails_says_why_in_the_words_of_the_api(own: Service, shelf: Shelf) -> None:
    """What to send instead, not which option of a command line to give."""
    shelf.replies += [answer(403) for _ in range(8)]
    failed = bring(own, url=shelf.url, type="lora", name="secret")
    assert failed["status"] == "Failed"
    assert "refuses access" in failed["error"]["message"]
    assert "say token" in failed["error"]["hint"]
    assert "--" not in failed["error"]["hint"]


def test_a_download_is_stopped_and_not_begun_twice(own: Service, shelf: Shelf) -> None:
    """The same body again is the same execution as long as it runs; DELETE ends it."""
    held, let_go = threading.Event(), threading.Event()

    def hold(request: Request) -> None:
        held.set()
        let_go.wait(20)
        whole(request)

    shelf.replies += [hold] * 20
    body = {"url": shelf.url, "type": "lora", "name": "slow"}
    first = own.call("POST", "/v1/models", body).json
    try:
        assert own.call("POST", "/v1/models", body).json["id"] == first["id"]
        assert held.wait(20)
        assert own.call("GET", f"/v1/downloads/{first['id']}").json["status"] == "Running"
        others = [own.call("POST", "/v1/models", {**body, "name": f"slow{number}"}) for number in range(4)]
        assert [one.status for one in others] == [202, 202, 202, 429]
        assert int(others[-1].headers["retry-after"]) > 0
        for one in (first, *(other.json for other in others[:3])):
            assert own.call("DELETE", one["url"]).json == {"cancelled": True}
    finally:
        let_go.set()
    wait(lambda: own.call("GET", first["url"]).json["status"] in ENDED, 30, "the end")
    assert own.call("DELETE", first["url"]).json == {"cancelled": False}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": "https://x.example/a", "from": "hf:a/b/c"}, "url"),
        ({"url": "https://x.example/a", "type": "pickle"}, "type"),
        ({"url": ["x"]}, "url"),
        ({"url": "file:///etc/passwd"}, "url"),
        ({"url": "https://me:secret@x.example/a"}, "url"),
        ({"url": "https://x.example/a", "name": "../a"}, "name"),
        ({"url": "https://x.example/a", "directory": "x"}, "directory"),
        ({"url": "https://x.example/a", "type": "other", "directory": "../x"}, "directory"),
        ({"from": "hf:nothing"}, "from"),
        ({"url": "https://x.example/a", "sha256": "12"}, "sha256"),
        ({"url": "https://x.example/a", "force": "yes"}, "force"),
        ({"url": "https://x.example/a", "token": "a\nb"}, "token"),
        ({"url": "https://x.example/a", "token_env": "HOME"}, "token_env"),
        ({"url": "https://x.example/a", "endpoints": {"civitai": "http://127.0.0.1"}}, "endpoints"),
        ({"url": "https://x.example/a", "models": []}, "models"),
    ],
)
def test_what_is_no_download_is_refused_by_its_field(own: Service, body: dict[str, Any], field: str) -> None:
    """Before anything is begun."""
    refused = own.call("POST", "/v1/models", body)
    assert (refused.status, refused.json["field"]) == (422, field)


def test_what_is_no_download_of_this_node_is_not_there(own: Service) -> None:
    """Neither other operations nor files of the disk."""
    for identifier in ("0" * 32, "..%2f..%2fstate", "x", "0" * 31 + "%0a"):
        assert own.call("GET", f"/v1/downloads/{identifier}").status == 404
        assert own.call("DELETE", f"/v1/downloads/{identifier}").status == 404


def test_a_private_address_is_not_fetched_for_a_caller(service: Service, shelf: Shelf) -> None:
    """Unless the node's owner has allowed it."""
    failed = bring(service, url=shelf.url.replace("http:", "https:"), type="lora")
    assert (failed["status"], shelf.asked) == ("Failed", [])


@pytest.mark.compatible("Native", "HTTP", "models removed, and had back from the bin")
def test_a_model_is_removed_and_had_back(own: Service, place: Path) -> None:
    """With its picture; for good only when that is said."""
    folder = place / "models" / "Lora"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mine.safetensors").write_bytes(MINE)
    (folder / "mine.png").write_bytes(PICTURE)
    gone = own.call("DELETE", "/v1/models/lora/mine").json
    assert (gone["deleted"], gone["name"], gone["files"]) == (True, "mine", ["mine.safetensors", "mine.png"])
    assert "mine" not in names(own, "lora")
    assert gone["id"] in [one["id"] for one in own.call("GET", "/v1/bin").json["data"]]
    assert own.call("POST", f"/v1/bin/{gone['id']}/restore").json["name"] == "mine"
    assert own.call("GET", "/v1/models/lora/mine").json["preview"]
    assert own.call("POST", f"/v1/bin/{gone['id']}/restore").status == 404
    again = own.call("DELETE", "/v1/models/lora/mine.safetensors").json
    (folder / "mine.safetensors").write_bytes(MINE)
    taken = own.call("POST", f"/v1/bin/{again['id']}/restore")
    assert (taken.status, taken.json["error"]) == (422, "ModelError")
    assert own.call("DELETE", f"/v1/bin/{again['id']}").json == {"deleted": True}
    assert own.call("DELETE", f"/v1/bin/{again['id']}").status == 404
    last = own.call("DELETE", "/v1/models/lora/mine?for_good=true").json
    assert "kept_until" not in last
    assert last["id"] not in [one["id"] for one in own.call("GET", "/v1/bin").json["data"]]
    assert own.call("DELETE", "/v1/models/lora/mine").status == 404
    assert own.call("DELETE", "/v1/models/lora/mine?force=perhaps").json["field"] == "force"


def test_an_upscalers_pickle_has_its_picture_and_its_notes(own: Service, place: Path) -> None:
    """By its name without the ending, like any model's file."""
    folder = place / "models" / "ESRGAN"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mine.pth").write_bytes(b"no pickle")
    (folder / "mine.json").write_text("{}", "utf-8")
    assert own.call("PUT", "/v1/models/upscaler/mine/preview", PICTURE).status == 200
    gone = own.call("DELETE", "/v1/models/upscaler/mine").json
    assert gone["files"] == ["mine.pth", "mine.png", "mine.json"]
    assert own.call("POST", f"/v1/bin/{gone['id']}/restore").json["type"] == "upscaler"


def test_the_last_checkpoint_stays_unless_it_must_go(own: Service, place: Path) -> None:
    """OpenAI's clients delete by the name alone."""
    refused = own.call("DELETE", "/v1/models/tiny")
    assert (refused.status, refused.json["field"]) == (422, "name")
    assert "force" in refused.json["detail"][0]["msg"]
    assert "--" not in refused.json["detail"][0]["msg"]
    (place / "models" / "Stable-diffusion" / "two.safetensors").write_bytes(safetensors_bytes(SDXL_TENSORS, b"\2"))
    assert own.call("DELETE", "/v1/models/two?for_good=true").json["deleted"] is True
    assert names(own, "checkpoint") == ["tiny"]


@pytest.mark.compatible("Native", "HTTP", "pictures of models, from a file or from one's own images")
def test_a_model_gets_its_picture(own: Service, place: Path) -> None:
    """A file, or one of one's own images; the one before it goes."""
    path = "/v1/models/checkpoint/tiny/preview"
    assert own.call("GET", path).status == own.call("DELETE", path).status == 404
    assert own.call("PUT", path, PICTURE).json["preview"] == path
    shown = own.call("GET", path)
    assert (shown.headers["content-type"], shown.body) == ("image/png", PICTURE)
    asked = {"prompt": "a", "width": 64, "height": 64, "steps": 2, "output": {"format": "webp"}}
    job = own.call("POST", "/v1/jobs?wait=20", asked).json
    headers = {"Content_Type": "application/json"}
    assert own.call("PUT", path, {"image": f"{job['id']}-0"}, **headers).status == 200
    assert own.call("GET", path).headers["content-type"] == "image/webp"
    folder = place / "models" / "Stable-diffusion"
    assert sorted(file.name for file in folder.glob("tiny*")) == ["tiny.safetensors", "tiny.webp"]
    assert own.call("PUT", path, {"image": f"{job['id']}-1"}, **headers).status == 404
    for wrong in (b"", b"<html></html>", PICTURE[:-20]):
        assert own.call("PUT", path, wrong).json["field"] == "body"
    assert own.call("PUT", "/v1/models/lora/nothing/preview", PICTURE).status == 404
    assert own.call("DELETE", path).json == {"deleted": True}
    assert own.call("GET", path).status == 404
    assert not list((place / "models" / ".incoming").glob("*preview*"))


def test_a_stranger_changes_nothing(service: Service) -> None:
    """Each of these asks for a login."""
    stranger = Service(service.process, service.host, service.port)
    for method, path in (
        ("POST", "/v1/models"), ("GET", "/v1/downloads"), ("DELETE", "/v1/models/tiny"), ("GET", "/v1/bin"),
        ("PUT", "/v1/models/checkpoint/tiny/preview"), ("PUT", "/v1/settings"), ("POST", "/v1/images/read"),
    ):  # fmt: skip
        assert stranger.call(method, path, {}).status == 401, path
    assert stranger.call("GET", "/v1/bin", Authorization=f"Bearer {TOKEN}").status == 200
