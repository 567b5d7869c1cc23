"""Downloads over several connections, and over one where the server wants no more."""

from __future__ import annotations

import hashlib
import io
import os
import random
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from garret.service_runtime.downloads import download
from garret.service_runtime.fetching import Policy
from garret.service_runtime.safetensors_header import Header
from garret.service_runtime.segments import Pace
from garret.service_runtime.transfer import DownloadCancelled, DownloadError, Surroundings, Wanted, bytes_begun
from tests.service_runtime import hostile
from tests.service_runtime.hostile import Asked, Hostile, serving
from tests.service_runtime.living import safetensors_bytes, wait
from tests.service_runtime.test_downloads_under_fire import killed

SIZE = 4 << 20
CONTENT = safetensors_bytes({"a.weight": (1024, 2048)})[:-SIZE] + random.Random(1).randbytes(SIZE)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
PACE = Pace(connections=4, first=256 << 10, least=128 << 10, most=512 << 10, slow_s=0.2)
LOCAL = Surroundings(
    policy=Policy(allow_private=True, allow_plain_http=True, timeout_s=5), sleep=lambda _: None, pace=PACE
)


@pytest.fixture
def server() -> Iterator[Hostile]:
    """A server that is honest until told otherwise."""
    with serving(CONTENT) as running:
        yield running


def fetch(server: Hostile, folder: Path, around: Surroundings = LOCAL, **more: object) -> bytes:
    """Download; every byte comes once over the network."""
    wanted = Wanted(server.url, folder, "model", **more)  # type: ignore[arg-type]
    fetched = download(wanted, around)
    assert fetched.bytes_fetched == fetched.size
    return fetched.path.read_bytes()


class Counting:
    """How many answers are given at the same time; the first ones wait for each other."""

    def __init__(self, expected: int) -> None:
        self.barrier = threading.Barrier(expected, timeout=10)

    def __call__(self, asked: Asked) -> None:
        """Answer when as many as expected are here."""
        data = asked.truth()
        asked.bytes(data[:10])
        self.barrier.wait()
        asked.bytes(data[10:])


def test_four_connections_fetch_at_a_time(server: Hostile, tmp_path: Path) -> None:
    """None of the four goes on before all are there; then the connections are kept for the later parts."""
    server.faults = [Counting(4)] * 4
    assert fetch(server, tmp_path) == CONTENT
    assert server.requests > 8
    assert server.connections <= 4
    assert server.sent == len(CONTENT)


def test_a_write_that_the_disk_keeps_for_long_is_no_reason_to_hang(server: Hostile, tmp_path: Path) -> None:
    """Others have taken the rest over when it ends: its bytes are there twice, and are counted once."""
    waiting = [1.0]

    def pwrite(file: int, data: memoryview, at: int) -> int:
        if at > len(CONTENT) - PACE.least and waiting:
            time.sleep(waiting.pop())
        return os.pwrite(file, data, at)

    fetched = download(Wanted(server.url, tmp_path, "model"), replace(LOCAL, pwrite=pwrite))
    assert not waiting
    assert fetched.sha256 == DIGEST
    assert fetched.path.read_bytes() == CONTENT
    assert fetched.bytes_fetched <= 1.1 * len(CONTENT)


@pytest.mark.parametrize("code", [403, 429, 503])
def test_a_server_that_wants_one_connection_is_left_with_one(server: Hostile, tmp_path: Path, code: int) -> None:
    """Whoever comes beside the first is sent away; the first goes on, and nothing is fetched twice."""
    busy = threading.Lock()

    def one_at_a_time(asked: Asked) -> None:
        server.faults.insert(0, one_at_a_time)
        if busy.acquire(blocking=False):
            with_lock(asked)
        else:
            hostile.status(code)(asked)

    def with_lock(asked: Asked) -> None:
        try:
            asked.bytes(asked.truth())
        finally:
            busy.release()

    server.faults = [one_at_a_time]
    assert fetch(server, tmp_path, sha256=DIGEST) == CONTENT


@pytest.mark.parametrize("code", [200, 400, 403, 416, 501])
def test_a_server_that_refuses_ranges_gives_the_file_in_one_piece(server: Hostile, tmp_path: Path, code: int) -> None:
    """Some hubs answer 403 to every range."""

    def no_ranges(asked: Asked) -> None:
        server.faults.insert(0, no_ranges)
        if "Range" in asked.headers and code != 200:
            hostile.status(code)(asked)
        else:
            hostile.whole_file(asked)

    server.faults = [no_ranges]
    assert fetch(server, tmp_path) == CONTENT
    assert server.requests == (1 if code == 200 else 2)


def test_a_connection_that_falls_silent_is_not_waited_for(server: Hostile, tmp_path: Path) -> None:
    """Another one takes its rest over, long before the first one's timeout."""
    server.faults = [hostile.stall(50_000)]
    around = replace(LOCAL, policy=replace(LOCAL.policy, timeout_s=60.0))
    assert fetch(server, tmp_path, around) == CONTENT


@pytest.mark.parametrize("at", [0, 1, 300_000, 1_000_000, SIZE - 1])
def test_a_kill_costs_hardly_a_byte(server: Hostile, tmp_path: Path, at: int) -> None:
    """kill -9 in the middle of a write: at most 1.02 of the bytes are fetched, over both processes."""
    assert killed(Wanted(server.url, tmp_path, "model"), at)
    begun = bytes_begun(tmp_path / "model.safetensors")
    fetched = download(Wanted(server.url, tmp_path, "model", DIGEST), LOCAL)
    assert fetched.path.read_bytes() == CONTENT
    assert fetched.bytes_fetched == len(CONTENT) - begun
    assert at + fetched.bytes_fetched <= 1.02 * len(CONTENT)


def test_an_address_that_ran_out_is_made_anew(server: Hostile, tmp_path: Path) -> None:
    """Hubs lead to presigned addresses that are good for minutes; the one that leads there is good for ever."""
    good = iter(range(1000))
    ticket = [next(good)]

    def hub(asked: Asked) -> None:
        server.faults.insert(0, hub)
        number = asked.path.partition("?ticket=")[2]
        if not number:
            asked.head(302, 0, Location=f"/files/model.safetensors?ticket={ticket[0]}")
        elif int(number) != ticket[0]:
            hostile.status(403)(asked)
        else:
            if server.requests % 5 == 0:
                ticket[0] = next(good)
            asked.bytes(asked.truth())

    server.faults = [hub]
    assert fetch(server, tmp_path, sha256=DIGEST) == CONTENT


def test_the_header_is_approved_before_the_rest_comes(server: Hostile, tmp_path: Path) -> None:
    """A refused model is not fetched to its end, and nothing of it is kept."""
    server.faults = [hostile.stall(200_000)] * 8

    def refuse(header: Header) -> None:
        assert header.shape("a.weight") == (1024, 2048)
        raise DownloadError("it is of another family", "Try --force")

    with pytest.raises(DownloadError, match="another family") as caught:
        fetch(server, tmp_path, approve=refuse)
    assert caught.value.hint == "Try --force"
    assert list(tmp_path.iterdir()) == []
    assert server.sent < len(CONTENT)


@pytest.mark.parametrize("connections", [1, 4])
@pytest.mark.parametrize("after", [0, 100_000])
def test_a_cancel_ends_also_those_who_wait(server: Hostile, tmp_path: Path, connections: int, after: int) -> None:
    """One connection waits for bytes, the others for something to do; nothing is left of either, nor of the file."""
    server.content = safetensors_bytes({"a.weight": (256, 400)})
    server.faults = [hostile.stall(after)] * 8
    threads = threading.active_count()

    def cancel(done: int, total: int | None) -> None:
        if server.requests and done >= after:
            raise DownloadCancelled

    around = replace(LOCAL, progress=cancel, pace=replace(PACE, connections=connections, slow_s=60.0))
    with pytest.raises(DownloadCancelled):
        fetch(server, tmp_path, around)
    assert list(tmp_path.iterdir()) == []
    server.over.set()
    wait(lambda: threading.active_count() <= threads, 10, "the threads to end")


def test_a_folder_that_vanishes_ends_it(server: Hostile, tmp_path: Path) -> None:
    """Somebody deleted the models while one was fetched."""
    folder = tmp_path / "Lora"

    def vanish(done: int, total: int | None) -> None:
        shutil.rmtree(folder, ignore_errors=True)

    with pytest.raises(DownloadError, match="No such file"):
        fetch(server, folder, replace(LOCAL, progress=vanish))
    assert not folder.exists()


def test_a_header_that_promises_another_size_ends_it_early(server: Hostile, tmp_path: Path) -> None:
    """Not after gigabytes."""
    server.content = CONTENT[:-1]
    server.faults = [hostile.stall(200_000)] * 8
    with pytest.raises(DownloadError, match="not whole"):
        fetch(server, tmp_path)
    assert list(tmp_path.iterdir()) == []


def picture(form: str) -> bytes:
    """A picture of some kilobytes."""
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 50).convert("RGB").save(buffer, form)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("form", "name", "expected"),
    [("PNG", "m", "m.png"), ("JPEG", "m.png", "m.jpg"), ("WEBP", "m.v1", "m.v1.webp"), ("PNG", "m.PNG", "m.png")],
)
def test_a_preview_is_named_after_what_it_is(
    server: Hostile, tmp_path: Path, form: str, name: str, expected: str
) -> None:
    """And is not fetched again when it is there."""
    server.content = picture(form)
    for fetched in (len(server.content), 0):
        preview = download(Wanted(server.url, tmp_path, name, form="preview"), LOCAL)
        assert preview.path == tmp_path / expected
        assert preview.bytes_fetched == fetched
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".source.json")] == [expected]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (CONTENT, "no PNG, JPEG or WebP"),
        (b"<html>" + b"." * 99, "HTML"),
        (picture("PNG")[:-20], "not whole"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 20_000_000, "more than such a file may have"),
    ],
    ids=["model", "page", "half", "large"],
)
def test_a_preview_that_is_no_picture_is_refused(server: Hostile, tmp_path: Path, content: bytes, reason: str) -> None:
    """And leaves nothing."""
    server.content = content
    with pytest.raises(DownloadError, match=reason):
        download(Wanted(server.url, tmp_path, "m", form="preview"), LOCAL)
    assert list(tmp_path.iterdir()) == []
