"""Random sequences of everything that goes wrong: never a wrong byte under the final name, and few bytes twice."""

from __future__ import annotations

import errno
import hashlib
import json
import multiprocessing
import os
import random
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from garret.service_runtime.downloads import download
from garret.service_runtime.fetching import Policy
from garret.service_runtime.segments import Pace
from garret.service_runtime.transfer import DownloadError, Surroundings, Wanted
from tests.service_runtime import hostile
from tests.service_runtime.hostile import Hostile, serving
from tests.service_runtime.living import safetensors_bytes

SIZE = 1 << 20
PACE = Pace(connections=4, first=128 << 10, least=64 << 10, most=256 << 10, slow_s=0.1)
AROUND = Surroundings(
    policy=Policy(allow_private=True, allow_plain_http=True, timeout_s=2.0), sleep=lambda _: None, pace=PACE
)
FORK = multiprocessing.get_context("forkserver")


def content(seed: int) -> bytes:
    """A model of about 1 MiB that differs everywhere from the others."""
    return safetensors_bytes({"a.weight": (512, 1024)})[:-SIZE] + random.Random(seed).randbytes(SIZE)


def sha256(data: bytes) -> str:
    """The SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


class DyingDisk:
    """Writes up to a byte of all that is written, and then does what it was made for."""

    def __init__(self, last: int, full: bool) -> None:
        self.left, self.full = last, full

    def __call__(self, file: int, data: memoryview, at: int) -> int:
        """Write."""
        count = min(len(data), self.left)
        self.left -= count
        if count < len(data):
            if self.full:
                raise OSError(errno.ENOSPC, "No space left on device")
            os.pwrite(file, data[:count], at)
            os.kill(os.getpid(), signal.SIGKILL)
        return os.pwrite(file, data, at)


def die_fetching(wanted: Wanted, last: int) -> None:
    """Download in a process of its own, which is killed when so many bytes are written."""
    with suppress(DownloadError):
        download(wanted, replace(SURROUNDINGS_OF_CHILD, pwrite=DyingDisk(last, full=False)))


def _no_sleep(_seconds: float) -> None:
    pass


SURROUNDINGS_OF_CHILD = replace(AROUND, sleep=_no_sleep)


@pytest.fixture(scope="module", autouse=True)
def forks() -> Iterator[None]:
    """Processes to be killed, begun from a clean one that has everything loaded."""
    FORK.set_forkserver_preload(["tests.service_runtime.test_downloads_under_fire"])
    yield
    from multiprocessing import forkserver

    forkserver._forkserver._stop()  # type: ignore[attr-defined]


def killed(wanted: Wanted, last: int) -> bool:
    """Download until that many bytes are written; say whether it came to the kill."""
    process = FORK.Process(target=die_fetching, args=(wanted, last))
    process.start()
    process.join(60)
    return process.exitcode == -signal.SIGKILL


SINGLE_FAULTS: dict[str, hostile.Fault] = {
    "whole file": hostile.whole_file,
    "another place": hostile.another_place,
    "another size": hostile.another_size,
    "too long": hostile.too_long,
    "garbage": hostile.garbage,
    "400": hostile.status(400),
    "401": hostile.status(401),
    "403": hostile.status(403),
    "404": hostile.status(404),
    "416": hostile.status(416, Content_Range="bytes */5"),
    "429": hostile.status(429, Retry_After="1"),
    "500": hostile.status(500),
    "503": hostile.status(503),
    "login page": hostile.page(b"<!doctype html><title>Log in</title>", "text/html"),
    "html in disguise": hostile.page(b"<html>" + b" " * 200, "application/octet-stream"),
    "json": hostile.page(b'{"error": "no"}', "application/json"),
    "redirect loop": hostile.status(302, Location="/files/model.safetensors"),
    "redirect to the metadata": hostile.status(302, Location="ftp://100.100.100.200/latest/meta-data"),
}


class UnderFire(RuleBasedStateMachine):
    """One folder, one server, and a person who tries again and again."""

    @initialize()
    def begin(self) -> None:
        """A server with one version of the file, and a finished file that nobody may touch."""
        self.stack = ExitStack()
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.versions = [content(0)]
        self.server: Hostile = self.stack.enter_context(serving(self.versions[0]))
        self.finished = self.folder / "finished.safetensors"
        self.finished.write_bytes(b"finished")
        self.boot = "boot 0"
        self.number, self.said = 0, ""
        self.fetched = 0
        self.whole_replies = self.lies = 0

    @property
    def target(self) -> Path:
        """Where the file goes next."""
        return self.folder / f"model-{self.number}.safetensors"

    def wanted(self, **more: Any) -> Wanted:
        """The file."""
        return Wanted(self.server.url, self.folder, self.target.stem, **more)

    @rule(faults=some.lists(some.sampled_from(sorted(SINGLE_FAULTS)), max_size=4))
    def will_fail(self, faults: list[str]) -> None:
        """The next requests go wrong."""
        self.server.faults += [SINGLE_FAULTS[name] for name in faults]
        self.whole_replies += sum(name in ("whole file", "400", "403", "416") for name in faults)
        self.lies += faults.count("another size")

    @rule(after=some.lists(some.integers(0, SIZE), min_size=1, max_size=4), silent=some.booleans())
    def will_break(self, after: list[int], silent: bool) -> None:
        """The next connections end after so many bytes, or one falls silent."""
        self.server.faults += [hostile.cut(count) for count in after[silent:]]
        self.server.faults += [hostile.stall(after[0])] if silent else []

    @rule()
    def new_version(self) -> None:
        """Somebody uploads another file under the same address."""
        self.versions.append(content(len(self.versions)))
        self.server.content, self.server.etag = self.versions[-1], f'"{len(self.versions)}"'
        self.fetched = 0

    @rule(with_hash=some.booleans())
    def fetch(self, with_hash: bool) -> None:
        """Try once."""
        digest = sha256(self.server.content) if with_hash else ""
        self.attempt(self.wanted(sha256=digest), AROUND)

    @rule(last=some.integers(0, SIZE - 1))
    def fetch_and_fill_the_disk(self, last: int) -> None:
        """Nothing is left of it."""
        if not self.attempt(self.wanted(), replace(AROUND, pwrite=DyingDisk(last, full=True))):
            self.fetched = 0

    @rule(last=some.integers(0, SIZE - 1), power=some.booleans())
    def fetch_and_die(self, last: int, power: bool) -> None:
        """kill -9, or the power: then what was not flushed is gone."""
        if not killed(self.wanted(), last):
            self.fetched = 0
            self.number += self.target.exists()
            return
        self.fetched += last
        if power:
            self.cut_power()
            self.fetched = 0

    def cut_power(self) -> None:
        """Lose what the disk does not have, and begin another boot."""
        map_, note = (self.target.with_name(f".{self.target.name}.part{end}") for end in (".map", ".json"))
        part = self.target.with_name(f".{self.target.name}.part")
        if note.exists() and part.exists():
            flushed = json.loads(note.read_text())["flushed"]
            data = part.read_bytes()
            kept = bytearray(len(data))
            for begin, end in flushed:
                kept[begin:end] = data[begin:end]
            part.write_bytes(kept)
        if map_.exists():
            map_.write_bytes(b"garret part 1\0\0\0" + b"another boot".ljust(48, b"\0") + map_.read_bytes()[64:])

    @rule(last=some.integers(0, SIZE - 1))
    def other_addresses(self, last: int) -> None:
        """The name leads to a private address from now on, also in the middle."""
        asked = iter([True, False])
        policy = replace(AROUND.policy, allow_private=False, public=lambda _: next(asked, False))
        self.server.faults.insert(0, hostile.cut(last))
        self.attempt(self.wanted(), replace(AROUND, policy=policy))

    def attempt(self, wanted: Wanted, around: Surroundings) -> bool:
        """Download, and look at how it ended."""
        part = self.target.with_name(f".{self.target.name}.part")
        try:
            fetched = download(wanted, around)
        except DownloadError as error:
            failed = error
        else:
            failed = None
        if failed is not None:
            self.said = f"{failed.message} {failed.hint}"
            assert failed.message
            assert not self.target.exists()
            self.fetched = self.fetched + failed.bytes_fetched if part.exists() else 0
            return False
        assert fetched.path == self.target
        assert fetched.sha256 == sha256(self.target.read_bytes())
        assert self.target.read_bytes() in self.versions
        assert not part.exists()
        self.fetched += fetched.bytes_fetched
        # A server that does not give a part twice in a row is asked for the whole; what came of a file that was said to
        # have another size is of no use (8 MiB of gigabytes, an eighth of this one).
        excused = self.whole_replies // 2 * fetched.size + self.lies * PACE.first
        assert self.fetched <= 1.10 * fetched.size + excused
        self.number += 1
        self.fetched = self.whole_replies = self.lies = 0
        return True

    @invariant()
    def nothing_wrong_is_in_place(self) -> None:
        """Whole models only, the finished file as it was, and nothing outside."""
        for path in self.folder.iterdir():
            if path == self.finished:
                assert path.read_bytes() == b"finished"
            elif not path.name.startswith("."):
                assert path.read_bytes() in self.versions
            else:
                assert path.name.endswith((".part", ".part.json", ".part.map", ".source.json", ".map.new", ".lock"))

    def teardown(self) -> None:
        """After all that, an honest server's file comes whole."""
        if not hasattr(self, "stack"):
            return
        with self.stack:
            self.server.faults.clear()
            # Whatever else this machine has to do, an honest server is given time.
            patient = replace(AROUND, policy=replace(AROUND.policy, timeout_s=60.0))
            assert self.attempt(self.wanted(sha256=sha256(self.server.content)), patient), self.said
            self.nothing_wrong_is_in_place()


UnderFire.TestCase.settings = settings(max_examples=25, stateful_step_count=8, deadline=None)
TestUnderFire = UnderFire.TestCase
