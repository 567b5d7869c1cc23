"""The runtime on its way to a node: all of it, side by side, and after a break only the rest."""

# ruff: noqa: ARG002 - the signatures are those of the Protocol

from __future__ import annotations

import hashlib
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from garret.errors import CloudError, NodeFailed
from garret.image_bootstrap.bundle import CHUNK_BYTES, Bundle, chunks
from garret.ops.deliver import AT_ONCE, INCOMING, LIST, deliver
from garret.ops.records import CommandResult

COUNT = 20


def bundle_of(pieces: int) -> Bundle:
    """A bundle that is cut into so many pieces, the last a short one."""
    data = bytes(number % 251 for number in range((pieces - 1) * CHUNK_BYTES + 100))
    return Bundle(data, hashlib.sha256(data).hexdigest(), len(data))


@dataclass
class FolderNode:
    """A node that is a folder: files lie in it, commands run in a shell with its prefix."""

    disk: Path
    fail_after: int = 10_000
    sent: list[str] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    error: Exception = field(default_factory=lambda: NodeFailed("the agent went away"))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def reachable(self, instance_id: str) -> bool:
        """Answer as long as it does not fail."""
        return bool(instance_id)

    def send_file(self, instance_id: str, path: str, content: bytes, *, mode: str = "0600") -> None:
        """Put a file, in a moment in which others may do so, too."""
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        time.sleep(0.01)
        with self._lock:
            self.at_once -= 1
            if len(self.sent) >= self.fail_after:
                raise self.error
            self.sent.append(path)
        target = self.disk / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def run(self, instance_id: str, command: str, *, timeout_s: int = 60) -> CommandResult:
        """Run a command in a shell."""
        done = subprocess.run(
            ["sh", "-c", command],
            env={"PATH": "/usr/bin:/bin", "GARRET_PREFIX": str(self.disk)},
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )
        return CommandResult("Success", done.returncode, done.stdout)


@pytest.fixture
def node(tmp_path: Path) -> FolderNode:
    """A node with nothing on it."""
    return FolderNode(tmp_path)


def lies_there(node: FolderNode, bundle: Bundle) -> bool:
    """Say whether the pieces on the node make up the bundle."""
    files = [node.disk / INCOMING.lstrip("/") / name for name, _ in chunks(bundle)]
    return all(file.is_file() for file in files) and b"".join(file.read_bytes() for file in files) == bundle.data


@pytest.mark.parametrize("count", [1, 3, COUNT])
def test_every_piece_arrives(node: FolderNode, count: int) -> None:
    """Small and large bundles arrive whole, each piece once; the bytes told grow up to the size."""
    bundle, told = bundle_of(count), []
    deliver(node, "i-1", bundle, told.append)
    assert lies_there(node, bundle)
    assert len(node.sent) == count == len(set(node.sent))
    assert told == sorted(told)
    assert told[-1] == bundle.size


def test_pieces_go_side_by_side_but_not_all_at_once(node: FolderNode) -> None:
    """The agent's answers are waited for together, within a bound."""
    deliver(node, "i-1", bundle_of(COUNT), lambda _: None)
    assert 1 < node.most_at_once <= AT_ONCE


@pytest.mark.parametrize("error", [NodeFailed("the agent went away"), CloudError("SendFile", "Throttling", "x")])
def test_a_break_is_told_and_the_rest_sent_later(node: FolderNode, error: Exception) -> None:
    """The first failure ends it; the second run asks what is there and sends only what is missing."""
    bundle = bundle_of(COUNT)
    node.fail_after, node.error = 12, error
    with pytest.raises(type(error)):
        deliver(node, "i-1", bundle, lambda _: None)
    assert not lies_there(node, bundle)
    first = list(node.sent)

    node.fail_after = 10_000
    node.sent.clear()
    told: list[int] = []
    deliver(node, "i-1", bundle, told.append)
    assert lies_there(node, bundle)
    assert not set(first) & set(node.sent)
    assert told[-1] == bundle.size
    deliver(node, "i-1", bundle, told.append)
    assert len(first) + len(node.sent) == COUNT


def test_a_piece_that_was_cut_is_sent_again(node: FolderNode) -> None:
    """A file of the wrong size, or of another bundle, does not count."""
    bundle, folder = bundle_of(COUNT), node.disk / INCOMING.lstrip("/")
    folder.mkdir(parents=True)
    (folder / f"{bundle.sha256}.004").write_bytes(bundle.data[:100])
    (folder / f"{'0' * 64}.005").write_bytes(b"x" * CHUNK_BYTES)
    deliver(node, "i-1", bundle, lambda _: None)
    assert lies_there(node, bundle)
    assert len(node.sent) == COUNT


def test_a_node_that_cannot_be_asked_gets_everything(node: FolderNode) -> None:
    """What lies there is only a saving: without an answer, all is sent."""

    class Deaf(FolderNode):
        def run(self, instance_id: str, command: str, *, timeout_s: int = 60) -> CommandResult:
            raise CloudError("RunCommand", "InvalidInstance.NotMatch", f"{instance_id} does not run {command}")

    deaf = Deaf(node.disk)
    deliver(deaf, "i-1", bundle_of(COUNT), lambda _: None)
    assert len(deaf.sent) == COUNT


def test_the_list_of_a_whole_bundle_fits_into_an_answer(node: FolderNode) -> None:
    """Nine hundred pieces, which is 21 MB, are listed in less than Cloud Assistant keeps."""
    folder = node.disk / INCOMING.lstrip("/")
    folder.mkdir(parents=True)
    for number in range(900):
        with (folder / f"{'a' * 64}.{number:03d}").open("wb") as file:
            file.truncate(CHUNK_BYTES)
    output = node.run("i-1", LIST).output
    assert len(output.splitlines()) == 900
    assert len(output) < 24 * 1024
