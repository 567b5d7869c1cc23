"""A web server on loopback that holds a file and misbehaves on demand."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Reply = Callable[["Request"], None]


class Request(BaseHTTPRequestHandler):
    """One request; the shelf's next reply answers it."""

    protocol_version = "HTTP/1.1"
    shelf: Shelf

    def do_GET(self) -> None:
        """Answer with the next reply, else as a good server does."""
        self.close_connection = True
        self.shelf.asked.append({name.lower(): value for name, value in self.headers.items()} | {"path": self.path})
        # A client that has enough, or was killed, hangs up in the middle.
        with suppress(ConnectionError):
            (self.shelf.replies.pop(0) if self.shelf.replies else whole)(self)

    def send(self, status: int, body: bytes, **headers: str) -> None:
        """Send a reply with its length, unless the headers give another."""
        self.send_response(status)
        given = {name.replace("_", "-").lower(): value for name, value in headers.items()}
        for name, value in {"content-length": str(len(body)), **given}.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@dataclass
class Shelf:
    """The file, its version, what was asked, and the replies to come."""

    content: bytes = field(repr=False)
    etag: str = '"one"'
    port: int = 0
    asked: list[dict[str, str]] = field(default_factory=list, repr=False)
    replies: list[Reply] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The file's address."""
        return f"http://127.0.0.1:{self.port}/files/model.safetensors"


def asked_span(request: Request) -> tuple[int, int] | None:
    """Return the bytes that are asked for, from the first to the one after the last; None for all of them."""
    text, version = request.headers.get("Range", ""), request.headers.get("If-Range", "")
    if not text or (version and version != request.shelf.etag):
        return None
    begin, _, last = text.removeprefix("bytes=").partition("-")
    size = len(request.shelf.content)
    return int(begin), min(int(last) + 1, size) if last else size


def whole(request: Request) -> None:
    """Answer as a good server: ranges when the version is still the same."""
    send_span(request, None)


def cut(after: int) -> Reply:
    """Break the connection off after so many bytes of what was asked for."""
    return lambda request: send_span(request, after)


def send_span(request: Request, after: int | None) -> None:
    """Answer with what was asked for, or the beginning of it."""
    shelf, span = request.shelf, asked_span(request)
    size = len(shelf.content)
    if span is None:
        begin, end, headers = 0, size, {}
    else:
        begin, end = span
        headers = {"Content_Range": f"bytes {begin}-{end - 1}/{size}"}
    if begin >= end and span is not None:
        request.send(416, b"", Content_Range=f"bytes */{size}")
        return
    body = shelf.content[begin:end]
    request.send(206 if span else 200, body[:after], ETag=shelf.etag, Content_Length=str(len(body)), **headers)


def answer(status: int, body: bytes = b"", **headers: str) -> Reply:
    """Give a fixed answer."""
    return lambda request: request.send(status, body, **headers)


@contextmanager
def serving_shelf(content: bytes, tls: ssl.SSLContext | None = None) -> Iterator[Shelf]:
    """Run the server until the end of the block, over TLS when given a context."""
    shelf = Shelf(content)
    handler = type("Handler", (Request,), {"shelf": shelf})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    shelf.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield shelf
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
