"""nginx on loopback with one folder, each connection slowed down by the kernel when that is wanted."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SO_MAX_PACING_RATE = 47
_CONFIGURATION = """
daemon off; pid {work}/pid; error_log {work}/error.log; worker_processes 2; user root;
events {{ worker_connections 64; }}
http {{
  sendfile on; tcp_nopush on; keepalive_requests 100000; log_format sent "$body_bytes_sent";
  access_log {work}/sent.log sent;
  client_body_temp_path {work}/a; proxy_temp_path {work}/b; fastcgi_temp_path {work}/c;
  uwsgi_temp_path {work}/d; scgi_temp_path {work}/e;
  server {{ listen 127.0.0.1:{port}; root {root}; {more} }}
}}
"""


@dataclass(frozen=True)
class Nginx:
    """A running server."""

    port: int
    work: Path

    def url(self, name: str) -> str:
        """Return a file's address."""
        return f"http://127.0.0.1:{self.port}/{name}"

    def sent(self) -> int:
        """Return how many bytes of bodies it has put on the wire, also those that nobody took off it."""
        log = self.work / "sent.log"
        return sum(map(int, log.read_text("ascii").split())) if log.exists() else 0


@contextmanager
def nginx(root: Path, work: Path, bytes_per_s: int = 0, more: str = "") -> Iterator[Nginx]:
    """Serve a folder; a rate is kept by the kernel for each connection, whatever is asked over it."""
    work.mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        listening.setblocking(False)  # as nginx takes for granted
        if bytes_per_s:
            # Accepted connections inherit it; nginx's own limit_rate grants each request a second's bytes at once.
            listening.setsockopt(socket.SOL_SOCKET, _SO_MAX_PACING_RATE, bytes_per_s)
        port = listening.getsockname()[1]
        file = work / "nginx.conf"
        file.write_text(_CONFIGURATION.format(work=work, port=port, root=root, more=more), "ascii")
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        command = [program, "-c", str(file), "-p", str(work), "-e", str(work / "error.log")]
        inherited = {"NGINX": f"{listening.fileno()};"}
        process = subprocess.Popen(command, env=inherited, pass_fds=[listening.fileno()])
    try:
        # The kernel lets connections wait until it accepts them.
        yield Nginx(port, work)
    finally:
        process.terminate()
        process.wait()
