"""Hubs on loopback: files under their paths, and what each hub's API says of them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Hub:
    """What is served, by path without its query; `asked` has each request's target, and its Authorization."""

    port: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def say(self, path: str, value: object) -> None:
        """Answer a path with JSON."""
        self.files[path] = json.dumps(value).encode()

    def count(self, path: str) -> int:
        """How often a path was asked for."""
        return sum(target.partition("?")[0] == path for target, _ in self.asked)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_GET(self) -> None:
        """Answer with a file, or a part of it."""
        self.close_connection = True
        self.hub.asked.append((self.path, self.headers.get("Authorization", "")))
        path = self.path.partition("?")[0]
        body = self.hub.files.get(path)
        status = self.hub.statuses.get(path, 200 if body is not None else 404)
        span = self.headers.get("Range", "")
        if status == 200 and body and span:
            begin, _, end = span.removeprefix("bytes=").partition("-")
            last = min(int(end) if end else len(body) - 1, len(body) - 1)
            self._send(206, body[int(begin) : last + 1], f"bytes {begin}-{last}/{len(body)}")
        else:
            self._send(status, (body or b"") if status == 200 else b"")

    def do_PUT(self) -> None:
        """A token of the metadata service."""
        self.close_connection = True
        self._send(200, b"a token")

    def _send(self, status: int, body: bytes, span: str = "") -> None:
        with suppress(ConnectionError):
            self.send_response(status)
            self.send_header("ETag", '"one"')
            self.send_header("Content-Length", str(len(body)))
            if span:
                self.send_header("Content-Range", span)
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving_hub() -> Iterator[Hub]:
    """Run the server until the end of the block."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
