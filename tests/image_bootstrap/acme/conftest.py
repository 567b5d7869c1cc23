"""An authority, certbot, and machines with nginx that it can look at."""

from __future__ import annotations

import http.server
import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import garret
from garret.image_bootstrap.acme.client import ENVIRONMENTS, ensure_client
from garret.image_bootstrap.acme.state import AUTHORITIES
from garret.image_bootstrap.first_stage import StepFailed
from garret.image_bootstrap.steps import Node
from garret.image_bootstrap.steps.acme import ensure_acme
from garret.image_bootstrap.steps.front import ensure_front
from garret.image_bootstrap.steps.service import ensure_certificate
from tests.image_bootstrap.acme.pebble import Pebble, running_pebble
from tests.image_bootstrap.front import NGINX
from tests.image_bootstrap.machine import Machine, free_port
from tests.image_bootstrap.test_front_steps import SYSTEMCTL, whole
from tests.image_bootstrap.test_steps import program
from tests.service_runtime.living import wait

NAME = "pictures.example.com"


@pytest.fixture(scope="session")
def pebble(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    """One authority for all tests of the session."""
    with running_pebble(tmp_path_factory.mktemp("pebble")) as pebble:
        yield pebble


def bundled(machine: Machine) -> Machine:
    """A machine that has the runtime, as it lies here."""
    (machine.disk / "opt/garret").mkdir(parents=True)
    (machine.disk / "opt/garret/current").symlink_to(Path(garret.__file__).resolve().parents[1])
    return machine


@pytest.fixture(scope="session")
def certbot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """certbot, installed as a node installs it; the folder of environments."""
    machine = bundled(Machine(tmp_path_factory.mktemp("certbot") / "disk"))
    node = replace(whole(machine), retry_pause_s=0.01)
    try:
        ensure_client(node)
    except StepFailed as failed:
        pytest.skip(f"certbot cannot be installed here: {failed}")
    return node.host.path(ENVIRONMENTS)


@pytest.fixture
def metadata() -> Iterator[str]:
    """What the cloud says to a node of its public address: that of loopback."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self._say("a-token")

        def do_GET(self) -> None:
            self._say({"eipv4": "127.0.0.1", "instance-id": "i-1"}.get(self.path.rpartition("/")[2], ""))

        def _say(self, text: str) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def open_machine() -> Iterator[Machine]:
    """A machine into which nginx's own user can look."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        machine = bundled(Machine(Path(folder) / "disk"))
        yield machine
        pid = machine.disk / "run/nginx.pid"
        if pid.is_file() and pid.read_text().strip():
            os.kill(int(pid.read_text()), signal.SIGTERM)
            wait(lambda: not pid.exists(), 10, "nginx to end")


def node_on(machine: Machine, metadata: str, challenge_port: int, **changes: object) -> Node:
    """A machine with nginx that answers, and one more port for challenges."""
    program(machine, "nginx", f'exec {NGINX} "$@"')
    program(machine, "systemctl", SYSTEMCTL.format(disk=machine.disk))
    for folder in ("run", "var/log/nginx", "var/lib/nginx"):
        (machine.disk / folder).mkdir(parents=True, exist_ok=True)
    machine.environment["GARRET_METADATA_URL"] = metadata
    node = whole(machine, acme=True, **changes)
    node.challenge_listen = f"127.0.0.1:{challenge_port}"
    ensure_certificate(node)
    ensure_front(node)
    return node


@pytest.fixture
def node(open_machine: Machine, pebble: Pebble, certbot: Path, metadata: str) -> Node:
    """A node that is to have a certificate for a name, with everything there but the A record."""
    (open_machine.disk / "opt/garret/acme").symlink_to(certbot)
    node = node_on(
        open_machine, metadata, pebble.challenge_port, domain=NAME, acme_server=pebble.directory, acme_ca=True
    )
    node.host.write(AUTHORITIES, pebble.ca, 0o600)
    ensure_acme(node)
    pebble.point(NAME, "127.0.0.1")
    return node


@pytest.fixture
def plain(open_machine: Machine, metadata: str) -> Node:
    """A node whose authority does not matter."""
    return node_on(open_machine, metadata, free_port(), domain=NAME)
