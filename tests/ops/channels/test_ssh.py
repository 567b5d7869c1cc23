"""The SSH channel against a real server: who is let in, who is believed, and what arrives."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from garret.errors import NodeFailed
from garret.ops.channels.ssh import OUTPUT_LIMIT, SshAddress, SshChannel, fingerprint
from tests.ops.channels.server import SshServer, ssh_server


def make_key(path: Path) -> paramiko.PKey:
    """Make an Ed25519 key as ssh-keygen writes it."""
    text = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    path.write_bytes(text)
    path.chmod(0o600)
    return paramiko.Ed25519Key.from_private_key_file(str(path))


@pytest.fixture
def node(tmp_path: Path) -> Iterator[SshServer]:
    """A node with an SSH server that takes one key."""
    (tmp_path / "disk").mkdir()
    allowed, host_key = make_key(tmp_path / "mine"), make_key(tmp_path / "host")
    with ssh_server(tmp_path / "disk", host_key, allowed) as running:
        yield running


@pytest.fixture
def address(node: SshServer, tmp_path: Path) -> SshAddress:
    """How that node is reached rightly."""
    return SshAddress("127.0.0.1", (node.public_key,), tmp_path / "mine", node.port)


def test_a_command_ends_with_its_code_and_its_words(address: SshAddress) -> None:
    """Both streams come back, in the shape that Cloud Assistant gives."""
    with SshChannel(address) as channel:
        good = channel.run("echo one; echo two >&2")
        assert (good.status, good.exit_code, good.output) == ("Success", 0, "one\ntwo\n")
        bad = channel.run("echo no; exit 7")
        assert (bad.status, bad.exit_code, bad.output) == ("Failed", 7, "no\n")


def test_a_command_that_does_not_end_is_given_up(address: SshAddress) -> None:
    """After its time, a command has no exit code, and what it said so far is kept."""
    with SshChannel(address) as channel:
        late = channel.run("echo started; sleep 30", timeout_s=1)
    assert (late.status, late.exit_code, late.output) == ("Timeout", None, "started\n")


def test_long_output_is_cut_and_said_so(address: SshAddress) -> None:
    """As much is kept as Cloud Assistant keeps, and the rest is counted."""
    with SshChannel(address) as channel:
        done = channel.run("head -c 100000 /dev/zero | tr '\\0' x")
    assert (done.exit_code, len(done.output)) == (0, OUTPUT_LIMIT)
    assert f"{100_000 - OUTPUT_LIMIT} bytes" in done.error


def test_a_strange_host_is_refused_before_we_log_in(address: SshAddress, node: SshServer, tmp_path: Path) -> None:
    """Another host key than the pinned one ends the connection; both fingerprints are named."""
    pinned = make_key(tmp_path / "another")
    wrong = replace(address, host_keys=(f"{pinned.get_name()} {pinned.get_base64()}",))
    with pytest.raises(NodeFailed, match="another host key") as raised, SshChannel(wrong):
        pass
    assert fingerprint(node.host_key.asbytes()) in raised.value.message
    assert fingerprint(pinned.asbytes()) in raised.value.message


def test_a_host_of_another_kind_of_key_is_refused(address: SshAddress) -> None:
    """A host that has no key of the pinned kind is unknown, and unknown hosts are never taken."""
    other = paramiko.ECDSAKey.generate()
    wrong = replace(address, host_keys=(f"{other.get_name()} {other.get_base64()}",))
    with pytest.raises(NodeFailed), SshChannel(wrong):
        pass


@pytest.mark.parametrize("keys", [(), ("",), ("ssh-ed25519",), ("ssh-ed25519 %%%",), ("nonsense QUJD",)])
def test_without_a_readable_host_key_nobody_is_trusted(address: SshAddress, keys: tuple[str, ...]) -> None:
    """No pin, or one that cannot be read, is no permission."""
    with pytest.raises(NodeFailed, match="key"), SshChannel(replace(address, host_keys=keys)):
        pass


def test_a_wrong_key_is_not_let_in(address: SshAddress, tmp_path: Path) -> None:
    """The node's refusal names the key that was shown."""
    make_key(tmp_path / "stranger")
    with pytest.raises(NodeFailed, match="does not take the key") as raised:
        with SshChannel(replace(address, key_file=tmp_path / "stranger")):
            pass
    assert str(tmp_path / "stranger") in raised.value.message


def test_nobody_there_is_told_so(address: SshAddress) -> None:
    """A closed port asks whether port 22 is open."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        closed = replace(address, port=listener.getsockname()[1])
    with pytest.raises(NodeFailed) as raised, SshChannel(closed):
        pass
    assert "port 22" in raised.value.hint


@pytest.mark.parametrize("content", [None, b"", b"no key\n", b"protected"])
def test_a_key_file_without_a_usable_key_is_named(address: SshAddress, tmp_path: Path, content: bytes | None) -> None:
    """A key that is absent, empty, not one, or behind a passphrase is named with its path before anyone is called."""
    path = tmp_path / "unusable"
    if content == b"protected":
        encryption = BestAvailableEncryption(b"a passphrase")
        content = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, encryption)
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(NodeFailed, match="cannot be used") as raised, SshChannel(replace(address, key_file=path)):
        pass
    assert str(path) in raised.value.message


def test_a_file_arrives_whole_and_private(address: SshAddress, node: SshServer) -> None:
    """Folders are made, the mode is kept, an older file is replaced, and no part file stays."""
    content = os.urandom(200_000)
    told: list[tuple[int, int]] = []
    with SshChannel(address) as channel:
        channel.put("/var/lib/garret/incoming/bundle", b"old")
        channel.put("/var/lib/garret/incoming/bundle", content, progress=lambda done, total: told.append((done, total)))
        channel.put("/var/lib/garret/empty", b"", mode="0644")
    arrived = node.root / "var/lib/garret/incoming/bundle"
    assert arrived.read_bytes() == content
    assert arrived.stat().st_mode & 0o777 == 0o600
    assert (node.root / "var/lib/garret/empty").read_bytes() == b""
    assert [path.name for path in arrived.parent.iterdir()] == ["bundle"]
    assert told[-1] == (200_000, 200_000)


def test_a_broken_upload_goes_on_where_it_broke(address: SshAddress, node: SshServer) -> None:
    """The final name appears only at the end, and the second attempt sends only the rest."""
    content = os.urandom(200_000)
    node.cut_after = 100_000
    with SshChannel(address) as channel, pytest.raises(NodeFailed):
        channel.put("/bundle", content)
    assert not (node.root / "bundle").exists()
    arrived = sum(length for _, length in node.written)
    assert 0 < arrived <= 100_000

    node.cut_after = None
    node.written.clear()
    with SshChannel(address) as channel:
        channel.put("/bundle", content)
    assert (node.root / "bundle").read_bytes() == content
    assert sum(length for _, length in node.written) == 200_000 - arrived


def test_a_large_file_goes_with_many_writes_at_once(address: SshAddress, node: SshServer, tmp_path: Path) -> None:
    """Byte for byte; and where writes fail without a word, what arrived is counted, and a torn part is not kept."""
    local = tmp_path / "model"
    local.write_bytes(os.urandom(3_000_000))
    digest = hashlib.sha256(local.read_bytes()).hexdigest()
    node.cut_after = 100_000
    with SshChannel(address) as channel, pytest.raises(NodeFailed):
        channel.put_file("/models/x", local, digest)
    assert not (node.root / "models/x").exists()
    node.cut_after = None
    told: list[tuple[int, int]] = []
    with SshChannel(address) as channel:
        channel.put_file("/models/x", local, digest, progress=lambda done, total: told.append((done, total)))
    assert (node.root / "models/x").read_bytes() == local.read_bytes()
    assert told[-1] == (3_000_000, 3_000_000)


def test_what_another_content_left_is_not_gone_on_with(address: SshAddress, node: SshServer) -> None:
    """A part file belongs to one content; a part that is longer than the content is written anew."""
    content = b"right" * 1000
    part = node.root / f"bundle.{hashlib.sha256(content).hexdigest()[:16]}.part"
    part.write_bytes(b"x" * 6000)
    with SshChannel(address) as channel:
        channel.put("/bundle", content)
    assert (node.root / "bundle").read_bytes() == content


def test_a_folder_that_cannot_be_made_is_named(address: SshAddress, node: SshServer) -> None:
    """A file where a folder should be ends in words with the path."""
    (node.root / "var").write_text("not a folder")
    with SshChannel(address) as channel, pytest.raises(NodeFailed, match="/var/lib/file"):
        channel.put("/var/lib/file", b"content")
