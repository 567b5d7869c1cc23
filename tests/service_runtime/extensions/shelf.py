"""Where extensions come from, on loopback: files, an index of packages as pip reads it, and git over HTTP."""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


class Shelf:
    """What is served: `files` by path, `wheels` by file name, and bare repositories in `repositories`."""

    def __init__(self, folder: Path) -> None:
        self.files: dict[str, bytes] = {}
        self.wheels: dict[str, bytes] = {}
        self.repositories = folder
        self.url = ""
        self.asked: list[str] = []

    @property
    def index(self) -> str:
        """The index's address for pip."""
        return f"{self.url}/simple/"

    def add(self, name: str, content: bytes) -> str:
        """Serve a file and return its address."""
        self.files[f"/{name}"] = content
        return f"{self.url}/{name}"

    def repository(self, name: str, files: Mapping[str, bytes], links: Mapping[str, str] = {}) -> tuple[str, str]:
        """Make a repository with one commit more; return its address and the commit."""
        bare, work = self.repositories / f"{name}.git", self.repositories / f"{name}-work"
        if not bare.exists():
            _git("init", "-q", "--bare", "-b", "main", str(bare))
            _git("config", "uploadpack.allowReachableSHA1InWant", "true", folder=bare)
            _git("clone", "-q", str(bare), str(work))
        for path, content in files.items():
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            (work / path).write_bytes(content)
        for path, target in links.items():
            (work / path).symlink_to(target)
        _git("add", "-A", folder=work)
        _git("commit", "-q", "-m", "one more", folder=work)
        _git("push", "-q", "origin", "HEAD:main", folder=work)
        return f"{self.url}/git/{name}.git", _git("rev-parse", "HEAD", folder=work).strip()


def _git(*words: str, folder: Path | None = None) -> str:
    who = ["-c", "user.name=tests", "-c", "user.email=tests@example.com"]
    done = subprocess.run(["git", *who, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


@contextmanager
def serving(folder: Path) -> Iterator[Shelf]:
    """Serve until the end of the block."""
    folder.mkdir(exist_ok=True)
    shelf = Shelf(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shelf.asked.append(self.path)
            path = urlsplit(self.path).path
            if path.startswith("/git/"):
                self._git()
            elif path.startswith("/simple/"):
                self._index(path.split("/")[2])
            else:
                name = path.rpartition("/")[2]
                self._answer(shelf.files.get(path) or shelf.wheels.get(name))

        do_POST = do_GET  # noqa: N815  (the base class's name)

        def _index(self, package: str) -> None:
            prefix = package.replace("-", "_") + "-"
            links = [
                f'<a href="/wheels/{name}#sha256={hashlib.sha256(content).hexdigest()}">{name}</a>'
                for name, content in shelf.wheels.items()
                if name.startswith(prefix)
            ]
            self._answer("<br>".join(links).encode() or None, "text/html")

        def _answer(self, content: bytes | None, kind: str = "application/octet-stream") -> None:
            self.send_response(404 if content is None else 200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def _git(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            environment: dict[str, Any] = {
                **os.environ, "GIT_PROJECT_ROOT": str(folder), "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": parts.path.removeprefix("/git"), "QUERY_STRING": parts.query,
                "REQUEST_METHOD": self.command, "CONTENT_TYPE": self.headers.get("content-type", ""),
                "GIT_PROTOCOL": self.headers.get("git-protocol", ""), "REMOTE_ADDR": "127.0.0.1",
                "HTTP_CONTENT_ENCODING": self.headers.get("content-encoding", ""),
            }  # fmt: skip
            done = subprocess.run(
                ["git", "http-backend"], env=environment, input=body, capture_output=True, check=False
            )
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            fields = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
            self.send_response(int(fields.pop("Status", "200 OK").split()[0]))
            for name, value in fields.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    shelf.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield shelf
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
