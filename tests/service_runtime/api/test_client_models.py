"""Models and images by garret's client, and what a service tells of itself, in both forms against a live service."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from garret.client import BadRequest, DownloadFailed, Misused, NotFound, Unreachable
from garret.client.images import Images
from garret.client.models import Models
from garret.client.steps import Ask, Reply
from tests.service_runtime.api.forms import FORMS, client_of
from tests.service_runtime.api.scripted import Script, said
from tests.service_runtime.living import SDXL_TENSORS, Service, fake_settings, safetensors_bytes, serving
from tests.service_runtime.shelf import answer, serving_shelf

SMALL = {"width": 64, "height": 64, "steps": 2}
LORA = safetensors_bytes({"lora_te2_x.lora_down.weight": (4,)})
BOTH = "garret.client, Client and AsyncClient"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose models a test may change, and that may fetch from loopback."""
    with serving(fake_settings(tmp_path_factory.mktemp("own"), allow_private_download=True)) as running:
        yield running


@pytest.fixture(params=FORMS)
def client(request: pytest.FixtureRequest, own: Service) -> Iterator[Any]:
    """A client of that service, in one of its forms."""
    with client_of(str(request.param), f"http://{own.host}:{own.port}") as made:
        yield made


@pytest.mark.compatible("Native", BOTH, "models uploaded in chunks, listed, chosen, removed and restored")
def test_a_model_is_uploaded_chosen_removed_and_restored(client: Any, tmp_path: Path) -> None:
    """What the node has already is not sent again; what is removed lies in its bin."""
    path = tmp_path / "mine.safetensors"
    whole = safetensors_bytes(SDXL_TENSORS | {"big": (4_500_000,)})
    # Each form brings a file of its own: one that the node has is not sent.
    path.write_bytes(whole[:-32] + hashlib.sha256(str(tmp_path).encode()).digest())
    told: list[tuple[str, int, int]] = []
    model = client.models.upload(path, name="mine", told=lambda *said: told.append(said))
    assert (model.name, model.family, model.sha256) == ("mine", "sdxl", hashlib.sha256(path.read_bytes()).hexdigest())
    sent = [done for stage, done, _ in told if stage == "upload"]
    assert (sent[0], len(sent), sent[-1]) == (0, 3, path.stat().st_size)
    assert client.models.upload(path, name="mine").raw["already_there"] is True
    assert "mine" in [one.name for one in client.models.list()]
    client.models.choose("mine")
    assert client.models.get("mine").is_default
    client.models.choose("tiny")
    removed = client.models.remove("mine", "checkpoint")
    assert removed["id"] in [one["id"] for one in client.models.bin()]
    with pytest.raises(NotFound):
        client.models.get("mine")
    assert client.models.restore(removed["id"])["name"] == "mine"
    client.models.remove("mine", "checkpoint", for_good=True)
    client.models.refresh()
    assert [one.name for one in client.models.list("all")].count("mine") == 0


def test_an_upload_that_was_stopped_goes_on_where_it_was(client: Any, tmp_path: Path) -> None:
    """By whoever sends the same file: the node knows it by its hash."""
    path = tmp_path / "cut.safetensors"
    whole = safetensors_bytes(SDXL_TENSORS | {"big": (4_500_000,)})
    path.write_bytes(whole[:-32] + hashlib.sha256(str(tmp_path).encode()).digest())
    seen: list[int] = []

    def told(stage: str, done: int, _total: int) -> None:
        if stage == "upload":
            seen.append(done)
            if len(seen) == 2:
                raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        client.models.upload(path, name="cut", told=told)
    client.models.upload(path, name="cut", told=told)
    assert seen == [0, seen[1], seen[1], path.stat().st_size]
    client.models.remove("cut", "checkpoint", for_good=True)


@pytest.mark.compatible("Native", BOTH, "models downloaded by the node, with their progress")
def test_a_model_is_downloaded_by_the_node(client: Any) -> None:
    """It says how far it is; and why not, and what to do about it."""
    told: list[int] = []
    with serving_shelf(LORA) as shelf:
        done = client.models.download(shelf.url, type="lora", name="ink", told=lambda one: told.append(one.done))
        assert (done.state, done.total, told[-1]) == ("Success", len(LORA), len(LORA))
        assert "ink" in [one.name for one in client.models.list("lora")]
        assert done.id in [one.id for one in client.models.downloads()]
        subject = {"type": "lora", "kind": "model", "name": "ink", "source": shelf.url}
        assert next(one for one in client.models.downloads() if one.id == done.id).raw["subject"] == subject
        assert client.models.about("ink", "lora")["words"] == []
        shelf.replies += [answer(403) for _ in range(8)]
        with pytest.raises(DownloadFailed, match="refuses access") as failed:
            client.models.download(shelf.url, type="lora", name="secret")
    assert "token" in failed.value.hint
    client.models.remove("ink", "lora", for_good=True)


@pytest.mark.parametrize(("place", "field"), [("hf:nobody", "from"), ("https://127.0.0.1:1/", "name")])
def test_a_model_is_looked_for_where_its_place_says(client: Any, place: str, field: str) -> None:
    """On a hub or at an address; either is refused by its own field before anybody is asked."""
    with pytest.raises(BadRequest) as refused:
        client.models.begin_download(place, type="lora", name="" if field == "from" else "../a")
    assert refused.value.field == field


def test_what_cannot_be_uploaded_is_refused_before_it_travels(client: Any, tmp_path: Path) -> None:
    """A file that is not there or empty here, a name that is none by the node."""
    (tmp_path / "empty.safetensors").touch()
    for name in ("none", "empty"):
        with pytest.raises(Misused):
            client.models.upload(tmp_path / f"{name}.safetensors")
    (tmp_path / "a.safetensors").write_bytes(LORA)
    with pytest.raises(BadRequest, match="name"):
        client.models.upload(tmp_path / "a.safetensors", type="lora", name="../a")


@pytest.mark.compatible("Native", BOTH, "finished images: searched, fetched, small copies, links, infotext, removed")
def test_images_are_found_fetched_and_removed(client: Any) -> None:
    """Newest first, by the words they were made from."""
    made = client.generate("a zebra in a hat", seed=4, n_iter=3, **SMALL)
    found = client.images.list(q="zebra", limit=2)
    assert [(one.job_id, one.seed, one.width) for one in found] == [(made[0].job_id, one, 64) for one in (6, 5)]
    assert [one.seed for one in client.images.all(q="zebra")][:3] == [6, 5, 4]
    image = client.images.get(found[0].id)
    file = client.images.file(image)
    assert (file.data, file.seed, "zebra" in image.infotext) == (made[2].data, 6, True)
    assert client.images.file(image.id) == file
    assert client.images.thumbnail(image)[8:12] == b"WEBP"
    assert "signature=" in client.images.link(image)
    read = client.images.read(made[0].data)
    assert (read["width"], "zebra" in read["infotext"]) == (64, True)
    assert all(client.images.remove(one) for one in client.images.list(q="zebra"))
    assert client.images.remove(image) is False


def test_a_page_of_images_is_there_before_the_one_before_it_is_handed_out() -> None:
    """Whoever forgets the job of each image would else ask for what is older than one that nobody knows."""
    pages = {"limit=100": range(250, 150, -1), "limit=100&before=151": range(150, 50, -1), "limit=100&before=51": [50]}
    script = Script(lambda ask: said({"data": [{"id": str(one)} for one in pages[ask.path.partition("?")[2]]]}))
    images = Images(script, script.manners).all()
    assert next(images).id == "250"
    assert script.lines == [f"GET /v1/images?{page}" for page in list(pages)[:2]]
    assert [one.id for one in images] == [str(one) for one in range(249, 49, -1)]
    assert len(script.asked) == len(pages)


@pytest.mark.compatible("Native", BOTH, "samplers, sizes, settings, queue and health")
def test_a_service_tells_of_itself(client: Any) -> None:
    """What can be asked for, and how it is."""
    assert client.health()["ready"] is True
    assert client.queue()["length"] == 0
    assert client.settings()["checkpoint"] == client.change_settings(checkpoint="tiny")["checkpoint"] == "tiny"
    assert "Euler a" in [one["name"] for one in client.samplers()]
    assert len(client.schedules()) > 5
    assert (1024, 1024) in [(one["width"], one["height"]) for one in client.sizes()]
    assert isinstance(client.styles(), list)
    with pytest.raises(BadRequest):
        client.change_settings(nothing=1)


@pytest.mark.compatible("Native", BOTH, "the machine, a hold, log lines and token counts")
def test_a_node_tells_of_its_machine(client: Any) -> None:
    """What the page's Machine tab shows, and what it counts while somebody types."""
    machine = client.machine()
    assert {"gpu", "host", "uptime", "queue", "versions", "cost", "autostop"} <= machine.keys()
    assert 590 < client.hold(600)["hold"]["left_s"] <= 600
    assert client.hold(0)["hold"] is None
    lines = client.logs(lines=5)
    assert 0 < len(lines) <= 5
    assert client.logs(after=lines[-1]["number"]) == []
    said = client.tokens("a (red circle", "blue")
    assert [one["at"] for one in said["prompt"]["problems"]] == [2]
    assert said["negative_prompt"]["characters"] == 4
    assert "negative_prompt" not in client.tokens("a")


@pytest.mark.compatible("Native", BOTH, "a picture made larger, from a file or bytes")
def test_a_picture_is_made_larger(client: Any, tmp_path: Path) -> None:
    """It goes on to say how it was made."""
    (small,) = client.generate("a small hat", seed=4, **SMALL)
    upscaler = client.upscalers()[0]["name"]
    larger = client.upscale(small.save(tmp_path / "small.png"), upscaler, scale=1.5)
    assert larger.image().size == (96, 96)
    assert "a small hat" in larger.infotext
    assert client.upscale(small.data).image().size == (128, 128)


@pytest.mark.parametrize("arrived", [True, False])
def test_an_upload_whose_last_answer_is_lost_asks_whether_it_came(arrived: bool, tmp_path: Path) -> None:
    """The node knows; the file is not sent again for it."""
    path = tmp_path / "a.safetensors"
    path.write_bytes(LORA)
    finished: list[Ask] = []

    def node(ask: Ask) -> Reply | BaseException:
        if ask.path.endswith("/finish"):
            finished.append(ask)
            return Unreachable("the connection broke")
        if finished and arrived:
            return said({"received": len(LORA), "model": {"name": "a", "type": "lora"}})
        received = len(LORA) if ask.method == "PUT" or finished else 0
        return said({"id": "1", "received": received, "chunk_bytes": 1 << 20})

    script = Script(node)
    models: Models[Any] = Models(script, script.manners)
    if arrived:
        assert models.upload(path, type="lora").raw["already_there"] is False
    else:
        with pytest.raises(Unreachable):
            models.upload(path, type="lora")
    assert script.lines.count("PUT /v1/uploads/1?offset=0") == 1
