"""The models and their previews over HTTP, as they are on the disk at that moment; and tokens for operations."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from garret.service_runtime.handed import MOST_WAITING, drop_old, take
from garret.service_runtime.png import encode_png
from tests.service_runtime.living import Service, fake_settings, safetensors_bytes, serving, wait

ID = "0123456789abcdef" * 2


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a service of one's own."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def own(place: Path) -> Iterator[Service]:
    """A service whose models a test may change."""
    with serving(fake_settings(place)) as running:
        yield running


def listed(service: Service, kind: str) -> list[dict[str, Any]]:
    """Return the records of a type's models."""
    answer = service.call("GET", f"/v1/models?type={kind}").json
    assert answer["object"] == "list"
    return list(answer["data"])


def names(service: Service, kind: str) -> list[str]:
    """Return the names of a type's models."""
    return [one["name"] for one in listed(service, kind)]


def test_a_model_and_its_preview_are_seen_without_a_restart(own: Service, place: Path) -> None:
    """Put there, replaced, taken away: the next request says so."""
    folder = place / "models" / "Lora" / "styles"
    folder.mkdir(parents=True)
    assert names(own, "all") == ["tiny"]
    (folder / "ink.safetensors").write_bytes(safetensors_bytes({"lora_te2_x.lora_down.weight": (4,)}))
    [ink] = listed(own, "lora")
    assert (ink["name"], ink["family"], ink["preview"], ink["problem"]) == ("ink", "lora-sdxl", None, None)
    assert own.call("GET", "/v1/models/lora/ink/preview").status == 404
    picture = encode_png(b"\0" * 12, 2, 2, {})
    (folder / "ink.preview.png").write_bytes(picture)
    [ink] = listed(own, "lora")
    shown = own.call("GET", ink["preview"])
    assert (shown.status, shown.headers["content-type"], shown.body) == (200, "image/png", picture)
    (folder / "ink.safetensors").unlink()
    assert listed(own, "lora") == []


@pytest.mark.parametrize(
    "path", ["/v1/models/lora/../x/preview", "/v1/models/lora/%2e%2e%2fx/preview", "/v1/models/x/preview"]
)
def test_a_preview_is_only_that_of_a_model(own: Service, path: str) -> None:
    """No path of the disk is read for a name."""
    assert own.call("GET", path).status == 404


def test_an_unknown_type_is_named(own: Service) -> None:
    """With those there are."""
    refused = own.call("GET", "/v1/models?type=pickle")
    assert refused.status == 422
    assert "checkpoint, lora, vae, upscaler, other" in str(refused.json)


@pytest.mark.compatible("Native", "HTTP", "models listed and shown, of one type or of all")
def test_models_are_listed_as_openais_clients_read_them(own: Service, place: Path) -> None:
    """The checkpoints, unless another type is asked for; one by its name, by its file, or by its place."""
    twins = [place / "models" / "Lora" / folder / "twin.safetensors" for folder in ("a", "b")]
    for number, path in enumerate(twins):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(safetensors_bytes({f"lora_te2_{number}.lora_down.weight": (4,)}))
    [tiny] = own.call("GET", "/v1/models").json["data"]
    assert (tiny["id"], tiny["object"], tiny["type"], tiny["is_default"]) == ("tiny", "model", "checkpoint", True)
    assert tiny["created"] > 1_600_000_000
    assert own.call("GET", "/v1/models/tiny").json == tiny
    assert own.call("GET", "/v1/models/checkpoint/tiny.safetensors").json == tiny
    assert own.call("GET", f"/v1/models/checkpoint/{tiny['path']}").json == tiny
    assert names(own, "all") == ["tiny", "twin", "twin"]
    several = own.call("GET", "/v1/models/lora/twin")
    assert several.status == 422
    assert "Lora/a/twin.safetensors, Lora/b/twin.safetensors" in str(several.json)
    assert own.call("GET", "/v1/models/lora/b/twin.safetensors").json["path"] == "Lora/b/twin.safetensors"
    for path in ("nothing", "lora/nothing", "pickle/tiny", "lora/../Stable-diffusion/tiny.safetensors"):
        assert own.call("GET", f"/v1/models/{path}").status == 404, path
    for path in twins:
        path.unlink()


def test_a_hash_is_there_after_a_refresh(own: Service) -> None:
    """It takes a moment, which nobody has to wait for."""
    assert own.call("POST", "/v1/models/refresh").json == {"models": 1}
    wait(lambda: own.call("GET", "/v1/models/tiny").json["sha256"], 10, "the hash")


def test_tokens_are_taken_once(own: Service, place: Path) -> None:
    """Kept for the service's user alone, and gone when the operation has them."""
    path = f"/v1/executions/{ID}/secrets"
    assert own.call("PUT", path, {"tokens": {"HUB": "planted"}}).json == {"taken": 1}
    [file] = (place / "state" / "handed").glob("*.json")
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert take(place / "state", ID) == {"HUB": "planted"}
    assert take(place / "state", ID) is None
    assert list(file.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("identifier", "body"),
    [
        ("..%2f..%2fetc", {"tokens": {"A": "b"}}),
        ("short", {"tokens": {"A": "b"}}),
        (ID, {"tokens": {}}),
        (ID, {"tokens": {"A": 1}}),
        (ID, {"tokens": {"A": "x" * 5000}}),
        (ID, {"tokens": {str(number): "x" for number in range(17)}}),
        (ID, {}),
    ],
)
def test_what_is_no_token_for_an_operation_is_refused(
    own: Service, place: Path, identifier: str, body: dict[str, object]
) -> None:
    """And nothing is kept of it."""
    assert own.call("PUT", f"/v1/executions/{identifier}/secrets", body).status in (404, 422)
    assert not list((place / "state").glob("handed/*"))


def test_a_stranger_leaves_nothing(service: Service) -> None:
    """Both ask for a login."""
    for method, path in (("GET", "/v1/models"), ("PUT", f"/v1/executions/{ID}/secrets")):
        assert service.call(method, path, {"tokens": {"A": "b"}}, Authorization="Bearer wrong").status == 401


def test_tokens_that_nobody_came_for_go(own: Service, place: Path) -> None:
    """By age, and there are never many."""
    for number in range(MOST_WAITING):
        assert own.call("PUT", f"/v1/executions/{number:032x}/secrets", {"tokens": {"A": "b"}}).status == 200
    assert own.call("PUT", f"/v1/executions/{ID}/secrets", {"tokens": {"A": "b"}}).status == 422
    drop_old(place / "state", older_than_s=-1)
    assert not list((place / "state" / "handed").iterdir())
    (place / "state" / "handed" / f"{ID}.json").write_text(json.dumps([1]), "utf-8")
    assert take(place / "state", ID) is None


def test_a_page_of_cards_costs_little(own: Service, place: Path) -> None:
    """A small form of each preview under an address of its own version; a new preview has another one."""
    folder = place / "models" / "Lora"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "card.safetensors").write_bytes(safetensors_bytes({"lora_te2_x.lora_down.weight": (4,)}))
    file = io.BytesIO()
    PIL.Image.new("RGB", (900, 600), "red").save(file, "PNG")
    (folder / "card.png").write_bytes(file.getvalue())
    address = own.call("GET", "/v1/models/lora/card").json["thumbnail"]
    small = own.call("GET", address)
    assert (small.status, small.headers["content-type"]) == (200, "image/webp")
    assert PIL.Image.open(io.BytesIO(small.body)).size == (384, 256)
    assert small.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert own.call("GET", address, If_None_Match=small.headers["etag"]).status == 304
    unversioned = own.call("GET", address.partition("?")[0])
    assert (unversioned.body, unversioned.headers["cache-control"]) == (small.body, "private, no-cache")
    whole = own.call("GET", "/v1/models/lora/card/preview")
    assert whole.headers["cache-control"] == "private, no-cache"
    assert own.call("GET", "/v1/models/lora/card/preview", If_None_Match=whole.headers["etag"]).status == 304
    (folder / "card.png").write_bytes(b"no picture")
    broken = own.call("GET", "/v1/models/lora/card").json["thumbnail"]
    assert broken != address
    assert own.call("GET", broken).status == 410
    (folder / "card.png").unlink()
    assert own.call("GET", "/v1/models/lora/card").json["thumbnail"] is None
    assert own.call("GET", address).status == 404
    assert len(list((place / "state" / "cards").iterdir())) == 1
    (folder / "card.safetensors").unlink()
