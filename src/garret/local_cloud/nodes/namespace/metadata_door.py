"""100.100.100.200 in a VPC: HTTP in front of what the cloud knows of each instance."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn

from garret.local_cloud.nodes.driver import Metadata

ADDRESS = "100.100.100.200"


class MetadataDoor(ThreadingMixIn, HTTPServer):
    """Answers on a socket of a VPC; who asks is known by the address it asks from."""

    daemon_threads = True

    def __init__(self, listener: socket.socket, vpc_id: str, answer: Metadata) -> None:
        super().__init__(("", 0), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.server_name, self.server_port = ADDRESS, 80
        self.vpc_id, self.answer = vpc_id, answer
        self._thread = threading.Thread(target=self.serve_forever, args=(0.2,), name=f"metadata {vpc_id}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    server: MetadataDoor

    def do_GET(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        size = self.headers.get("Content-Length", "0")
        self.rfile.read(min(int(size), 65_536) if size.isdigit() else 0)
        self._answer()

    def _answer(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        source = str(self.client_address[0])
        status, content = self.server.answer(self.server.vpc_id, source, self.command, self.path, headers)
        body = content.encode() if isinstance(content, str) else content
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing: the server's log is for trouble."""
