"""The runtime on its way to a node: all of it, side by side, and after a break only the rest."""

# ruff: noqa: ARG002 - the signatures are those of the Protocol

from __future__ import annotations

import hashlib
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from garret.errors import CloudError, NodeFailed
from garret.image_bootstrap.bundle import CHUNK_BYTES, Bundle, chunks
from garret.ops.channels.ssh import SshAddress
from garret.ops.deliver import AT_ONCE, INCOMING, LIST, MANY, MOST_AT_ONCE, BySftp, InPieces, deliver, deliver_by
from garret.ops.records import CommandResult
from tests.ops.channels.server import ssh_server
from tests.ops.channels.test_ssh import make_key

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


@dataclass(frozen=True)
class Refusing:
    """A way that does not work."""

    name: str
    error: Exception

    def send(self, bundle: Bundle, told: Callable[[int], None]) -> None:
        """Refuse."""
        raise self.error


def test_the_first_way_that_works_is_taken(node: FolderNode) -> None:
    """And named; those after it are not tried."""
    bundle, told = bundle_of(3), list[int]()
    never = Refusing("never", AssertionError("this way was not to be tried"))
    closed = Refusing("a closed one", NodeFailed("nobody answers"))
    assert deliver_by([closed, InPieces(node, "i-1"), never], bundle, told.append) == "Cloud Assistant"
    assert lies_there(node, bundle)
    assert told[-1] == bundle.size


def test_when_no_way_works_all_reasons_are_told() -> None:
    """The first one decides whether it is worth while to wait."""
    first = CloudError("SendFile", "ClientNotRunning", "no agent")
    ways = [Refusing("Cloud Assistant", first), Refusing("SFTP", NodeFailed("port 22 is closed"))]
    with pytest.raises(CloudError, match="ClientNotRunning") as refused:
        deliver_by(ways, bundle_of(1), lambda _: None)
    assert refused.value.message.endswith("; SFTP: port 22 is closed")
    with pytest.raises(NodeFailed, match="no way"):
        deliver_by([], bundle_of(1), lambda _: None)


def test_by_sftp_it_arrives_whole_under_its_name(tmp_path: Path) -> None:
    """A real SSH server: a broken attempt is gone on with, and the name appears only when all is there."""
    ours, host_key = make_key(tmp_path / "key"), make_key(tmp_path / "host")
    bundle, told = bundle_of(40), list[int]()
    (tmp_path / "node/var").mkdir(parents=True)
    with ssh_server(tmp_path / "node", host_key, ours) as server:
        way = BySftp(SshAddress("127.0.0.1", (server.public_key,), tmp_path / "key", server.port))
        server.cut_after = 500_000
        with pytest.raises(NodeFailed):
            way.send(bundle, told.append)
        incoming = tmp_path / "node" / INCOMING.lstrip("/")
        assert not (incoming / f"{bundle.sha256}.tar.xz").exists()
        server.cut_after = None
        assert deliver_by([way], bundle, told.append) == "SFTP"
    assert (incoming / f"{bundle.sha256}.tar.xz").read_bytes() == bundle.data
    assert [path.name for path in incoming.iterdir()] == [f"{bundle.sha256}.tar.xz"]
    assert told[-1] == bundle.size


def test_hundreds_of_pieces_travel_a_dozen_at_once(node: FolderNode) -> None:
    """Each waits for the node's agent most of the time."""
    deliver(node, "i-1", bundle_of(MANY + 1), lambda _: None)
    assert AT_ONCE < node.most_at_once <= MOST_AT_ONCE
