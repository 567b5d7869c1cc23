"""An authority that is out of order or has had enough of us: real certbot, and a server that plays each of them."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from garret.image_bootstrap.acme.client import ask_for_certificate, ensure_client
from garret.image_bootstrap.acme.state import AUTHORITIES
from garret.image_bootstrap.first_stage import StepFailed
from garret.image_bootstrap.steps import Node
from tests.image_bootstrap.acme.conftest import bundled
from tests.image_bootstrap.machine import Machine
from tests.image_bootstrap.test_front_steps import whole
from tests.service_runtime.living import certificate

LIMIT = "too many failed authorizations (5) for pictures.example.com in the last 1h0m0s, retry after 12:30:00 UTC"


@contextmanager
def refusing(folder: Path, busy: bool) -> Iterator[tuple[str, str]]:
    """A directory whose server answers 503 to everything, or (`busy`) 429 to every wish; and its certificate (PEM)."""
    file, key = certificate(folder, "authority")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            names = ("newNonce", "newAccount", "newOrder", "revokeCert", "keyChange")
            self._say(200 if busy else 503, {name: f"{base}/{name}" for name in names}, "application/json")

        def do_HEAD(self) -> None:
            self._say(200, {}, "application/json")

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            problem = {"type": "urn:ietf:params:acme:error:rateLimited", "detail": LIMIT, "status": 429}
            self._say(429, problem, "application/problem+json")

        def _say(self, status: int, value: object, kind: str) -> None:
            body = b"" if self.command == "HEAD" else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Replay-Nonce", "abcdefgh")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    base = f"https://127.0.0.1:{server.server_port}"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"{base}/directory", file.read_text()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def node(machine: Machine, certbot: Path) -> Node:
    """A node that has certbot."""
    bundled(machine)
    (machine.disk / "opt/garret/acme").symlink_to(certbot)
    return whole(machine)


@pytest.mark.parametrize(("busy", "why"), [(True, LIMIT), (False, "Unable to register an account with ACME server")])
def test_the_reason_is_the_authoritys_own(busy: bool, why: str, node: Node, tmp_path: Path) -> None:
    """A limit says when to come again; of a server that is down certbot says no more than this."""
    with refusing(tmp_path, busy) as (directory, ca):
        asking = replace(node, config=replace(node.config, acme_server=directory, acme_ca=True))
        asking.host.write(AUTHORITIES, ca, 0o600)
        folder = tmp_path / "fresh"
        with pytest.raises(StepFailed) as caught:
            ask_for_certificate(asking, ensure_client(asking), "pictures.example.com", folder)
    assert why in str(caught.value)
    assert not (folder / "fullchain.pem").exists()
