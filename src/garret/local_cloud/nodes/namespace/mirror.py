"""A package index of a folder of wheels, as the vendor's mirror answers inside a VPC: read-only HTTP, PEP 503 and 691.

/pypi/simple/             the names of all projects
/pypi/simple/NAME/        the files of one, each with its SHA-256
/pypi/files/FILE          a wheel, whole or in part (Range)
"""

from __future__ import annotations

import html
import json
import re
import socket
import socketserver
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, unquote, urlsplit

from garret.local_cloud.nodes.namespace.wheelhouse import Wheelhouse

PREFIX = "/pypi"
JSON = "application/vnd.pypi.simple.v1+json"
HTML = "text/html; charset=utf-8"
IDLE_S = 60.0
"""A connection that says nothing for so long is closed."""


class Mirror:
    """Answers on sockets that are handed in, each listening already; one thread per connection."""

    def __init__(self, wheelhouse: Wheelhouse) -> None:
        self._wheelhouse = wheelhouse
        self._projects: dict[str, list[str]] = {}
        for name in sorted(wheelhouse.files):
            self._projects.setdefault(normalized(name.partition("-")[0]), []).append(name)
        self._stops: list[Callable[[], None]] = []

    def serve(self, listening: socket.socket) -> Callable[[], None]:
        """Answer on a listening stream socket from now on, which is ours to close; call what is returned to stop."""
        server = _Server(listening, self)
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.2}, name="mirror", daemon=True
        )
        thread.start()

        def stop() -> None:
            if stop in self._stops:
                self._stops.remove(stop)
                server.shutdown()
                thread.join()
                server.server_close()

        self._stops.append(stop)
        return stop

    def close(self) -> None:
        """Stop answering, on every socket."""
        for stop in list(self._stops):
            stop()

    def __enter__(self) -> Self:
        """Nothing yet: `serve` says where."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.close()

    def page(self, path: str, wants_json: bool) -> tuple[str, bytes] | None:
        """Content type and body of an index page; None when there is none at this path."""
        where = re.fullmatch(rf"{PREFIX}/simple/(?:([A-Za-z0-9._-]+)/?)?", path)
        if where is None:
            return None
        if where[1] is None:
            return _front(list(self._projects), wants_json)
        files = self._projects.get(normalized(where[1]))
        if files is None:
            return None
        return _project(normalized(where[1]), {name: self._wheelhouse.files[name] for name in files}, wants_json)

    def digest(self, name: str) -> str:
        """A wheel's SHA-256."""
        return self._wheelhouse.files[name]

    def file(self, path: str) -> Path | None:
        """The wheel at this path, or None."""
        name = unquote(path.removeprefix(f"{PREFIX}/files/"))
        known = path.startswith(f"{PREFIX}/files/") and name in self._wheelhouse.files
        return self._wheelhouse.folder / name if known else None


def normalized(name: str) -> str:
    """A project's name as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _front(projects: list[str], wants_json: bool) -> tuple[str, bytes]:
    if wants_json:
        return _as_json({"projects": [{"name": name} for name in projects]})
    return _as_html("Simple index", [(f"{name}/", name) for name in projects])


def _project(project: str, files: dict[str, str], wants_json: bool) -> tuple[str, bytes]:
    links = {name: f"../../files/{quote(name)}" for name in files}
    if wants_json:
        listed = [
            {"filename": name, "url": links[name], "hashes": {"sha256": digest}} for name, digest in files.items()
        ]
        return _as_json({"name": project, "files": listed})
    return _as_html(f"Links for {project}", [(f"{links[name]}#sha256={files[name]}", name) for name in files])


def _as_json(content: dict[str, Any]) -> tuple[str, bytes]:
    return JSON, json.dumps({"meta": {"api-version": "1.0"}, **content}).encode()


def _as_html(title: str, links: list[tuple[str, str]]) -> tuple[str, bytes]:
    lines = "".join(f'<a href="{html.escape(to)}">{html.escape(text)}</a><br>\n' for to, text in links)
    head = f'<meta name="pypi:repository-version" content="1.0"><title>{html.escape(title)}</title>'
    return HTML, f"<!DOCTYPE html><html><head>{head}</head><body>\n{lines}</body></html>\n".encode()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, listening: socket.socket, mirror: Mirror) -> None:
        super().__init__(("", 0), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.mirror = mirror

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_S
    server: _Server

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass

    def _answer(self, body: bool) -> None:
        path = urlsplit(self.path).path
        found = self.server.mirror.file(path)
        if found is not None:
            self._send_file(found, body)
            return
        page = self.server.mirror.page(path, wants_json=JSON in self.headers.get("Accept", ""))
        kind, content = page or ("text/plain; charset=utf-8", b"The local cloud's mirror has no such page.\n")
        self.send_response(200 if page else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Vary", "Accept")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def _send_file(self, path: Path, body: bool) -> None:
        size = path.stat().st_size
        part = byte_range(self.headers.get("Range", ""), size)
        if part == (0, 0):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start, end = part or (0, size)
        self.send_response(206 if part else 200)
        if part:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", f'"{self.server.mirror.digest(path.name)}"')
        self.send_header("Content-Length", str(end - start))
        self.end_headers()
        if body:
            with path.open("rb") as file:
                self.connection.sendfile(file, start, end - start)


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last; None for the whole file, (0, 0) when nothing of the file is asked for."""
    asked = re.fullmatch(r"bytes=(\d*)-(\d*)", header.strip())
    if asked is None or asked[0] == "bytes=-":
        return None
    if not asked[1]:
        start, end = max(0, size - int(asked[2])), size
    else:
        start, end = int(asked[1]), min(size, int(asked[2]) + 1) if asked[2] else size
    return (start, end) if start < end else (0, 0)
