"""A server on loopback that answers the real SDKs with what a test put there, and keeps what they sent."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.contract.checker import Request

REQUEST_ID = "4C3B9A5E-0000-4000-8000-000000000001"


@dataclass(frozen=True)
class Sent:
    """One request as it came over the wire."""

    action: str
    parameters: dict[str, str]
    headers: dict[str, str]


@dataclass
class Vendor:
    """Answers by action, in the order given; the last answer stays."""

    url: str = ""
    answers: dict[str, list[tuple[int, Any]]] = field(default_factory=dict)
    sent: list[Sent] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    """Headers that every answer has; `Date` is as the server would say it unless it is here."""
    watch: Callable[[Request], None] = lambda _: None
    """Sees every request as it came."""

    def says(self, action: str, *bodies: dict[str, Any]) -> None:
        """Answer an action with these bodies, one after the other."""
        self.answers.setdefault(action, []).extend((200, {"RequestId": REQUEST_ID, **body}) for body in bodies)

    def refuses(self, action: str, code: str, message: str = "no", *, status: int = 400, times: int = 1) -> None:
        """Answer an action with an error, so many times."""
        body = {"Code": code, "Message": message, "RequestId": REQUEST_ID, "HostId": "loopback"}
        self.answers.setdefault(action, []).extend([(status, body)] * times)

    def breaks(self, action: str) -> None:
        """Take a request for this action and hang up without an answer."""
        self.answers.setdefault(action, []).append((0, None))

    def of(self, action: str) -> list[Sent]:
        """What was sent for one action."""
        return [sent for sent in self.sent if sent.action == action]

    def next_answer(self, action: str) -> tuple[int, Any]:
        """Take the next answer off the list."""
        queued = self.answers[action]
        return queued.pop(0) if len(queued) > 1 else queued[0]


@contextmanager
def vendor_server() -> Iterator[Vendor]:
    """Serve until the test ends."""
    vendor = Vendor()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parameters = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
            parameters |= dict(parse_qsl(body.decode(), keep_blank_values=True))
            headers = {name.lower(): value for name, value in self.headers.items()}
            vendor.watch(Request(urlsplit(self.path).query, headers, body))
            action = parameters.get("Action") or headers["x-acs-action"]
            vendor.sent.append(Sent(action, parameters, headers))
            status, reply = vendor.next_answer(action)
            if not status:
                self.connection.close()
                return
            data = json.dumps(reply).encode()
            self.send_response_only(status)
            for name, value in ({"Date": self.date_time_string()} | vendor.headers).items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """Hanging up on purpose is no fault of the test."""

    server = Server(("127.0.0.1", 0), Handler)
    vendor.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield vendor
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class StandingClock:
    """Time that passes only when somebody sleeps."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        """Seconds since the test began."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        self.slept.append(seconds)
        self.now += seconds
