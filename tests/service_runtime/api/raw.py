"""A server that says exactly the bytes it was told to, one answer for each connection, with TLS or without."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Raw:
    """Where it is; the answers that are left, of which the last is given again and again; and what it was asked."""

    url: str
    answers: list[bytes]
    asked: list[bytes] = field(default_factory=list)
    connections: int = 0
    closed: int = 0

    @property
    def lines(self) -> list[str]:
        """The first lines of what it was asked."""
        return [one.split(b"\r\n", 1)[0].decode().removesuffix(" HTTP/1.1") for one in self.asked]

    def headers(self, name: str) -> list[str]:
        """The values of a header in all requests."""
        found = []
        for one in self.asked:
            for line in one.split(b"\r\n\r\n", 1)[0].decode().split("\r\n")[1:]:
                key, _, value = line.partition(": ")
                if key.lower() == name:
                    found.append(value)
        return found

    def next(self) -> bytes:
        """The next answer."""
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def http(body: bytes, status: str = "200 OK", *headers: str, length: int | None = None) -> bytes:
    """An answer in the bytes of HTTP, which does not say that the connection ends; `length` is said in its place."""
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body) if length is None else length}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


@contextmanager
def raw_server(*answers: bytes, context: ssl.SSLContext | None = None, keeps: bool = False) -> Iterator[Raw]:
    """Run such a server until the end of the block; one that `keeps` connections answers on each as often as asked."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        scheme = "https" if context else "http"
        raw = Raw(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}", list(answers))
        thread = threading.Thread(target=_serve, args=(listener, raw, context, keeps))
        thread.start()
        try:
            yield raw
        finally:
            # Wakes accept(), which closing the socket from here would not.
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(listener: socket.socket, raw: Raw, context: ssl.SSLContext | None, keeps: bool) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        raw.connections += 1
        # A client that hangs up in the handshake is what some tests are about.
        with suppress(OSError), connection:
            connection.settimeout(10)
            if context is None:
                while _answer(connection, raw) and keeps:
                    pass
            else:
                with context.wrap_socket(connection, server_side=True) as secured:
                    _answer(secured, raw)
        raw.closed += 1


def _answer(connection: socket.socket, raw: Raw) -> bool:
    asked = b""
    # Who speaks TLS here waits for an answer in it, and gets one at once.
    while b"\r\n\r\n" not in asked and not asked.startswith(b"\x16\x03"):
        piece = connection.recv(65536)
        if not piece:
            return False
        asked += piece
    head, _, body = asked.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    raw.asked.append(head + b"\r\n\r\n" + body)
    connection.sendall(raw.next())
    return True
