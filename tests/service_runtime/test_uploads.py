"""Files in chunks: kept over every kind of break, and never taken for whole before they are."""

from __future__ import annotations

import hashlib
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from garret.service_runtime import uploads as module
from garret.service_runtime.errors import BadRequest, Busy, InsufficientStorage, NotFound, OutOfStep
from garret.service_runtime.model_files import INCOMING
from garret.service_runtime.uploads import Announced, Uploads
from tests.service_runtime.living import SDXL_TENSORS, Service, fake_settings, safetensors_bytes, serving

DATA = random.Random(5).randbytes(3_000_000)


def announced(data: bytes = DATA, **changes: Any) -> Announced:
    """What a caller says of these bytes."""
    values = {"type": "lora", "name": "ink", "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return Announced.parse({**values, **changes})


def taking(folder: Path, free: Callable[[Path], int] = lambda _folder: 1 << 40) -> Uploads:
    """Uploads whose place is one file, and which believe in a large disk."""

    def place(part: Path, wish: Announced) -> dict[str, Any]:
        part.rename(folder / f"{wish.name}.safetensors")
        return {"name": wish.name, "sha256": wish.sha256}

    return Uploads(folder, place, free)


def send(uploads: Uploads, identifier: str, data: bytes, offset: int) -> None:
    """Append these bytes."""
    with uploads.chunk(identifier, offset) as write:
        write(data)


def test_a_file_in_chunks_becomes_the_same_file(tmp_path: Path) -> None:
    """Byte for byte, and nothing else stays behind."""
    uploads, wish = taking(tmp_path), announced()
    assert uploads.begin(wish)["received"] == 0
    for offset in range(0, len(DATA), 1_000_000):
        send(uploads, wish.id, DATA[offset : offset + 1_000_000], offset)
    assert uploads.finish(wish.id)["sha256"] == wish.sha256
    assert (tmp_path / "ink.safetensors").read_bytes() == DATA
    assert list((tmp_path / INCOMING).iterdir()) == []


def test_after_a_restart_it_goes_on_where_it_was(tmp_path: Path) -> None:
    """What arrived counts, also of a chunk that broke off, and the hash is made of all of it."""
    wish = announced()
    first = taking(tmp_path)
    first.begin(wish)
    with suppress(ConnectionError), first.chunk(wish.id, 0) as write:
        write(DATA[:123_456])
        raise ConnectionError
    second = taking(tmp_path)
    assert second.begin(wish)["received"] == 123_456
    send(second, wish.id, DATA[123_456:], 123_456)
    second.finish(wish.id)
    assert (tmp_path / "ink.safetensors").read_bytes() == DATA


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 200), st.sampled_from(["send", "restart", "finish"]))))
def test_no_order_of_chunks_makes_a_wrong_file(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int, str]]
) -> None:
    """Chunks twice, too early, too late, restarts and early finishes: refused, or right."""
    folder, data = tmp_path_factory.mktemp("uploads"), DATA[:400]
    uploads, wish = taking(folder), announced(data)
    uploads.begin(wish)
    for offset, count, step in steps:
        if step == "restart":
            uploads = taking(folder)
            uploads.begin(wish)
        elif step == "send":
            try:
                send(uploads, wish.id, data[offset : offset + count], offset)
            except OutOfStep:
                continue
        elif uploads.state(wish.id)["received"] < len(data):
            with pytest.raises(OutOfStep):
                uploads.finish(wish.id)
    received = uploads.state(wish.id)["received"]
    if received < len(data):
        send(uploads, wish.id, data[received:], received)
    uploads.finish(wish.id)
    assert (folder / "ink.safetensors").read_bytes() == data


def test_other_bytes_than_announced_are_thrown_away(tmp_path: Path) -> None:
    """The hash decides; nothing of it stays."""
    uploads, wish = taking(tmp_path), announced(b"a" * 10)
    uploads.begin(wish)
    send(uploads, wish.id, b"b" * 10, 0)
    with pytest.raises(BadRequest, match="deleted"):
        uploads.finish(wish.id)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_more_than_announced_or_than_a_chunk_is_refused(tmp_path: Path) -> None:
    """And what was right of it stays."""
    uploads, wish = taking(tmp_path), announced(b"a" * 10)
    uploads.begin(wish)
    with pytest.raises(BadRequest, match="longer"):
        send(uploads, wish.id, b"a" * 11, 0)
    large = announced(bytes(module.CHUNK_BYTES + 1))
    uploads.begin(large)
    with pytest.raises(BadRequest, match="longer"):
        send(uploads, large.id, bytes(module.CHUNK_BYTES + 1), 0)
    assert uploads.state(wish.id)["received"] == uploads.state(large.id)["received"] == 0


def test_two_at_once_do_not_mix(tmp_path: Path) -> None:
    """The second one is told to wait."""
    uploads, wish = taking(tmp_path), announced()
    uploads.begin(wish)
    with uploads.chunk(wish.id, 0), pytest.raises(OutOfStep, match="somebody"), uploads.chunk(wish.id, 0):
        pass
    with uploads.chunk(wish.id, 0), pytest.raises(OutOfStep):
        uploads.drop(wish.id)


def test_a_disk_that_is_too_small_says_so_before_the_first_byte(tmp_path: Path) -> None:
    """Room that was promised to another upload does not count as free."""
    uploads = taking(tmp_path, lambda _folder: module.RESERVE_BYTES + 3_500_000)
    uploads.begin(announced())
    with pytest.raises(InsufficientStorage, match="MiB free"):
        uploads.begin(announced(DATA[:1_000_000]))


def test_only_so_many_are_open_at_once(tmp_path: Path) -> None:
    """The next one is told when to come again; one that was thrown away makes room."""
    uploads = taking(tmp_path)
    for number in range(module.MAXIMUM_OPEN):
        uploads.begin(announced(name=f"n{number}"))
    with pytest.raises(Busy):
        uploads.begin(announced())
    uploads.drop(announced(name="n0").id)
    uploads.begin(announced())


def test_one_that_was_killed_as_it_got_its_name_keeps_no_other_away(tmp_path: Path) -> None:
    """Its file is in its place, its note is still there: the next one is taken, and it can be announced again."""
    uploads, wish = taking(tmp_path), announced()
    uploads.begin(wish)
    send(uploads, wish.id, DATA, 0)
    (tmp_path / INCOMING / f"{wish.id}.part").rename(tmp_path / "ink.safetensors")
    assert taking(tmp_path).begin(announced(name="other"))["received"] == 0
    assert taking(tmp_path).state(wish.id)["received"] == 0
    with pytest.raises(OutOfStep):
        taking(tmp_path).finish(wish.id)
    assert taking(tmp_path).begin(wish)["received"] == 0


def test_what_could_not_be_placed_for_want_of_room_is_placed_later(tmp_path: Path) -> None:
    """Nothing is sent twice because the disk was full for its name."""
    wish, full = announced(), [OSError(28, "No space left on device")]

    def place(part: Path, _wish: Announced) -> dict[str, Any]:
        if full:
            raise full.pop()
        part.unlink()
        return {"name": "ink"}

    uploads = Uploads(tmp_path, place, lambda _folder: 1 << 40)
    uploads.begin(wish)
    send(uploads, wish.id, DATA, 0)
    with pytest.raises(OSError, match="No space"):
        uploads.finish(wish.id)
    assert uploads.finish(wish.id) == {"name": "ink"}


def test_what_the_killed_left_does_not_take_room_for_ever(tmp_path: Path) -> None:
    """A copy that was on its way to its name, without a note."""
    folder = tmp_path / INCOMING
    folder.mkdir()
    for name, age_s in (("a" * 32, module.ABANDONED_S + 60), ("b" * 32, 60)):
        (folder / f"{name}.part").write_bytes(b"x")
        os.utime(folder / f"{name}.part", (time.time() - age_s,) * 2)
    taking(tmp_path).begin(announced())
    assert sorted(path.stem for path in folder.glob("*.part")) == sorted(["b" * 32, announced().id])


def test_an_upload_that_nobody_announced_is_not_there(tmp_path: Path) -> None:
    """Neither by a made-up id nor by one that is a path."""
    uploads = taking(tmp_path)
    for identifier in ("0" * 32, "../../etc/passwd", ""):
        with pytest.raises(NotFound):
            uploads.state(identifier)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("size", 0), ("size", -1), ("size", True), ("size", "5"), ("size", 1 << 41), ("sha256", "abc"),
        ("sha256", None), ("name", 3), ("force", "yes"), ("kind", 1), ("path", "/etc/passwd"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(field: str, value: object) -> None:
    """Before anything is written."""
    with pytest.raises(BadRequest) as caught:
        announced(**{field: value})
    assert caught.value.field == field


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of our own, since models come into its folders."""
    with serving(fake_settings(tmp_path_factory.mktemp("service"))) as service:
        yield service


def ask(service: Service, data: bytes, **changes: Any) -> Any:
    """Announce a file to a service."""
    sha256 = hashlib.sha256(data).hexdigest()
    wish = {"type": "checkpoint", "name": "sent", "size": len(data), "sha256": sha256, **changes}
    return service.call("POST", "/v1/uploads", wish)


def bring(service: Service, data: bytes, **changes: Any) -> Any:
    """Announce, send and finish."""
    state = ask(service, data, **changes).json
    for offset in range(0, len(data), 100_000):
        path = f"/v1/uploads/{state['id']}?offset={offset}"
        assert service.call("PUT", path, data[offset : offset + 100_000]).status == 200
    return service.call("POST", f"/v1/uploads/{state['id']}/finish", {})


def test_a_service_lists_what_was_sent_without_a_restart(running: Service) -> None:
    """And pictures are made with it by its name."""
    data = safetensors_bytes(SDXL_TENSORS | {"more": (100_000,)}, b"\x01")
    done = bring(running, data)
    assert (done.status, done.json["family"], done.json["directory"]) == (200, "sdxl", "Stable-diffusion")
    assert Path(done.json["path"]).read_bytes() == data
    titles = [model["model_name"] for model in running.call("GET", "/sdapi/v1/sd-models").json]
    assert "sent" in titles
    again = ask(running, data, name="also").json
    assert (again["received"], again["model"]["name"]) == (len(data), "also")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"type": "pickle"}, "type"), ({"name": "../x"}, "name"), ({"directory": "x"}, "directory"),
        ({"type": "other", "directory": "../.."}, "directory"), ({"kind": "film"}, "kind"),
        ({"kind": "preview", "name": "nobody"}, "name"),
    ],
)  # fmt: skip
def test_a_place_that_cannot_be_is_refused_before_the_first_byte(
    running: Service, changes: dict[str, Any], field: str
) -> None:
    """By the name of the field."""
    refused = ask(running, b"x" * 100, **changes)
    assert (refused.status, refused.json["field"]) == (422, field)


def test_a_name_that_is_taken_is_refused_before_the_first_byte(running: Service) -> None:
    """The checkpoint that every service of these tests has."""
    refused = ask(running, b"x" * 100, name="tiny")
    assert (refused.status, refused.json["error"]) == (422, "ModelError")
    assert "tiny.safetensors" in refused.json["detail"]


def test_another_family_is_refused_at_the_end_and_nothing_stays(running: Service) -> None:
    """An SD 1.5 checkpoint, told by its tensors; with force it is taken."""
    data = safetensors_bytes({
        "model.diffusion_model.input_blocks.0.0.weight": (8, 4, 3, 3),
        "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight": (16, 768),
    })  # fmt: skip
    refused = bring(running, data, name="old")
    assert (refused.status, refused.json["error"]) == (422, "ModelError")
    assert "Stable Diffusion 1.x" in refused.json["detail"]
    assert bring(running, data, name="old", force=True).status == 200


def test_chunks_out_of_step_are_409_and_say_where_to_go_on(running: Service) -> None:
    """And an offset that is no number is named."""
    state = ask(running, b"y" * 300, name="step").json
    path = f"/v1/uploads/{state['id']}"
    wrong = running.call("PUT", f"{path}?offset=5", b"y")
    assert (wrong.status, wrong.json["error"]) == (409, "OutOfStep")
    assert running.call("PUT", f"{path}?offset=x", b"y").status == 422
    assert running.call("GET", path).json["received"] == 0
    assert running.call("DELETE", path).json == {"dropped": True}
    assert running.call("GET", path).status == 404
