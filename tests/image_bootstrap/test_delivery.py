"""Every way by which the bundle comes to a node: taken when it is right to the byte, else refused, deleted and told."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pytest

from garret.image_bootstrap.bundle import Bundle, chunks
from garret.image_bootstrap.first_stage import NOT_FETCHED, Journal, StepFailed, ensure_bundle, fetch
from tests.image_bootstrap.machine import Machine, Stack, config_for, free_port

PIECE = 4_000
Damage = Callable[[bytes], bytes]
DAMAGES: dict[str, Damage] = {
    "a flipped byte": lambda data: data[:100] + bytes([data[100] ^ 1]) + data[101:],
    "cut off": lambda data: data[:-1],
    "too long": lambda data: data + b"x",
    "empty": lambda _data: b"",
    "another": lambda data: bytes(len(data)),
}


@contextmanager
def web_server(answers: list[bytes | int]) -> Iterator[tuple[str, list[str]]]:
    """An address that gives these answers, the last one for ever; a number is an error's status. And what was asked."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            self.send_response(answer if isinstance(answer, int) else 200)
            self.send_header("Content-Length", str(len(answer) if isinstance(answer, bytes) else 0))
            self.end_headers()
            self.wfile.write(answer if isinstance(answer, bytes) else b"")

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/garret.tar.xz?Signature=secret-words", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Node:
    """A folder on which only the bundle's step runs."""

    def __init__(self, root: Path, bundle: Bundle) -> None:
        self.root, self.bundle = root, bundle
        self.incoming = root / "var/lib/garret/incoming"
        self.incoming.mkdir(parents=True)
        self.journal = Journal(root)

    def ensure(self, address: str = "") -> None:
        """Run the step once, without waiting for what is not there."""
        config = asdict(config_for(self.bundle, 1, bundle_wait_s=0, bundle_url=address))
        ensure_bundle(self.root, config, self.journal, 0.01)

    @property
    def is_there(self) -> bool:
        """Whether the runtime is unpacked, and nothing of its way is left."""
        unpacked = (self.root / "opt/garret/current/garret/image_bootstrap/runner.py").is_file()
        return unpacked and list(self.incoming.iterdir()) == []

    @property
    def is_clean(self) -> bool:
        """Whether nothing came of it and nothing stayed."""
        return not (self.root / "opt/garret").exists() and list(self.incoming.iterdir()) == []


@pytest.fixture
def node(tmp_path: Path, bundle: Bundle) -> Node:
    """A fresh one."""
    return Node(tmp_path / "disk", bundle)


def lay_pieces(node: Node, damage: Damage = lambda data: data, at: int = 2) -> None:
    """Pieces in the inbox, one of them damaged."""
    for number, (name, content) in enumerate(chunks(node.bundle, PIECE)):
        (node.incoming / name).write_bytes(damage(content) if number == at else content)


@pytest.mark.parametrize("kind", ["a flipped byte", "too long", "another"])
def test_a_wrong_piece_is_refused_with_all_others_and_right_ones_are_taken_afterwards(node: Node, kind: str) -> None:
    """Nobody can say which of them is wrong, so all are deleted."""
    lay_pieces(node, DAMAGES[kind])
    with pytest.raises(StepFailed, match=r"the runtime that arrived has .*; it was deleted"):
        node.ensure()
    assert node.is_clean
    lay_pieces(node)
    node.ensure()
    assert node.is_there


@pytest.mark.parametrize("kind", ["cut off", "empty"])
def test_a_piece_that_is_too_short_is_waited_for_and_counts_when_it_is_sent_again(node: Node, kind: str) -> None:
    """As one that is under way does; in the end the reason says how much is there, and the rest is kept."""
    lay_pieces(node, DAMAGES[kind])
    with pytest.raises(StepFailed, match=rf"of {node.bundle.size} bytes of the runtime arrived within 0 s"):
        node.ensure()
    lay_pieces(node)
    node.ensure()
    assert node.is_there


def test_a_missing_piece_is_waited_for_and_an_extra_one_refused(node: Node) -> None:
    """Numbers are part of the names."""
    lay_pieces(node)
    names = sorted(path.name for path in node.incoming.iterdir())
    gone = (node.incoming / names[1]).rename(node.root / "gone")
    with pytest.raises(StepFailed, match="bytes of the runtime arrived"):
        node.ensure()
    gone.rename(node.incoming / names[1])
    (node.incoming / f"{node.bundle.sha256}.{len(names):03d}").write_bytes(b"more")
    with pytest.raises(StepFailed, match=f"has {node.bundle.size + 4} bytes, not {node.bundle.size}; it was deleted"):
        node.ensure()
    assert node.is_clean


def test_pieces_of_another_bundle_do_no_harm(node: Node) -> None:
    """They carry another hash in their names."""
    lay_pieces(node)
    strange = node.incoming / f"{'a' * 64}.000"
    strange.write_bytes(b"of an earlier deployment")
    node.ensure()
    assert strange.exists()


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_whole_file_by_sftp_is_taken_or_refused(node: Node, kind: str) -> None:
    """It appears under its name when it is complete, whatever came of the pieces."""
    whole = node.incoming / f"{node.bundle.sha256}.tar.xz"
    lay_pieces(node, DAMAGES["cut off"])
    whole.write_bytes(DAMAGES[kind](node.bundle.data))
    with pytest.raises(StepFailed, match="it was deleted"):
        node.ensure()
    assert not whole.exists()
    whole.with_suffix(".part").write_bytes(node.bundle.data[:50])
    whole.write_bytes(node.bundle.data)
    node.ensure()
    assert node.is_there


@pytest.mark.parametrize("kind", DAMAGES)
def test_wrong_bytes_at_the_address_are_refused_and_the_pieces_are_waited_for(node: Node, kind: str) -> None:
    """The journal says why, without the address, whose query may be somebody's permission; no byte too many is kept."""
    with web_server([DAMAGES[kind](node.bundle.data)]) as (address, asked):
        content, missed = fetch(address, node.bundle.size, node.bundle.sha256, (0, 0))
        assert content == b""
        assert "SHA-256" in missed
        assert len(asked) == 2
        lay_pieces(node)
        config = asdict(config_for(node.bundle, 1, bundle_wait_s=0, bundle_url=address))
        ensure_bundle(node.root, config, node.journal, 0.01, (0,))
    assert node.is_there
    said = node.journal.path.read_text()
    assert NOT_FETCHED in said
    assert "secret-words" not in said + node.journal.tail(10_000)


def test_the_right_bytes_at_the_address_need_no_pieces(node: Node) -> None:
    """Also when the address answers only at the second time of asking."""
    with web_server([503, DAMAGES["cut off"](node.bundle.data), node.bundle.data]) as (address, asked):
        config = asdict(config_for(node.bundle, 1, bundle_wait_s=0, bundle_url=address))
        ensure_bundle(node.root, config, node.journal, 0.01, (0, 0, 0))
    assert len(asked) == 3
    assert node.is_there


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/x", "https://nowhere.invalid/x", "http://[broken/x"])
def test_an_address_where_nobody_is_gets_told_and_does_not_end_the_wait(node: Node, address: str) -> None:
    """The reason of a failure then names both."""
    config = asdict(config_for(node.bundle, 1, bundle_wait_s=0, bundle_url=address))
    with pytest.raises(
        StepFailed, match=rf"0 of {node.bundle.size} bytes .* sends the rest \({NOT_FETCHED}: .*(Error|InvalidURL)"
    ):
        ensure_bundle(node.root, config, node.journal, 0.01, (0,))


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_wrong_bundle_in_the_image_is_passed_over(node: Node, kind: str) -> None:
    """It is the image's, so it stays; what is sent is taken."""
    ours = node.root / f"usr/share/garret/bundle/{node.bundle.sha256}.tar.xz"
    ours.parent.mkdir(parents=True)
    ours.write_bytes(DAMAGES[kind](node.bundle.data))
    with pytest.raises(StepFailed, match=f"0 of {node.bundle.size} bytes"):
        node.ensure()
    lay_pieces(node)
    node.ensure()
    assert node.is_there
    assert ours.exists()


def test_the_stack_hears_of_wrong_bytes_and_of_the_second_try(machine: Machine, stack: Stack, bundle: Bundle) -> None:
    """FAILURE with the reason; with the right file and the same command, SUCCESS."""
    commands = machine.apply(config_for(bundle, free_port()), stack.command)
    incoming = machine.disk / "var/lib/garret/incoming"
    incoming.mkdir(parents=True)
    (incoming / f"{bundle.sha256}.tar.xz").write_bytes(DAMAGES["a flipped byte"](bundle.data))
    assert machine.run(commands).returncode == 1
    assert stack.heard[-1]["status"] == "FAILURE"
    assert stack.heard[-1]["reason"].startswith("ensure_bundle: the runtime that arrived has SHA-256")
    with web_server([bundle.data]) as (address, _):
        commands = machine.apply(config_for(bundle, free_port(), bundle_url=address), stack.command)
        assert machine.run(commands).returncode == 0
    assert stack.heard[-1]["status"] == "SUCCESS"
