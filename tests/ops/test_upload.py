"""A model from this machine: looked at first, sent once, and gone on with after every kind of break."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from garret.client import Unreachable
from garret.client.models import TRIES, Models
from garret.client.steps import Ask, Reply
from garret.errors import Cancelled, NotReady, OperationError, UsageError
from garret.ops.upload import check, look_at, upload
from garret.service_runtime.errors import OutOfStep
from garret.service_runtime.uploads import Announced, Uploads
from tests.ops.fake import Listener
from tests.service_runtime.api.scripted import Script, said
from tests.service_runtime.living import SDXL_TENSORS, safetensors_bytes

WISH = {"type": "checkpoint", "name": "mine", "kind": "model", "directory": "", "force": False}


@dataclass
class Door:
    """A node's uploads without the network between; `faults` are raised, one for each chunk, after its first bytes."""

    uploads: Uploads
    faults: Iterator[Exception | None] = field(default_factory=lambda: iter(()))
    known: dict[str, Any] | None = None
    deaf: bool = False
    bytes_in: int = 0

    def answer(self, ask: Ask) -> Reply | BaseException:
        """Announce, take a chunk or finish."""
        body = ask.body or b""
        if ask.method == "PUT":
            return self._chunk(ask.path, body)
        if ask.path.endswith("/finish"):
            return said(self.uploads.finish(ask.path.split("/")[-2]))
        announced = json.loads(body)
        if self.known:
            return said({"received": announced["size"], "model": self.known})
        return said(self.uploads.begin(Announced.parse(announced)))

    def _chunk(self, path: str, body: bytes) -> Reply | BaseException:
        """Take a chunk, of which a part arrives before a fault."""
        if self.deaf:
            return Unreachable("nothing came within 120 s")
        identifier, _, offset = path.removeprefix("/v1/uploads/").partition("?offset=")
        fault = next(self.faults, None)
        arriving = body[: len(body) // 3] if fault else body
        try:
            with self.uploads.chunk(identifier, int(offset)) as write:
                write(arriving)
        except OutOfStep as error:
            return said(error.to_dict(), 409)
        self.bytes_in += len(arriving)
        return fault or said(self.uploads.state(identifier))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A file of three chunks that is a model by its header."""
    path = tmp_path / "mine.safetensors"
    whole = safetensors_bytes(SDXL_TENSORS | {"big": (9_000_000,)})
    path.write_bytes(whole[:-17_000_000] + random.Random(1).randbytes(17_000_000))
    return path


def door_in(tmp_path: Path, faults: Sequence[Exception | None] = ()) -> Door:
    """A node whose models lie in a folder."""

    def place(part: Path, wish: Announced) -> dict[str, Any]:
        part.rename(tmp_path / "node" / f"{wish.name}.safetensors")
        return {"name": wish.name, "sha256": wish.sha256}

    (tmp_path / "node").mkdir()
    return Door(Uploads(tmp_path / "node", place), iter(faults))


def bring(door: Door, path: Path, pause: Callable[[], None] = lambda: None) -> tuple[dict[str, Any], Listener]:
    """Upload a file, not waiting for anything."""
    listener = Listener()
    script = Script(door.answer)
    facts = upload(Models(script, script.manners), look_at(path, listener), WISH, listener, pause=pause)
    return facts, listener


def test_a_file_arrives_byte_for_byte(tmp_path: Path, model: Path) -> None:
    """In several chunks, with its hash checked at the end."""
    facts, _ = bring(door_in(tmp_path), model)
    assert (tmp_path / "node/mine.safetensors").read_bytes() == model.read_bytes()
    assert facts == {
        "name": "mine", "sha256": hashlib.sha256(model.read_bytes()).hexdigest(), "already_there": False,
        "bytes_sent": model.stat().st_size,
    }  # fmt: skip


def test_broken_connections_cost_little(tmp_path: Path, model: Path) -> None:
    """What arrived of a chunk is not sent again."""
    faults = [Unreachable("broke"), None, Unreachable("broke"), Unreachable("broke")]
    door = door_in(tmp_path, faults)
    bring(door, model)
    assert door.bytes_in == model.stat().st_size
    assert (tmp_path / "node/mine.safetensors").read_bytes() == model.read_bytes()


def test_the_next_command_goes_on_where_the_last_one_ended(tmp_path: Path, model: Path) -> None:
    """A cancelled upload, or one whose machine was switched off, is found again by its hash."""
    door = door_in(tmp_path)
    calls = iter([None, Cancelled("it was cancelled")])

    def pause() -> None:
        if error := next(calls, None):
            raise error

    with pytest.raises(Cancelled):
        bring(door, model, pause)
    _, listener = bring(door, model)
    assert door.bytes_in == model.stat().st_size
    assert any("goes on at byte" in str(line) for line in listener.lines)


def test_what_the_node_has_is_not_sent(tmp_path: Path, model: Path) -> None:
    """By its hash, under whatever name."""
    door = door_in(tmp_path)
    door.known = {"name": "mine", "sha256": "…"}
    facts, _ = bring(door, model)
    assert (facts["already_there"], facts["bytes_sent"], door.bytes_in) == (True, 0, 0)


def test_a_node_that_takes_nothing_is_given_up(tmp_path: Path, model: Path) -> None:
    """After a few tries, with what it said last."""
    door = door_in(tmp_path)
    door.deaf = True
    with pytest.raises(NotReady, match=f"{TRIES} tries.*nothing came"):
        bring(door, model)


def test_a_file_that_changes_meanwhile_is_not_mixed(tmp_path: Path, model: Path) -> None:
    """Nothing of it gets a name."""

    def change() -> None:
        model.write_bytes(model.read_bytes() + b"x")

    with pytest.raises(OperationError, match="changed"):
        bring(door_in(tmp_path), model, change)
    assert not (tmp_path / "node/mine.safetensors").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "empty"), (b"<!doctype html><html></html>", "HTML|not"), (b"PK\x03\x04" + b"x" * 40, "zip archive")],
)
def test_what_is_no_model_is_not_sent(tmp_path: Path, content: bytes, words: str) -> None:
    """Refused here, before gigabytes go up for nothing."""
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=words):
        check(path, WISH)
    with pytest.raises(UsageError, match="not a file"):
        check(tmp_path / "none", WISH)


def test_another_type_or_family_is_not_sent(tmp_path: Path, model: Path) -> None:
    """Told by its tensors, as the node would tell it; with force it goes."""
    with pytest.raises(UsageError, match="tensors"):
        check(model, WISH | {"type": "lora"})
    check(model, WISH | {"type": "lora", "force": True})
    picture = tmp_path / "x.png"
    picture.write_bytes(b"\x89PNG")
    check(picture, WISH | {"kind": "preview"})
