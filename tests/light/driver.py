"""A node of no weight: it takes the runtime, signals its stack, and answers as a service does; nothing truly boots."""

from __future__ import annotations

import hashlib
import json
import shlex
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from garret.local_cloud.core import Cloud
from garret.local_cloud.nodes.cloud_config import parse_cloud_config
from garret.local_cloud.nodes.driver import NodeRequest, RunResult
from garret.local_cloud.ros.waitcondition import handle
from tests.local_cloud.house import PaperDriver

PICTURE = b"\x89PNG\r\n\x1a\n a picture"


@dataclass
class LightDriver(PaperDriver):
    """Nodes on paper that do what the stack waits for; `says` is the FAILURE that they signal instead, if any.

    A `shut` service knows nobody; `told` is what it was told of its autostop.
    """

    name: str = "light"
    proves: str = "how garret and the cloud go about nodes; nothing about the nodes themselves"
    cloud: Cloud | None = None
    says: str = ""
    silent: bool = False
    shut: bool = False
    told: list[dict[str, Any]] = field(default_factory=list)
    answers: Callable[[bytes], RunResult] = lambda _: RunResult(1, b"no such file\n")
    _promised: dict[str, tuple[str, str]] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)
    _busy: threading.RLock = field(default_factory=threading.RLock)

    def create(self, node: NodeRequest) -> None:
        """Read from the user-data which runtime is promised, and whom to signal."""
        super().create(node)
        if not node.user_data.strip():
            return
        files = {file.path: file.content for file in parse_cloud_config(node.user_data).files}
        told = [text for path, text in files.items() if path.endswith("node.json")]
        # A node made of another's disk is told nothing: all is there, and it signals when it has booted.
        config = json.loads(told[0]) if told else {"bundle_sha256": ""}
        signal = next(text for path, text in files.items() if path.endswith("/signal"))
        self._promised[node.instance_id] = config["bundle_sha256"], signal.decode()

    def boot(self, instance_id: str) -> None:
        """Come up; a node that has all it needs says so at its first boot."""
        super().boot(instance_id)
        digest, signal = self._promised.get(instance_id, ("-", ""))
        if not digest and instance_id not in self._told and not self.silent:
            self._told.add(instance_id)
            self._signal(signal)

    def run(
        self, instance_id: str, command: bytes, timeout_s: int, user: str, directory: str, *, name: str = ""
    ) -> RunResult:
        """Answer a command as the test says."""
        super().run(instance_id, command, timeout_s, user, directory, name=name)
        return self.answers(command)

    def put(
        self,
        instance_id: str,
        path: str,
        content: bytes,
        mode: int,
        overwrite: bool,
        *,
        owner: str = "root",
        group: str = "root",
    ) -> None:
        """Take a file; with the last piece of the runtime the node is up, and says so."""
        with self._busy:
            super().put(instance_id, path, content, mode, overwrite, owner=owner, group=group)
            digest, signal = self._promised.get(instance_id, ("", ""))
            if not digest or instance_id in self._told or self.silent:
                return
            names = sorted(name for node, name in self.files if node == instance_id and digest in name)
            whole = b"".join(self.files[instance_id, name][0] for name in names)
            if hashlib.sha256(whole).hexdigest() != digest:
                return
            self._told.add(instance_id)
        self._signal(signal)

    def destroy(self, instance_id: str) -> None:
        """Forget the node and what lay on it."""
        with self._busy:
            super().destroy(instance_id)
            self.addresses.pop(instance_id, None)
            for key in [key for key in self.files if key[0] == instance_id]:
                del self.files[key]

    def serving(self, address: str) -> bool:
        """Say whether the node that has this address runs."""
        return any(public == address and node in self.running for node, public in list(self.addresses.items()))

    def _signal(self, command: str) -> None:
        assert self.cloud is not None
        words = shlex.split(command)
        address = next(word for word in words if word.startswith("http"))
        facts = json.dumps({"service": {"port": 1, "scheme": "http"}, "tls_sha256": ""})
        status = "FAILURE" if self.says else "SUCCESS"
        body = json.dumps({"status": status, "reason": self.says, "id": "node", "data": facts}).encode()
        handle(self.cloud, dict(parse_qsl(urlsplit(address).query)), body)


@contextmanager
def service_of(driver: LightDriver) -> Iterator[int]:
    """One service for all nodes of a driver: it answers where a node runs, and hangs up elsewhere; its port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if "/pictures/" in self.path:
                self._send(PICTURE)
            else:
                self._reply({"status": "ok"})

        def do_PUT(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path == "/machine/autostop":
                driver.told.append(body)
            self._reply({"stops_in_s": None, "after_s": 3600.0, **{k: v for k, v in body.items() if k != "idle_s"}})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            pictures = [{"number": number, "url": ""} for number in range(body.get("n_iter", 1))]
            job = {"id": "1", "url": "/v1/jobs/1", "state": "Success", "ended_at": 1.0, "pictures": pictures}
            self._reply(job)

        def _reply(self, value: object) -> None:
            self._send(json.dumps(value).encode())

        def _send(self, data: bytes) -> None:
            if not driver.serving(self.connection.getsockname()[0]):
                self.close_connection = True
                return
            self.send_response(401 if driver.shut else 200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A caller that was killed is no fault of the test."""

    # Every address: nodes have addresses of their own, all of them this machine's.
    server = Server(("0.0.0.0", 0), Handler)  # noqa: S104
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
