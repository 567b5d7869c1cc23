"""The same executions through SSH: the request by SFTP, the command constant, the host key pinned."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from garret.errors import NodeFailed, UsageError
from garret.ops.channels.ssh import SshAddress, SshChannel, parse_address
from garret.ops.download_model import Model, parameters
from garret.ops.executions import Node
from garret.ops.model_secrets import handing
from tests.ops.channels.server import SshServer, ssh_server
from tests.ops.channels.test_ssh import make_key
from tests.ops.fake import Listener, World, cloud_of, deployment_in
from tests.ops.test_status import deployed

# A node's own command line in a few words of shell: it reads the request that came by SFTP.
GARRET_NODE = """#!/bin/sh
request="{root}/var/lib/garret/requests/$3.json"
grep -q download-model "$request" || exit 1
printf '{{"id": "%s", "verb": "download-model", "status": "Success"}}' "$3"
"""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshServer]:
    """A machine with an SSH server and a garret-node."""
    root = tmp_path / "node"
    (root / "bin").mkdir(parents=True)
    command = root / "bin/garret-node"
    command.write_text(GARRET_NODE.format(root=root), encoding="utf-8")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{root}/bin:/usr/bin:/bin")
    host_key = make_key(tmp_path / "host")
    with ssh_server(root, host_key, make_key(tmp_path / "mine")) as running:
        yield running


def address(server: SshServer, folder: Path, host_key: paramiko.PKey) -> SshAddress:
    """Where the machine is, with the host key that is expected there."""
    key = f"{host_key.get_name()} {host_key.get_base64()}"
    return parse_address(f"root@127.0.0.1:{server.port}", folder / "mine", [key])


def test_an_operation_runs_over_ssh(server: SshServer, world: World, tmp_path: Path) -> None:
    """Request, start and look all go through the channel; Cloud Assistant hears nothing."""
    deployed(world, tmp_path)
    world.commands.clear()
    world.files.clear()
    with SshChannel(address(server, tmp_path, server.host_key)) as channel:
        node = Node.of(cloud_of(world), deployment_in(tmp_path), channel)
        execution = node.begin("download-model", {"name": "x'; rm -rf / #"})
        assert node.follow(execution, Listener())["status"] == "Success"
        assert node.show(execution["id"])["status"] == "Success"
    [request] = (server.root / "var/lib/garret/requests").glob("*.json")
    assert json.loads(request.read_text())["parameters"] == {"name": "x'; rm -rf / #"}
    assert world.commands == []
    assert world.files == {}


def test_a_token_is_in_the_request_and_nowhere_in_a_command(server: SshServer, world: World, tmp_path: Path) -> None:
    """By SFTP, for root's eyes only; the cloud sees nothing of it."""
    deployed(world, tmp_path)
    with SshChannel(address(server, tmp_path, server.host_key)) as channel:
        node = Node.of(cloud_of(world), deployment_in(tmp_path), channel)
        asked = parameters(Model("lora", "hf:me/mine/ink.safetensors", token_env="HUB"))
        hand_over = handing(node.deployment, {"HUB": "hf_PLANTED"}, by_ssh=True)
        node.begin("download-model", asked, hand_over=hand_over)
    [request] = (server.root / "var/lib/garret/requests").glob("*.json")
    assert json.loads(request.read_text())["parameters"] == {
        "type": "lora",
        "from": "hf:me/mine/ink.safetensors",
        "token_env": "HUB",
        "tokens": {"HUB": "hf_PLANTED"},
    }
    assert request.stat().st_mode & 0o777 == 0o600
    assert "PLANTED" not in str(world.commands) + str(world.files)


def test_another_host_hears_nothing(server: SshServer, world: World, tmp_path: Path) -> None:
    """A host with another key is refused before anything is sent to it."""
    stranger = make_key(tmp_path / "stranger")
    with pytest.raises(NodeFailed), SshChannel(address(server, tmp_path, stranger)):
        pass
    assert not (server.root / "var").exists()


@pytest.mark.parametrize("text", ["", "a b@c", "host:0", "host:70000", "-oProxyCommand=x@h", "u@h/x"])
def test_what_is_no_address_is_refused(text: str, tmp_path: Path) -> None:
    """With the form it must have."""
    with pytest.raises(UsageError, match="USER@HOST:PORT"):
        parse_address(text, tmp_path, ["ssh-ed25519 AAAA"])


def test_an_unknown_host_key_is_never_taken(tmp_path: Path) -> None:
    """Without a key to expect, the way to get one is told."""
    with pytest.raises(UsageError, match="never taken") as refused:
        parse_address("root@203.0.113.7", tmp_path, [])
    assert "--host-key" in refused.value.hint
    assert parse_address("203.0.113.7", tmp_path, ["k"]) == SshAddress("203.0.113.7", ("k",), tmp_path, 22, "root")
