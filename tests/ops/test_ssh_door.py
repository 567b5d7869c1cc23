"""A door to a node by SSH: a real OpenSSH server on a folder that plays the node, and a cloud in memory."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from garret.errors import CloudError, NodeFailed, OperationError, UsageError
from garret.ops.channels.ssh import SshChannel, connect
from garret.ops.cloud import SystemClock
from garret.ops.crash import Crash
from garret.ops.ssh_door import Door, new_door, run, source_of
from garret.ops.tunnel import Target, listener, serve
from garret.ops.work import Work
from tests.ops.fake import Listener, World, cloud_of, deployment_in
from tests.ops.node_shell import ShellNode
from tests.ops.test_status import deployed

LIMIT_S = 20.0


def until(condition: Callable[[], Any]) -> Any:
    """Wait for something to be so."""
    deadline = time.monotonic() + LIMIT_S
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


@dataclass
class Entrance:
    """A deployed node, and doors to it."""

    world: World
    node: ShellNode
    home: Path
    outcomes: list[Any] = field(default_factory=list)

    def work(self, door: Door, key: str, asked: Callable[[], bool] = lambda: False, cidr: str = "1.2.3.4/32") -> Work:
        """What the verb is handed."""
        cloud = replace(cloud_of(self.world), assistant=self.node, clock=SystemClock())
        parameters = {"door": door.id, "key": key, "cidr": cidr, "for_h": 12}
        return Work(cloud, deployment_in(self.home), Listener(), Crash(), parameters, asked_to_cancel=asked)

    @contextmanager
    def open(self, asked: Callable[[], bool] = lambda: False) -> Iterator[Door]:
        """A door that the verb, on a thread of its own, keeps open meanwhile."""
        door = new_door(deployment_in(self.home))
        work = self.work(door, door.make(), asked)

        def carry_out() -> None:
            try:
                self.outcomes.append(run(work))
            except Exception as error:  # noqa: BLE001 - for the test to look at
                self.outcomes.append(error)

        with door.held():
            thread = threading.Thread(target=carry_out)
            thread.start()
            until(lambda: door.address() or self.outcomes)
            yield door
        thread.join(LIMIT_S)

    def servers(self) -> list[str]:
        """The SSH servers that run for this node."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if f"{self.node.folder}/var/lib/garret/doors" in line:
                found.append(line)
        return found


@pytest.fixture
def entrance(world: World, tmp_path: Path) -> Iterator[Entrance]:
    """A node without a door; whatever a test opened is closed after it."""
    deployed(world, tmp_path / "home")
    one = Entrance(world, ShellNode(tmp_path / "node"), tmp_path / "home")
    yield one
    for mark in (tmp_path / "node/var/lib/garret/doors").glob("*.json"):
        mark.unlink()
    until(lambda: not one.servers())


def test_a_door_is_open_while_it_is_held_and_leaves_nothing(entrance: Entrance) -> None:
    """The rule for the one address, the key on the node, the private key here: all go with whoever held them."""
    with entrance.open() as door:
        assert list(entrance.world.doors.values()) == [(door_port(door), "1.2.3.4/32", f"garret ops ssh {door.id}")]
        assert door.key_file.stat().st_mode & 0o777 == 0o600
        assert door.folder.stat().st_mode & 0o777 == 0o700
        address = door.address()
        assert address
        with SshChannel(address) as channel:
            done = channel.run('echo "$GARRET_PREFIX"; exit 3')
        assert (done.exit_code, done.output) == (3, f"{entrance.node.folder}\n")
        private = door.key_file.read_bytes()
    assert entrance.outcomes[0]["closed"]
    assert entrance.world.doors == {}
    assert not door.folder.exists()
    assert entrance.servers() == []
    assert not [1 for text in entrance.node.commands if private.decode() in text]
    assert not [1 for content in entrance.node.files.values() if b"PRIVATE" in content]


def door_port(door: Door) -> int:
    """Where its server listens."""
    address = door.address()
    assert address
    return address.port


def test_only_the_reported_host_key_and_the_made_key_are_taken(entrance: Entrance, tmp_path: Path) -> None:
    """A server with another key is refused before anything is sent; a stranger's key is refused by the server."""
    with entrance.open() as door:
        address = door.address()
        assert address
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True)
        stranger = " ".join((tmp_path / "other.pub").read_text().split()[:2])
        with pytest.raises(NodeFailed, match="another host key"):
            connect(replace(address, host_keys=(stranger,)))
        with pytest.raises(NodeFailed, match="does not take the key"):
            connect(replace(address, key_file=tmp_path / "other"))


def test_two_doors_do_not_close_each_other(entrance: Entrance) -> None:
    """Of two for one address only the first one's rule is made; it stays until the last of them has gone."""
    with entrance.open() as first:
        shared = (22, "1.2.3.4/32", f"garret ops ssh {first.id}")  # on a machine, both are at port 22
        entrance.world.doors = {"sgr-1": shared}
        with entrance.open():
            entrance.world.doors = {"sgr-1": shared}
        assert entrance.world.doors == {"sgr-1": shared}
        address = first.address()
        assert address
        connect(address).close()
        second = entrance.open()
        second.__enter__()
    assert entrance.world.doors["sgr-1"] == shared
    assert not first.key_file.exists()
    second.__exit__(None, None, None)
    assert entrance.world.doors == {}
    assert not first.folder.exists()


def test_what_a_killed_one_left_open_is_closed_by_the_next(entrance: Entrance) -> None:
    """Its rule, its key on the node, and its files here; a door of another machine is let alone."""
    left = new_door(deployment_in(entrance.home))
    left.make()
    left.tell({"host": "127.0.0.1", "port": 22, "user": "root", "host_keys": []})
    entrance.world.doors["sgr-old"] = (22, "9.9.9.9/32", f"garret ops ssh {left.id}")
    entrance.world.doors["sgr-other"] = (22, "8.8.8.8/32", f"garret ops ssh {'0' * 32}")
    with entrance.open():
        pass
    assert list(entrance.world.doors) == ["sgr-other"]
    assert not left.folder.exists()


def test_the_folder_of_one_that_never_opened_keeps_no_port_open(entrance: Entrance) -> None:
    """Killed before it was open, or closed while the node did not answer: nobody is behind it, so nothing stays."""
    left = new_door(deployment_in(entrance.home))
    left.make()
    long_ago = time.time() - 3600
    os.utime(left.folder, (long_ago, long_ago))
    with entrance.open() as door:
        pass
    assert entrance.world.doors == {}
    assert not door.folder.exists()
    assert not left.folder.exists()


def test_taken_up_again_with_nobody_left_it_only_closes(entrance: Entrance) -> None:
    """As after a power cut of this machine: `executions wait` closes what was left open."""
    door = new_door(deployment_in(entrance.home))
    key = door.make()
    entrance.world.doors["sgr-1"] = (22, "1.2.3.4/32", f"garret ops ssh {door.id}")
    run(entrance.work(door, key))
    assert entrance.world.doors == {}
    assert not any("open" in text.split("<<")[0].split() for text in entrance.node.commands)


def test_cancelled_it_closes(entrance: Entrance) -> None:
    """`executions cancel` takes everything back though somebody still holds it."""
    flag = threading.Event()
    with entrance.open(flag.is_set):
        flag.set()
        until(lambda: entrance.outcomes)
        assert entrance.world.doors == {}
    assert "cancelled" in str(entrance.outcomes[0])


def test_a_rule_that_cannot_be_taken_back_is_said(entrance: Entrance) -> None:
    """And the key is taken out of the node all the same."""
    with entrance.open():
        entrance.world.refusals["RevokeSecurityGroup"] = CloudError("RevokeSecurityGroup", "InternalError", "no")
    assert isinstance(entrance.outcomes[0], OperationError)
    assert "may still be open for 1.2.3.4/32" in entrance.outcomes[0].message
    assert entrance.servers() == []


def test_without_a_way_through_the_group_no_key_stays(entrance: Entrance) -> None:
    """A refused rule ends it, with the cloud's reason."""
    entrance.world.refusals["AuthorizeSecurityGroup"] = CloudError("AuthorizeSecurityGroup", "Forbidden.RAM", "no")
    with entrance.open() as door:
        until(lambda: entrance.outcomes)
    assert "Forbidden.RAM" in str(entrance.outcomes[0])
    assert not door.folder.exists()
    assert entrance.servers() == []


@pytest.mark.parametrize(
    ("said", "range_", "wrong"),
    [
        ("203.0.113.7", "203.0.113.7/32", ""), ("203.0.113.0/24", "203.0.113.0/24", ""), ("0.0.0.0/0", "", "few"),
        ("10.0.0.0/8", "", "few"), ("::1", "", "IPv4"), ("me", "", "IPv4"), ("203.0.113.7/24", "", "IPv4"),
    ],
)  # fmt: skip
def test_the_port_is_opened_for_few(entrance: Entrance, said: str, range_: str, wrong: str) -> None:
    """Never for the whole internet."""
    cloud, deployment = replace(cloud_of(entrance.world), kind="aliyun"), deployment_in(entrance.home)
    if wrong:
        with pytest.raises(UsageError, match=wrong):
            source_of(cloud, deployment, said)
    else:
        assert source_of(cloud, deployment, said) == range_


def test_the_own_address_is_asked_of_the_own_service(entrance: Entrance) -> None:
    """No third party is asked; where the service does not tell, one has to say it."""
    deployment = deployment_in(entrance.home)
    assert source_of(cloud_of(entrance.world), deployment, None) == "127.0.0.0/8"
    cloud = replace(cloud_of(entrance.world), kind="aliyun")
    with machine_that_says("203.0.113.9") as where:
        login = deployment.login
        assert login
        deployment.keep_login(replace(login, endpoint=where))
        assert source_of(cloud, deployment, None) == "203.0.113.9/32"
    with pytest.raises(UsageError, match="cannot be found"):
        source_of(cloud, deployment, None)


@contextmanager
def machine_that_says(address: str) -> Iterator[str]:
    """A service that takes every caller for this address, and says so."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"caller": "%s"}' % address.encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_service_comes_through_the_tunnel(entrance: Entrance) -> None:
    """Several callers at once, through a real SSH server, to a service that only the node reaches."""
    with machine_that_says("203.0.113.9") as where, entrance.open() as door, listener(0) as listening:
        login = deployment_in(entrance.home).login
        address = door.address()
        assert login
        assert address
        target = Target.of(replace(login, endpoint=where), own_network=False)
        ended = threading.Event()
        with connect(address) as client:
            thread = threading.Thread(target=serve, args=(client, listening, target, ended.is_set))
            thread.start()
            url = f"http://127.0.0.1:{listening.getsockname()[1]}/machine"
            replies: list[bytes] = []

            def ask() -> None:
                with urllib.request.urlopen(url, timeout=20) as reply:
                    replies.append(reply.read())

            callers = [threading.Thread(target=ask) for _ in range(5)]
            for caller in callers:
                caller.start()
            for caller in callers:
                caller.join()
            idle = socket.create_connection(listening.getsockname())  # who says nothing does not keep it up
            ended.set()
            thread.join(LIMIT_S)
            assert not thread.is_alive()
            idle.close()
    assert replies == [b'{"caller": "203.0.113.9"}'] * 5


def test_a_taken_port_is_said() -> None:
    """Before any door is opened."""
    with listener(0) as one, pytest.raises(UsageError, match=f":{one.getsockname()[1]}"):
        listener(one.getsockname()[1])
