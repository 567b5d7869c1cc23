"""The node's command line as a person or the Cloud Assistant calls it: in a process of its own, below a root."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from garret.service_runtime.executions import Execution, ExecutionStore, UnknownExecution
from garret.service_runtime.handed import hand_over
from garret.service_runtime.settings import ServiceSettings, write_env_file
from tests.service_runtime.living import SDXL_TENSORS, checkpoint, fake_settings, safetensors_bytes, serving, wait
from tests.service_runtime.shelf import Request, Shelf, answer, serving_shelf

CONTENT = safetensors_bytes(SDXL_TENSORS, b"new")
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Node:
    """A node's disk below a folder."""

    root: Path
    settings: ServiceSettings

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run garret-node."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GARRET_")}
        return subprocess.run(
            [sys.executable, "-m", "garret.service_runtime.node", *arguments],
            env={**kept, "GARRET_PREFIX": str(self.root)},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def json(self, *arguments: str, code: int = 0) -> Any:
        """Run garret-node and return what it said."""
        done = self.run(*arguments)
        assert done.returncode == code, done.stdout + done.stderr
        assert done.stderr == ""
        return json.loads(done.stdout)

    def request(self, verb: str = "download-model", **parameters: Any) -> str:
        """Write a request and return its id."""
        identifier = secrets.token_hex(16)
        folder = self.root / "var/lib/garret/requests"
        folder.mkdir(parents=True, exist_ok=True)
        body = {"verb": verb, "parameters": parameters, "requested_by": "tests"}
        (folder / f"{identifier}.json").write_text(json.dumps(body), encoding="utf-8")
        return identifier

    def start(self, verb: str = "download-model", **parameters: Any) -> str:
        """Start an operation and return its id."""
        identifier = self.request(verb, **parameters)
        assert self.json("operation", "start", identifier)["id"] == identifier
        return identifier

    def end(self, identifier: str) -> Any:
        """Wait for an execution's end and return it."""
        store = ExecutionStore(self.settings.state_dir / "executions")
        wait(lambda: store.get(identifier).ended_at, 20, "the execution to end")
        return self.json("operation", "show", identifier)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """A node whose bootstrap has written the service's settings."""
    settings = fake_settings(tmp_path, allow_private_download=True)
    (tmp_path / "etc/garret").mkdir(parents=True)
    (tmp_path / "etc/garret/service.env").write_text(write_env_file(settings.to_env()), encoding="utf-8")
    return Node(tmp_path, settings)


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    """A server with a model."""
    with serving_shelf(CONTENT) as running:
        yield running


def test_a_request_with_a_token_is_read_once(node: Node, shelf: Shelf) -> None:
    """The source hears it, and no file keeps it: neither the request, nor the record, nor its log."""
    identifier = node.start(type="checkpoint", url=shelf.url, name="mine", token_env="HUB", tokens={"HUB": "PLANTED"})
    assert node.end(identifier)["status"] == "Success"
    assert shelf.asked[0]["authorization"] == "Bearer PLANTED"
    kept = [path for path in node.root.rglob("*") if path.is_file() and b"PLANTED" in path.read_bytes()]
    assert kept == []


def test_a_token_that_was_handed_over_is_taken_once(node: Node, shelf: Shelf) -> None:
    """It came through the service's own door; the request says only that it did."""
    identifier = node.request(type="checkpoint", url=shelf.url, name="mine", token_env="HUB", handed=True)
    hand_over(node.settings.state_dir, identifier, {"HUB": "PLANTED"})
    node.json("operation", "start", identifier)
    assert node.end(identifier)["status"] == "Success"
    assert shelf.asked[0]["authorization"] == "Bearer PLANTED"
    assert not any(b"PLANTED" in path.read_bytes() for path in node.root.rglob("*") if path.is_file())
    nobody = node.end(node.start(type="checkpoint", url=shelf.url, name="x", token_env="HUB", handed=True))
    assert "did not come with the request" in nobody["error"]["message"]


def test_a_quick_operation_ends_with_its_first_answer_however_long(node: Node) -> None:
    """Cloud Assistant hands back 24 KB: a longer list is packed, and unpacked by who asked."""
    listed = node.json("operation", "start", node.request("list-models"))
    assert (listed["status"], [one["name"] for one in listed["output"]["models"]]) == ("Success", ["tiny"])
    for number in range(100):
        checkpoint(node.settings.models_dir, f"a model with a long name and the number {number}")
    done = node.run("operation", "start", node.request("list-models"))
    assert len(done.stdout) < 8_000
    unpacked = json.loads(zlib.decompress(base64.b64decode(json.loads(done.stdout)["packed"])))
    assert len(unpacked["output"]["models"]) == 101


def test_a_model_comes_in_as_an_execution(node: Node, shelf: Shelf) -> None:
    """The record has who, what, how long, how much, and the result."""
    identifier = node.start(type="checkpoint", url=shelf.url + "?token=secret", name="mine", sha256=DIGEST)
    record = node.end(identifier)
    assert (record["status"], record["verb"], record["requested_by"]) == ("Success", "download-model", "tests")
    assert record["progress"] == {"done": len(CONTENT), "total": len(CONTENT)}
    assert [(task["name"], task["status"]) for task in record["tasks"]] == [
        ("check", "Success"),
        ("look up", "Success"),
        ("download", "Success"),
        ("register", "Success"),
    ]
    target = node.settings.models_dir / "Stable-diffusion" / "mine.safetensors"
    assert record["output"] == {
        "name": "mine",
        "path": str(target),
        "type": "checkpoint",
        "kind": "model",
        "directory": "Stable-diffusion",
        "family": "sdxl",
        "size": len(CONTENT),
        "sha256": DIGEST,
        "bytes_fetched": len(CONTENT),
        "source": shelf.url,
        "already_there": False,
    }
    assert target.read_bytes() == CONTENT
    kept = [path.read_text() for path in (node.settings.state_dir / "executions").glob("*") if path.is_file()]
    assert kept
    assert not any("secret" in text for text in kept)


def test_a_model_that_is_there_is_not_fetched_again(node: Node, shelf: Shelf) -> None:
    """Found by its hash under another name, it gets the wanted name as well, and is stored once; names stay safe."""
    node.end(node.start(type="checkpoint", url=shelf.url, name="mine", sha256=DIGEST))
    asked = len(shelf.asked)
    record = node.end(node.start(type="checkpoint", url=shelf.url, name="yours", sha256=DIGEST))
    assert (record["status"], record["output"]["name"], record["output"]["already_there"]) == ("Success", "yours", True)
    assert len(shelf.asked) == asked
    folder = node.settings.models_dir / "Stable-diffusion"
    assert (folder / "yours.safetensors").samefile(folder / "mine.safetensors")
    again = node.end(node.start(type="checkpoint", url=shelf.url, name="yours", sha256=DIGEST))
    assert again["status"] == "Success", again["error"]
    (folder / "other.safetensors").write_bytes(safetensors_bytes({"a.weight": (2, 2)}))
    refused = node.end(node.start(type="checkpoint", url=shelf.url, name="other", sha256=DIGEST))
    assert "another file is called other.safetensors" in refused["error"]["message"]
    outside = node.end(node.start(type="checkpoint", url=shelf.url, name="../outside", sha256=DIGEST))
    assert outside["status"] == "Failed"


@pytest.mark.parametrize(
    ("kind", "folder"), [("lora", "Lora"), ("vae", "VAE"), ("other", "other"), ("checkpoint", "Stable-diffusion")]
)
def test_each_type_has_its_folder(node: Node, shelf: Shelf, kind: str, folder: str) -> None:
    """As the habit on such machines is."""
    record = node.end(node.start(type=kind, url=shelf.url, force=True))
    assert Path(record["output"]["path"]) == node.settings.models_dir / folder / "model.safetensors"


def test_other_goes_into_a_folder_of_its_name(node: Node, shelf: Shelf) -> None:
    """One below the models, nowhere else."""
    record = node.end(node.start(type="other", directory="ControlNet", url=shelf.url))
    assert Path(record["output"]["path"]) == node.settings.models_dir / "ControlNet" / "model.safetensors"


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"url": "https://host/x"}, "type"),
        ({"type": "pickle", "url": "https://host/x"}, "type"),
        ({"type": "lora"}, "url"),
        ({"type": "lora", "url": 7}, "url"),
        ({"type": "lora", "url": "https://host/x", "sha256": "abc"}, "sha256"),
        ({"type": "other", "url": "https://host/x", "directory": "../.."}, "directory"),
        ({"type": "lora", "url": "https://host/x", "directory": "x"}, "directory"),
        ({"type": "lora", "url": "https://host/x", "name": "../x"}, "file name"),
        ({"type": "lora", "url": "https://host/x", "path": "/etc"}, "path"),
        ({"type": "lora", "url": "file:///etc/passwd", "name": "x"}, "https://"),
    ],
)
def test_a_wrong_parameter_fails_the_execution_with_its_name(
    node: Node, parameters: dict[str, Any], named: str
) -> None:
    """Nothing is fetched, and the record says why."""
    record = node.end(node.start(**parameters))
    assert record["status"] == "Failed"
    assert named in record["error"]["message"]
    assert record["tasks"][-1]["status"] == "Failed"


def test_a_private_address_is_refused_unless_the_deployment_allows_it(node: Node, shelf: Shelf) -> None:
    """Refused at once, not retried."""
    settings = fake_settings(node.root, allow_private_download=False)
    (node.root / "etc/garret/service.env").write_text(write_env_file(settings.to_env()), encoding="utf-8")
    record = node.end(node.start(type="lora", url=shelf.url, sha256=DIGEST))
    assert "127.0.0.1, which is not a public address" in record["error"]["message"]
    assert "--allow-private-download" in record["error"]["hint"]
    assert shelf.asked == []


def trickle(request: Request) -> None:
    """Send a little, then a byte now and then."""
    request.send_response(200)
    request.send_header("Content-Length", str(len(CONTENT)))
    request.send_header("ETag", request.shelf.etag)
    request.end_headers()
    for byte in CONTENT:
        request.wfile.write(bytes([byte]))
        request.wfile.flush()
        time.sleep(0.05)


def test_an_execution_can_be_cancelled(node: Node, shelf: Shelf) -> None:
    """It ends soon, and leaves nothing."""
    shelf.replies = [trickle]
    identifier = node.start(type="lora", url=shelf.url, name="slow", force=True)
    store = ExecutionStore(node.settings.state_dir / "executions")
    wait(lambda: store.get(identifier).progress["done"], 10, "some progress")
    node.json("operation", "cancel", identifier)
    record = node.end(identifier)
    assert record["status"] == "Cancelled"
    assert list((node.settings.models_dir / "Lora").glob("*")) == []
    assert node.json("operation", "cancel", identifier)["status"] == "Cancelled"


def test_a_killed_execution_says_so_and_the_next_one_goes_on(node: Node, shelf: Shelf) -> None:
    """kill -9: the record does not say Running for ever, and no byte is fetched twice."""
    from tests.service_runtime.living import children

    shelf.replies = [trickle]
    identifier = node.start(type="lora", url=shelf.url, name="slow", force=True)
    store = ExecutionStore(node.settings.state_dir / "executions")
    wait(lambda: store.get(identifier).progress["done"], 10, "some progress")
    (pid,) = [
        int(folder.name)
        for folder in Path("/proc").glob("[0-9]*")
        if identifier in _command_line(folder) and int(folder.name) not in children(os.getpid())
    ]
    os.kill(pid, signal.SIGKILL)
    wait(lambda: store.get(identifier).status == "Failed", 10, "the record to notice")
    record = node.json("operation", "show", identifier)
    assert "has ended" in record["error"]["message"]
    part = node.settings.models_dir / "Lora" / ".slow.safetensors.part"
    have = part.stat().st_size
    assert have > 0
    again = node.end(node.start(type="lora", url=shelf.url, name="slow", sha256=DIGEST, force=True))
    assert again["output"]["bytes_fetched"] == len(CONTENT) - have


def _command_line(folder: Path) -> str:
    try:
        return (folder / "cmdline").read_text()
    except OSError:
        return ""


def test_two_downloads_of_one_file_do_not_meet(node: Node, shelf: Shelf) -> None:
    """The second is told about the first."""
    shelf.replies = [trickle]
    first = node.start(type="lora", url=shelf.url, name="slow", force=True)
    store = ExecutionStore(node.settings.state_dir / "executions")
    wait(lambda: store.get(first).progress["done"], 10, "some progress")
    second = node.end(node.start(type="lora", url=shelf.url, name="slow", force=True))
    assert "is being downloaded already" in second["error"]["message"]
    node.json("operation", "cancel", first)
    assert node.end(first)["status"] == "Cancelled"


def test_a_second_start_only_shows_the_first(node: Node, shelf: Shelf) -> None:
    """The caller may not have got the first answer."""
    identifier = node.start(type="checkpoint", url=shelf.url)
    node.end(identifier)
    assert node.json("operation", "start", identifier)["status"] == "Success"
    assert [record["id"] for record in node.json("operation", "list")] == [identifier]
    assert len([asked for asked in shelf.asked if "range" not in asked]) <= 2


def test_what_cannot_be_done_is_json_with_exit_code_one(node: Node) -> None:
    """For the machine that asked, and with a hint for its owner."""
    unknown, nowhere = node.request(verb="make-tea"), "0" * 32
    for arguments, words in (
        (("operation", "start", unknown), "make-tea"),
        (("operation", "start", nowhere), "no request"),
        (("operation", "start", "../../etc/passwd"), "not the id"),
        (("operation", "show", nowhere), "no execution"),
        (("operation", "cancel", nowhere), "no execution"),
    ):
        error = node.json(*arguments, code=1)["error"]
        assert words in error["message"]
    (node.root / "var/lib/garret/requests" / f"{nowhere}.json").write_text("[1]", encoding="utf-8")
    assert "not an object" in node.json("operation", "start", nowhere, code=1)["error"]["message"]
    (node.root / "etc/garret/service.env").unlink()
    assert "bootstrap" in node.json("models", code=1)["error"]["hint"]


def test_a_downloaded_model_makes_a_picture_while_the_service_runs(node: Node, shelf: Shelf) -> None:
    """No restart; the hash is known already."""
    with serving(node.settings) as service:
        assert service.txt2img(override_settings={"sd_model_checkpoint": "mine"}).status == 404
        node.end(node.start(type="checkpoint", url=shelf.url, name="mine"))
        answer_ = service.txt2img(override_settings={"sd_model_checkpoint": "mine"})
        assert answer_.status == 200
        assert json.loads(answer_.json["info"])["sd_model_hash"] == DIGEST[:10]
    listed = {model["name"]: model for model in node.json("models", "--json")}
    assert set(listed) == {"mine", "tiny"}
    assert listed["mine"]["sha256"] == DIGEST


def test_the_journal_is_printed_line_by_line(node: Node) -> None:
    """As it stands, without a line that a crash cut off."""
    assert node.run("bootstrap", "--json").stdout == "\n"
    line = {"at": "2026-01-01T00:00:00Z", "step": "ensure_user", "state": "done", "seconds": 1.2, "reason": ""}
    journal = node.root / "var/lib/garret/bootstrap.jsonl"
    journal.parent.mkdir(parents=True, exist_ok=True)
    journal.write_text(json.dumps(line) + '\n{"at": "2026', encoding="utf-8")
    assert [json.loads(text) for text in node.run("bootstrap", "--json").stdout.splitlines()] == [line]
    assert node.json("version", "--json")["python"].count(".") == 2


def test_a_record_that_ends_while_somebody_looks_is_not_called_dead(tmp_path: Path) -> None:
    """Read as Running, ended meanwhile, lock free: the second look decides."""
    identifier = "c" * 32

    class EndsMeanwhile(ExecutionStore):
        @contextmanager
        def held(self, identifier: str, patience_s: float = 0.0) -> Iterator[bool]:
            writer.save(Execution(identifier, "download-model", status="Success"))
            with super().held(identifier, patience_s) as free:
                yield free

    writer = ExecutionStore(tmp_path)
    writer.save(Execution(identifier, "download-model", status="Running"))
    assert EndsMeanwhile(tmp_path).get(identifier).status == "Success"
    writer.save(Execution(identifier, "download-model", status="Running"))
    with writer.held(identifier):
        assert writer.get(identifier).status == "Running"
    assert writer.get(identifier).status == "Failed"


def test_a_record_that_cannot_be_written_or_read_hides_nothing(tmp_path: Path) -> None:
    """On a full disk, which an operation may have died of, it has ended all the same: autostop and lists ask."""

    class Full(ExecutionStore):
        def save(self, execution: Execution) -> Execution:
            del execution
            raise OSError(28, "No space left on device")

    ExecutionStore(tmp_path).save(Execution("a" * 32, "download-model", status="Running"))
    (tmp_path / f"{'b' * 32}.json").write_bytes(b"")
    assert [(one.id, one.status) for one in Full(tmp_path).all()] == [("a" * 32, "Failed")]


def test_records_survive_their_writer(tmp_path: Path) -> None:
    """Written whole, found by id, newest first; an id is no path."""
    store = ExecutionStore(tmp_path)
    old = store.save(Execution("a" * 32, "download-model", status="Success", created_at="2026-01-01T00:00:00Z"))
    new = store.save(Execution("b" * 32, "download-model"))
    assert store.get(old.id) == old
    assert [execution.id for execution in store.all()] == [new.id, old.id]
    for identifier in ("", "a", "../" + "a" * 29, "A" * 32, "a" * 33):
        with pytest.raises(UnknownExecution):
            store.get(identifier)


def test_a_servers_error_is_tried_again_by_hand_only_after_the_tries(node: Node, shelf: Shelf) -> None:
    """Five tries with pauses happen inside one execution; a 404 ends it at once."""
    shelf.replies = [answer(404)]
    record = node.end(node.start(type="lora", url=shelf.url, name="x"))
    assert "no such file" in record["error"]["message"]
    assert len(shelf.asked) == 1
