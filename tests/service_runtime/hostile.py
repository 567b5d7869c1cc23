"""A web server on loopback that does to a download whatever the network, its own bugs or bad people would."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Fault = Callable[["Asked"], None]
PIECE = 16 << 10


class Asked(BaseHTTPRequestHandler):
    """One request; the next fault answers it, else the truth. Connections are kept."""

    protocol_version = "HTTP/1.1"
    hostile: Hostile

    def setup(self) -> None:
        """Count the connections."""
        super().setup()
        with self.hostile.lock:
            self.hostile.connections += 1

    def do_GET(self) -> None:
        """Answer."""
        with suppress(ConnectionError):
            self.hostile.next_fault()(self)

    def span(self) -> tuple[int, int] | None:
        """The bytes asked for, None for all; a version that is not the present one asks for all."""
        text, version = self.headers.get("Range", ""), self.headers.get("If-Range", "")
        if not text or (version and version != self.hostile.etag):
            return None
        begin, _, last = text.removeprefix("bytes=").partition("-")
        return int(begin), min(int(last) + 1, len(self.hostile.content))

    def head(self, status: int, length: int, **headers: str) -> None:
        """Send the head of a reply."""
        self.send_response(status)
        for name, value in {"Content-Length": str(length), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def bytes(self, data: bytes) -> None:
        """Send a body, as far as somebody takes it."""
        for at in range(0, len(data), PIECE):
            self.wfile.write(data[at : at + PIECE])
            self.hostile.came(len(data[at : at + PIECE]))

    def truth(self, status: int | None = None, **wrong: str) -> bytes:
        """Send the right head, but for what is given, and return the right body."""
        hostile, span = self.hostile, self.span()
        begin, end = span or (0, len(hostile.content))
        place = {"Content_Range": f"bytes {begin}-{end - 1}/{len(hostile.content)}"} if span else {}
        self.head(status or (206 if span else 200), end - begin, **{"ETag": hostile.etag, **place, **wrong})
        return hostile.content[begin:end]

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@dataclass
class Hostile:
    """The file, its version, and the faults to come, one a request."""

    content: bytes = field(repr=False)
    etag: str = '"0"'
    port: int = 0
    sent: int = 0
    requests: int = 0
    connections: int = 0
    faults: list[Fault] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """The file's address."""
        return f"http://127.0.0.1:{self.port}/files/model.safetensors"

    def next_fault(self) -> Fault:
        """Take what comes next."""
        with self.lock:
            self.requests += 1
            return self.faults.pop(0) if self.faults else honest

    def came(self, count: int) -> None:
        """Count what was sent."""
        with self.lock:
            self.sent += count


def honest(asked: Asked) -> None:
    """Answer as a good server."""
    asked.bytes(asked.truth())


def cut(after: int) -> Fault:
    """Hang up after so many bytes."""

    def fault(asked: Asked) -> None:
        asked.close_connection = True
        asked.bytes(asked.truth()[:after])

    return fault


def stall(after: int) -> Fault:
    """Say nothing more after so many bytes."""

    def fault(asked: Asked) -> None:
        asked.close_connection = True
        asked.bytes(asked.truth()[:after])
        asked.wfile.flush()
        asked.hostile.over.wait(5)

    return fault


def whole_file(asked: Asked) -> None:
    """Answer a range with everything."""
    del asked.headers["Range"]
    asked.bytes(asked.truth())


def another_place(asked: Asked) -> None:
    """Say that other bytes are sent than were asked for."""
    size = len(asked.hostile.content)
    asked.close_connection = True
    asked.bytes(asked.truth(Content_Range=f"bytes 1-{size - 1}/{size}"))


def another_size(asked: Asked) -> None:
    """Say that the file has another size."""
    begin, end = asked.span() or (0, len(asked.hostile.content))
    asked.bytes(asked.truth(Content_Range=f"bytes {begin}-{end - 1}/{len(asked.hostile.content) + 7}"))


def status(code: int, **headers: str) -> Fault:
    """Answer with a status and a little text."""

    def fault(asked: Asked) -> None:
        asked.head(code, 6, **headers)
        asked.wfile.write(b"sorry\n")

    return fault


def page(body: bytes, content_type: str) -> Fault:
    """Answer 200 with something else than a model."""

    def fault(asked: Asked) -> None:
        asked.head(200, len(body), Content_Type=content_type)
        asked.wfile.write(body)

    return fault


def too_long(asked: Asked) -> None:
    """Announce more bytes than come."""
    data = asked.truth()
    asked.close_connection = True
    asked.bytes(data[: len(data) // 2])


def garbage(asked: Asked) -> None:
    """No HTTP at all."""
    asked.close_connection = True
    asked.wfile.write(b"\x00\xff\x13\x37" * 20)


class QuietServer(ThreadingHTTPServer):
    """Clients that are killed or have enough are its daily bread."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that went away."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


@contextmanager
def serving(content: bytes) -> Iterator[Hostile]:
    """Run the server until the end of the block."""
    hostile = Hostile(content)
    handler = type("Handler", (Asked,), {"hostile": hostile})
    server = QuietServer(("127.0.0.1", 0), handler)
    hostile.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hostile
    finally:
        hostile.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
