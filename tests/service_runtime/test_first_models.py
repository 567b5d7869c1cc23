"""The first models against loopback hubs: the nearest first, the next when one fails, nothing wrong ever in place."""

from __future__ import annotations

import hashlib
import json
import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from garret.service_runtime.fetching import Policy
from garret.service_runtime.first_models import FirstModels, FirstModelsError, Order
from garret.service_runtime.known_models import SDXL_BASE, SDXL_REFINER, SDXL_VAE, Home, ModelFile
from garret.service_runtime.metadata import Metadata
from garret.service_runtime.model_sources import Endpoints
from garret.service_runtime.transfer import Surroundings
from tests.service_runtime.living import safetensors_bytes
from tests.service_runtime.shelf import Request, Shelf, answer, cut, serving_shelf, whole


def content(seed: int) -> bytes:
    """Some 200 KB that are like no other."""
    whole = safetensors_bytes({"a.weight": (200, 500)})
    return whole[:-200_000] + random.Random(seed).randbytes(200_000)


BASE, VAE = content(1), content(2)


def small(file: ModelFile, data: bytes) -> ModelFile:
    """A known model's file with other bytes."""
    digest = hashlib.sha256(data).hexdigest()
    return ModelFile(file.role, file.type, file.name, len(data), digest, "", file.huggingface, file.modelscope)


FILES = (small(SDXL_BASE, BASE), small(SDXL_VAE, VAE))


@dataclass
class Hubs:
    """Two hubs and a bucket, each of which holds one file at a time, and what the run told."""

    modelscope: Shelf
    huggingface: Shelf
    oss: Shelf
    folder: Path
    files: tuple[ModelFile, ...] = FILES[:1]
    told: list[dict[str, Any]] = field(default_factory=list)
    metadata: str = "http://127.0.0.1:9/latest"
    free: int = 1 << 40

    def fetch(self, *sources: str, model: str = "sdxl", sha256: str = "") -> list[dict[str, Any]]:
        """Have the files from these sources."""
        order = Order(
            model, "cn-hangzhou", str(self.folder / "models"), str(self.folder / "state"), str(self.folder / "configs"),
            sha256, list(sources), allow_private=True,
        )  # fmt: skip
        shelves = {"modelscope": self.modelscope, "huggingface": self.huggingface, "oss": self.oss}
        doors = Endpoints(**{name: f"http://127.0.0.1:{shelf.port}" for name, shelf in shelves.items()})
        around = Surroundings(
            Policy(timeout_s=3), free_bytes=lambda _: self.free, sleep=lambda _: None
        )  # fmt: skip
        work = FirstModels(order, self.told.append, doors, Metadata(self.metadata), around)
        if model == "sdxl":
            work.files = lambda *_: self.files
        return work.run()

    def notes(self) -> list[str]:
        """What was said beside progress."""
        return [one["note"] for one in self.told if "note" in one]

    def path(self, name: str = SDXL_BASE.name, kind: str = "Stable-diffusion") -> Path:
        """Where a file ends up."""
        return self.folder / "models" / kind / name


@pytest.fixture
def hubs(tmp_path: Path) -> Iterator[Hubs]:
    """All sources, good ones."""
    (tmp_path / "models").mkdir()
    with ExitStack() as stack:
        yield Hubs(*(stack.enter_context(serving_shelf(BASE)) for _ in range(3)), tmp_path)


def test_a_model_comes_from_the_first_source(hubs: Hubs) -> None:
    """Whole, under its own name, with its hash remembered; the next run asks nobody."""
    found = hubs.fetch("modelscope", "huggingface")
    assert found[0] == {
        "name": "sd_xl_base_1.0", "type": "checkpoint", "sha256": FILES[0].sha256, "size": len(BASE),
        "from": "ModelScope", "bytes": len(BASE),
    }  # fmt: skip
    assert hubs.path().read_bytes() == BASE
    asked = hubs.modelscope.asked[0]
    assert asked["path"] == (
        "/api/v1/models/AI-ModelScope/stable-diffusion-xl-base-1.0/repo"
        "?Revision=master&FilePath=sd_xl_base_1.0.safetensors"
    )
    size = len(BASE)
    assert hubs.told[-1] == {"file": SDXL_BASE.name, "done": size, "total": size, "from": "ModelScope", "after": 0}
    assert hubs.fetch("modelscope", "huggingface")[0]["from"] == "already there"
    assert len(hubs.modelscope.asked) == 1
    assert hubs.huggingface.asked == []


def test_a_source_without_the_file_is_passed_over_and_told(hubs: Hubs) -> None:
    """404 here, and the file there."""
    hubs.modelscope.replies = [answer(404)]
    assert hubs.fetch("modelscope", "huggingface")[0]["from"] == "Hugging Face"
    assert hubs.notes() == [f"{SDXL_BASE.name} not from ModelScope: there is no such file on the server (status 404)"]
    assert hubs.huggingface.asked[0]["path"].startswith("/stabilityai/stable-diffusion-xl-base-1.0/resolve/4621")


def test_a_wrong_hash_is_deleted_and_the_next_source_taken(hubs: Hubs) -> None:
    """What one hub serves under the name is not what the table says."""
    hubs.modelscope.content = content(7)
    assert hubs.fetch("modelscope", "huggingface")[0]["from"] == "Hugging Face"
    assert "was wanted; it was deleted" in hubs.notes()[0]
    assert hubs.path().read_bytes() == BASE


# More than anybody asks before giving up.
DEAD = [answer(503)] * 20


def any_range(request: Request) -> None:
    """A server that gives ranges without being asked for a version."""
    del request.headers["If-Range"]
    whole(request)


def test_what_one_source_began_another_finishes(hubs: Hubs) -> None:
    """Bytes of one hash are the same from everywhere: gigabytes are not fetched twice because a hub goes away."""
    hubs.modelscope.replies = [cut(150_000), *DEAD]
    hubs.huggingface.replies = [any_range]
    found = hubs.fetch("modelscope", "huggingface")[0]
    assert found["from"] == "Hugging Face"
    assert found["bytes"] < len(BASE)
    asked = hubs.huggingface.asked[0]
    assert asked["range"].startswith("bytes=150000-")
    assert "if-range" not in asked  # the other hub's version is nothing to this one


def test_halves_that_do_not_fit_are_fetched_anew(hubs: Hubs) -> None:
    """The first half was of another file: the source at hand gives the whole one."""
    hubs.modelscope.content = content(7)
    hubs.modelscope.replies = [cut(150_000), *DEAD]
    hubs.huggingface.replies = [any_range]
    assert hubs.fetch("modelscope", "huggingface")[0]["from"] == "Hugging Face"
    assert [asked["range"].partition("-")[0] for asked in hubs.huggingface.asked] == ["bytes=150000", "bytes=0"]
    assert hubs.path().read_bytes() == BASE


def test_sources_that_only_broke_off_are_asked_once_more(hubs: Hubs) -> None:
    """A hub that is away for a minute does not cost the deployment."""
    hubs.modelscope.replies = [answer(503) for _ in range(5)]
    hubs.huggingface.replies = [answer(404)]
    assert hubs.fetch("modelscope", "huggingface")[0]["from"] == "ModelScope"
    assert len(hubs.huggingface.asked) == 1


def test_a_file_that_nobody_has_is_told_with_every_source_and_reason(hubs: Hubs) -> None:
    """And nothing is left behind but what was whole before."""
    hubs.modelscope.replies = [answer(404)]
    hubs.huggingface.replies = [answer(403), answer(403)]
    with pytest.raises(FirstModelsError) as caught:
        hubs.fetch("modelscope", "huggingface")
    text = str(caught.value)
    assert text.startswith(f"{SDXL_BASE.name} could not be fetched. ModelScope: there is no such file")
    assert "Hugging Face: the server refuses access (status 403)" in text
    assert "no key of yours goes to a node through the cloud" in text
    assert not hubs.path().exists()


def test_a_page_instead_of_a_model_is_refused(hubs: Hubs) -> None:
    """A hub's error page, an unpickled checkpoint: by their first bytes."""
    hubs.modelscope.replies = [answer(200, b"<html>maintenance</html>", content_type="text/html")]
    hubs.huggingface.replies = [answer(200, b"PK\x03\x04" + b"0" * 100)]
    with pytest.raises(FirstModelsError, match=r"web page.*zip archive"):
        hubs.fetch("modelscope", "huggingface")


def test_all_files_must_fit_before_the_first_is_fetched(hubs: Hubs) -> None:
    """With the numbers, and what would help."""
    hubs.free = 1000
    with pytest.raises(FirstModelsError, match=r"need 0\.2 MB and 0\.3 GB to spare.* has 0\.0 MB free.*disk-size"):
        hubs.fetch("modelscope")
    assert hubs.modelscope.asked == []


def test_a_baked_model_is_told_by_its_hash(hubs: Hubs) -> None:
    """Whoever put it there; another file under the name is not touched."""
    hubs.path().parent.mkdir()
    hubs.path().write_bytes(BASE)
    assert hubs.fetch("modelscope")[0]["from"] == "already there"
    assert hubs.notes() == [f"{SDXL_BASE.name} is there; checking its SHA-256"]
    assert hubs.fetch("modelscope")[0]["from"] == "already there"
    assert len(hubs.notes()) == 1  # the hash is remembered
    hubs.path().write_bytes(VAE)
    with pytest.raises(FirstModelsError, match=r"another file is called sd_xl_base_1\.0\.safetensors already"):
        hubs.fetch("modelscope")
    assert hubs.path().read_bytes() == VAE
    assert hubs.modelscope.asked == []


def test_a_model_under_another_name_gets_this_one_as_well(hubs: Hubs) -> None:
    """Nothing is fetched, nothing stored twice."""
    hubs.fetch("modelscope")
    hubs.path().rename(hubs.path("mine.safetensors"))
    hubs.fetch("modelscope")
    assert hubs.path().stat().st_nlink in (1, 2)
    assert hubs.path().read_bytes() == BASE


def test_each_type_has_its_folder(hubs: Hubs) -> None:
    """A VAE does not lie among checkpoints, and has the hub's name only at the hub."""
    hubs.files = FILES[1:]
    hubs.huggingface.content = VAE
    assert hubs.fetch("huggingface")[0]["type"] == "vae"
    assert hubs.path("sdxl-vae-fp16-fix.safetensors", "VAE").read_bytes() == VAE
    assert hubs.huggingface.asked[0]["path"].endswith("/sdxl.vae.safetensors")


def test_what_comes_after_a_file_is_told_with_it(hubs: Hubs) -> None:
    """So that the whole can be estimated while the first is on its way."""
    hubs.files = FILES
    hubs.modelscope.replies = [answer(200, BASE), answer(200, VAE)]
    assert [one["from"] for one in hubs.fetch("modelscope")] == ["ModelScope"] * 2
    assert [(one["file"], one["after"]) for one in hubs.told if one["done"] == one["total"]] == [
        (SDXL_BASE.name, len(VAE)),
        (SDXL_VAE.name, 0),
    ]


def test_a_checkpoint_of_one_s_own_needs_no_hash(hubs: Hubs) -> None:
    """It is computed and reported; the next run takes the file for what it is by the note of where it came from."""
    found = hubs.fetch(model="hf:me/mine/mine.safetensors")[0]
    assert (found["name"], found["sha256"]) == ("mine", FILES[0].sha256)
    assert hubs.fetch(model="hf:me/mine/mine.safetensors")[0]["from"] == "already there"
    assert len(hubs.huggingface.asked) == 1
    with pytest.raises(FirstModelsError, match=r"another file is called mine\.safetensors already"):
        hubs.fetch(model="hf:somebody/else/mine.safetensors")


def test_a_hash_that_was_said_is_held_to(hubs: Hubs) -> None:
    """A checkpoint of one's own is no exception."""
    with pytest.raises(FirstModelsError, match="was wanted; it was deleted"):
        hubs.fetch(model="hf:me/mine/mine.safetensors", sha256="AB" * 32)


@contextmanager
def role(name: str) -> Iterator[str]:
    """Instance metadata of a node with a role; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.reply("token")

        def do_GET(self) -> None:
            keys = {"AccessKeyId": "STS.id", "AccessKeySecret": "secret", "SecurityToken": "temporary"}
            self.reply(json.dumps(keys) if self.path.endswith(name) else name)

        def reply(self, text: str) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/latest"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_private_bucket_is_read_by_the_node_s_role(hubs: Hubs) -> None:
    """Each request is signed anew, also the one that goes on; nothing of the keys is told."""
    hubs.oss.replies = [cut(150_000)]
    with role("garret-node") as hubs.metadata:
        assert hubs.fetch("oss://my-models/sd")[0]["from"] == "oss://my-models"
    first, second = hubs.oss.asked
    assert first["path"] == "/my-models/sd/sd_xl_base_1.0.safetensors"
    assert first["authorization"].startswith("OSS4-HMAC-SHA256 Credential=STS.id/")
    assert first["x-oss-security-token"] == second["x-oss-security-token"] == "temporary"
    assert second["range"].startswith("bytes=150")
    assert "secret" not in json.dumps(hubs.told)
    assert "temporary" not in json.dumps(hubs.told)


def test_a_public_bucket_needs_no_role(hubs: Hubs) -> None:
    """A node without one asks as anybody would."""
    hubs.fetch("oss://my-models/sd")
    assert "authorization" not in hubs.oss.asked[0]


def test_a_node_on_the_internet_asks_no_private_address(hubs: Hubs) -> None:
    """Only a node of the local cloud may: loopback hubs are refused elsewhere, before a byte is asked for."""
    order = Order(
        "sdxl", "cn-hangzhou", str(hubs.folder / "models"), str(hubs.folder / "state"), "", "", ["modelscope"]
    )
    doors = Endpoints(modelscope=f"https://127.0.0.1:{hubs.modelscope.port}")
    work = FirstModels(order, hubs.told.append, doors, around=Surroundings(sleep=lambda _: None))
    work.files = lambda *_: FILES[:1]
    with pytest.raises(FirstModelsError, match="not a public address"):
        work.run()
    assert hubs.modelscope.asked == []


def test_an_order_that_is_not_understood_is_refused() -> None:
    """A runner of another version."""
    with pytest.raises(FirstModelsError, match="knows no colour"):
        Order.from_json('{"model": "sdxl", "colour": "red"}')
    assert SDXL_REFINER.huggingface != Home("", "", "")
