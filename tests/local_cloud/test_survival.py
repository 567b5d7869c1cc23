"""The whole thing as a person has it: a server of its own with process nodes, killed and brought back, ended whole."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import textwrap
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from garret.local_cloud import daemon
from garret.local_cloud.nodes.processes import marked
from tests.local_cloud.house import Clients, until
from tests.local_cloud.machines import running, status


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home whose local cloud is ended afterwards."""
    yield tmp_path / "home"
    daemon.down(tmp_path / "home", erase=True)


def clients(home: Path) -> Clients:
    """Return the vendor's SDKs for the home's local cloud, which is started when it is not up."""
    record = daemon.up(home)
    return Clients(record.endpoint.removeprefix("http://"), record.access_key_id, record.access_key_secret)


def page(port: int) -> str:
    """Return what the node's web server says, or nothing."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/boots", timeout=5) as reply:
            return str(reply.read().decode())
    except (urllib.error.URLError, ConnectionError):
        return ""


def user_data(port: int) -> str:
    """User-data of a node that counts its first boots and serves the count."""
    unit = textwrap.dedent(
        f"""\
        [Service]
        ExecStart="{sys.executable}" -m http.server --bind 127.0.0.1 --directory @srv@ {port}
        Restart=on-failure
        """
    )
    install = 'sed -i "s|@srv@|$GARRET_PREFIX/srv|" "$GARRET_PREFIX/etc/systemd/system/web.service"'
    document = {
        "write_files": [{"path": "/etc/systemd/system/web.service", "content": unit}],
        "runcmd": [
            ["sh", "-c", f'mkdir -p "$GARRET_PREFIX/srv"; echo once >> "$GARRET_PREFIX/srv/boots"; {install}'],
            ["systemctl", "enable", "--now", "web"],
        ],
    }
    return "#cloud-config\n" + yaml.safe_dump(document)


def test_a_node_outlives_its_server_and_nothing_outlives_down(home: Path) -> None:
    """kill -9 of the server leaves the node serving; it is adopted, stopped, started on its disk, and ended by down."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    instance = running(clients(home), user_data(port))
    until(lambda: page(port) == "once\n", 30)
    server = daemon.status(home).pid
    assert server is not None
    os.kill(server, signal.SIGKILL)
    until(lambda: not daemon.status(home).running)
    assert page(port) == "once\n"
    init = json.loads((home / "local-cloud/nodes" / instance / "init.json").read_text())["pid"]
    assert status(clients(home), instance) == "Running"
    assert json.loads((home / "local-cloud/nodes" / instance / "init.json").read_text())["pid"] == init
    cloud = clients(home)
    cloud.call("StopInstance", InstanceId=instance, StoppedMode="StopCharging")
    until(lambda: status(cloud, instance) == "Stopped", 30)
    assert page(port) == ""
    assert marked(instance) == []
    cloud.call("StartInstance", InstanceId=instance)
    until(lambda: page(port) == "once\n", 30)
    daemon.down(home)
    assert marked(instance) == []
    assert page(port) == ""
    daemon.up(home)
    until(lambda: page(port) == "once\n", 30)
    cloud.call("DeleteInstance", InstanceId=instance, Force=True)
    until(lambda: status(cloud, instance) == "", 30)
    assert marked(instance) == []
    assert not (home / "local-cloud/nodes" / instance).exists()


def test_what_a_killed_node_leaves_is_ended(home: Path) -> None:
    """After kill -9 of a node's first process down ends its children; up boots it on its disk."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    instance = running(clients(home), user_data(port))
    until(lambda: page(port) == "once\n", 30)
    init = json.loads((home / "local-cloud/nodes" / instance / "init.json").read_text())["pid"]
    os.kill(init, signal.SIGKILL)
    until(lambda: init not in marked(instance))
    assert marked(instance)
    daemon.down(home)
    assert marked(instance) == []
    assert page(port) == ""
    daemon.up(home)
    until(lambda: page(port) == "once\n", 30)
