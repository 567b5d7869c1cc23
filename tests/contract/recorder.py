"""A door before a cloud on loopback: passes every request on as it is, and writes down what no API table allows."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.contract.checker import Request, faults

HOP = ("connection", "keep-alive", "transfer-encoding", "content-length")


@dataclass
class Record:
    """What came by: the actions in order, and the faults found in them."""

    url: str = ""
    actions: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def take(self, request: Request) -> None:
        """Hold one request against the tables."""
        self.actions.append(request.action)
        self.faults += faults(request)


@contextmanager
def recording(upstream: Callable[[], str]) -> Iterator[Record]:
    """Serve on a free port; `upstream` says where the cloud is, each time somebody asks."""
    record = Record()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            record.take(Request(urlsplit(self.path).query, {k.lower(): v for k, v in self.headers.items()}, body))
            there = urlsplit(upstream())
            connection = http.client.HTTPConnection(there.hostname or "", there.port or 80, timeout=60)
            try:
                connection.putrequest("POST", self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    connection.putheader(name, value)
                connection.endheaders(body)
                reply = connection.getresponse()
                answer = reply.read()
            except (OSError, http.client.HTTPException):  # the cloud hung up, or is not there: so do we
                self.close_connection = True
                return
            finally:
                connection.close()
            self.send_response_only(reply.status)
            for name, value in reply.headers.items():
                if name.lower() not in HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that is killed in the middle of a call is what some flows are about."""

    server = Server(("127.0.0.1", 0), Handler)
    record.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield record
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
