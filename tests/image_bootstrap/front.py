"""A real nginx on loopback with our configuration, and a small service behind it that tells what it was sent."""

from __future__ import annotations

import base64
import hashlib
import http.client
import http.server
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from garret.image_bootstrap.nginx import Front, boot_page, front_config
from tests.image_bootstrap.machine import free_port
from tests.service_runtime.living import certificate, wait

NGINX = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not on this machine: apt-get install nginx")
WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def runnable(text: str, folder: Path) -> str:
    """Change a configuration so that whoever runs the tests can run it; as root there is nothing to change."""
    if os.geteuid() == 0:
        return text
    said = subprocess.run([str(NGINX), "-V"], capture_output=True, text=True, check=True).stderr
    kinds = [kind for kind in ("fastcgi", "uwsgi", "scgi") if f"--without-http_{kind}_module" not in said]
    places = "".join(f"    {kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    without_user = "\n".join(line for line in text.splitlines() if not line.startswith("user "))
    return without_user.replace("http {\n", f"http {{\n{places}", 1) + "\n"


@dataclass
class Reply:
    """One HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Running:
    """An nginx that listens."""

    folder: Path
    front: Front
    process: subprocess.Popen[bytes]

    @property
    def port(self) -> int:
        """Its port on 127.0.0.1."""
        return int(self.front.listen.rpartition(":")[2])

    @property
    def www(self) -> Path:
        """Where boot.json belongs."""
        return Path(self.front.www)

    def connect(self, source: str = "127.0.0.1", timeout: float = 20) -> http.client.HTTPSConnection:
        """A connection from an address of loopback."""
        return http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=timeout, context=trusting(), source_address=(source, 0)
        )

    def call(
        self, method: str, path: str, body: bytes | None = None, source: str = "127.0.0.1", **headers: str
    ) -> Reply:
        """Make one request."""
        connection = self.connect(source)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def is_up(self) -> bool:
        """Say whether it listens."""
        assert self.process.poll() is None, (self.folder / "nginx.out").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def trusting() -> ssl.SSLContext:
    """A client's side that trusts anybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # without the authorities, whose files take long to read
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def front_in(folder: Path, inner_port: int, **changes: Any) -> Front:
    """A front whose every path lies in a folder; its certificate is made."""
    for name in ("logs", "state", "www", "sites"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "www/index.html").write_text(boot_page(), "utf-8")
    file, key = certificate(folder, "front")
    paths = {name: str(folder / name) for name in ("logs", "state", "www", "sites")}
    values = {"listen": f"127.0.0.1:{free_port()}", "inner": f"127.0.0.1:{inner_port}", "user": "root", **paths}
    return Front(certificate=str(file), key=str(key), pid=str(folder / "nginx.pid"), **{**values, **changes})


@contextmanager
def running_front(folder: Path, inner_port: int, **changes: Any) -> Iterator[Running]:
    """Run nginx with our configuration until the end of the block."""
    front = front_in(folder, inner_port, **changes)
    config = folder / "nginx.conf"
    config.write_text(runnable(front_config(front), folder), "utf-8")
    with (folder / "nginx.out").open("wb") as out:
        process = subprocess.Popen([str(NGINX), "-c", str(config), "-g", "daemon off;"], stdout=out, stderr=out)
    running = Running(folder, front, process)
    try:
        wait(running.is_up, 10, "nginx to listen")
        yield running
    finally:
        process.terminate()
        process.wait(timeout=20)


class Echo(http.server.ThreadingHTTPServer):
    """The service behind the front: what it was sent is its answer; `ready` and `go` are turned by the tests."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, port: int = 0) -> None:
        self.ready, self.go = threading.Event(), threading.Event()
        self.ready.set()
        super().__init__(("127.0.0.1", port), _Handler)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Echo

    def do_GET(self) -> None:
        if self.path == "/stream":
            self._stream()
        elif self.path == "/socket":
            self._socket()
        elif self.path in ("/", "/boot.json", "/readyz") and not self.server.ready.is_set():
            self._send({"status": "starting"}, 503)
        elif self.path in ("/healthz", "/readyz"):
            self._send({"status": "ok"})
        elif self.path == "/busy":
            self._send({"errors": "of the service itself"}, 503)
        else:
            self._send({"headers": [list(pair) for pair in self.headers.items()], "from": self.path})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self._send({"bytes": len(body), "from": self.path})

    def _send(self, value: Any, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for text in (b"data: one\n\n", b"data: two\n\n"):
            self.wfile.write(f"{len(text):x}\r\n".encode() + text + b"\r\n")
            self.server.go.wait(20)
        self.wfile.write(b"0\r\n\r\n")

    def _socket(self) -> None:
        assert self.headers["Upgrade"] == "websocket"
        assert self.headers["Connection"].lower() == "upgrade"
        digest = hashlib.sha1((self.headers["Sec-WebSocket-Key"] + WEBSOCKET_GUID).encode()).digest()  # noqa: S324
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(digest).decode())
        self.end_headers()
        while data := self.connection.recv(4096):
            self.connection.sendall(data[::-1])
        self.close_connection = True

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def echo(port: int = 0) -> Iterator[Echo]:
    """Run the small service until the end of the block."""
    server = Echo(port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.go.set()
        server.shutdown()
        thread.join()
        server.server_close()


def percentile(values: list[float], share: float) -> float:
    """The value below which so large a share of the values lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def seconds_since(began: float) -> float:
    """Seconds on the clock that is never set back."""
    return time.monotonic() - began
