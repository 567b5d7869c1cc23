"""A folder that plays a fresh machine: it applies user-data as cloud-init does, and a small server plays the stack."""

from __future__ import annotations

import base64
import gzip
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

import garret
from garret.image_bootstrap.bundle import Bundle, build_bundle, chunks
from garret.image_bootstrap.node_config import NodeConfig
from garret.image_bootstrap.user_data import SIGNAL_PLACEHOLDER, build_user_data

PACKAGE = Path(garret.__file__).resolve().parent

TINY_SERVICE = """
import hashlib, http.server, json, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/healthz":
            self.say(200, {"status": "ok", "workers": 1})
        elif not self.known():
            self.say(401, {"errors": "wrong"})
        elif self.path.endswith("/pictures/0"):
            self.say(200, bytes([137]) + b"PNG\\r\\n" + bytes([26]) + b"\\n")
        else:
            self.say(200, {"status": "ready", "workers": 1})
    def do_DELETE(self):
        self.say(200, {"forgotten": True})
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        with open(os.environ["GARRET_PREFIX"] + "/pictures.log", "a") as log:
            log.write("1 pictures asked for\\n")
        done = {"id": "a", "state": "Success", "ended_at": 1.0}
        self.say(200 if self.known() else 401, done if self.known() else {"errors": "wrong"})
    def known(self):
        token = self.headers.get("Authorization", " ").partition(" ")[2].encode()
        return "sha256$" + hashlib.sha256(token).hexdigest() == os.environ["GARRET_SERVICE_NODE_TOKEN_HASH"]
    def say(self, status, value):
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *arguments):
        pass
where = (os.environ["GARRET_SERVICE_HOST"], int(os.environ["GARRET_SERVICE_PORT"]))
http.server.ThreadingHTTPServer(where, Handler).serve_forever()
"""


def tiny_bundle(folder: Path, service: str = TINY_SERVICE) -> Bundle:
    """The real bootstrap with a service that only answers /healthz, so that no torch is loaded here."""
    package = folder / "garret"
    shutil.copytree(PACKAGE / "image_bootstrap", package / "image_bootstrap")
    (package / "service_runtime").mkdir()
    shutil.copytree(PACKAGE / "service_runtime/sdxl_configuration", package / "service_runtime/sdxl_configuration")
    for name in (
        "__init__.py",
        "settings.py",
        "passwords.py",
        "known_models.py",
        "metadata.py",
        "model_sources.py",
        "sdxl_files.py",
    ):
        shutil.copy(PACKAGE / "service_runtime" / name, package / "service_runtime" / name)
    (package / "service_runtime" / "__main__.py").write_text(service)
    shutil.copy(PACKAGE / "__init__.py", package / "__init__.py")
    return build_bundle(package)


def free_port(address: str = "127.0.0.1") -> int:
    """A port nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


@dataclass
class Stack:
    """Plays the WaitConditionHandle: `command` is what CurlCli would be, `heard` what was said to it."""

    command: str
    heard: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def stack_server() -> Iterator[Stack]:
    """A wait condition on loopback."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            stack.heard.append(json.loads(body) | {"region": self.headers["x-acs-region-id"], "path": self.path})
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stack = Stack(
        "curl -H 'Content-Type: application/json' -H 'Accept: application/json' -H 'x-acs-region-id: cn-hangzhou' "
        f"-X POST 'http://127.0.0.1:{server.server_port}/waitcondition?stackname=a&signature=b%2F'"
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield stack
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Machine:
    """A node whose disk is a folder."""

    def __init__(self, disk: Path, address: str = "127.0.0.1", python: str = sys.executable) -> None:
        self.disk = disk
        (disk / "bin").mkdir(parents=True)
        shim = (Path(__file__).parent / "systemctl.py").read_text().replace("@PYTHON@", sys.executable)
        (disk / "bin/systemctl").write_text(shim)
        (disk / "bin/systemctl").chmod(0o755)
        (disk / "run/garret").mkdir(parents=True)
        (disk / "run/garret/address").write_text(address + "\n")
        demo = disk / "usr/share/garret/demo-model"
        (demo / "config/unet").mkdir(parents=True)
        (demo / "demo.safetensors").write_bytes(b"weights")
        (demo / "config/model_index.json").write_text("{}")
        (demo / "config/unet/config.json").write_text("{}")
        self.environment = {
            "GARRET_PREFIX": str(disk),
            "GARRET_PYTHON": python,
            "GARRET_DRIVER": "process",
            "GARRET_SERVICE_HOST": address,
            "GARRET_METADATA_URL": "http://127.0.0.1:9/latest",
            "PATH": f"{disk}/bin:/usr/bin:/bin",
        }

    def apply(self, config: NodeConfig, command: str) -> list[list[str]]:
        """Write the files of the user-data, with the stack's command filled in; returns what is to be run."""
        text = build_user_data(config).replace(SIGNAL_PLACEHOLDER, command)
        document = yaml.safe_load(text)
        for entry in document["write_files"]:
            content = entry["content"].encode()
            if entry.get("encoding") == "gz+b64":
                content = gzip.decompress(base64.b64decode(content))
            path = self.disk / entry["path"].lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(int(entry["permissions"], 8))
        return document["runcmd"]

    def receive(self, bundle: Bundle) -> None:
        """Get the bundle in pieces, as SendFile would bring them."""
        incoming = self.disk / "var/lib/garret/incoming"
        incoming.mkdir(parents=True, exist_ok=True)
        for name, content in chunks(bundle):
            (incoming / name).write_bytes(content)

    def run(self, commands: list[list[str]]) -> subprocess.CompletedProcess[str]:
        """Run the commands of the user-data to their end."""
        done = None
        for command in commands:
            done = subprocess.run(
                command, env=self.environment, capture_output=True, text=True, timeout=60, check=False
            )
        assert done is not None
        return done

    def journal(self) -> list[tuple[str, str]]:
        """Step and state of every journal line that ends a step."""
        lines = (self.disk / "var/lib/garret/bootstrap.jsonl").read_text().splitlines()
        entries = [json.loads(line) for line in lines]
        return [(entry["step"], entry["state"]) for entry in entries if entry["state"] != "running"]

    def snapshot(self) -> dict[str, tuple[int, int, bytes]]:
        """Every file but the logs, with mode, time of change and content."""
        left_out = {"boot.json", "bootstrap.jsonl", "bootstrap.log", "systemctl.log", "console.log", "pictures.log"}
        files = [path for path in sorted(self.disk.rglob("*")) if path.is_file() and path.name not in left_out]
        return {str(path): (path.stat().st_mode, path.stat().st_mtime_ns, path.read_bytes()) for path in files}

    def switch_off(self) -> None:
        """End the service, if it runs."""
        for pid_file in self.disk.glob("*.pid"):
            try:
                os.kill(int(pid_file.read_text()), signal.SIGKILL)
            except ProcessLookupError:
                continue


def config_for(bundle: Bundle, port: int, **changes: object) -> NodeConfig:
    """A node's configuration with a login's hashes."""
    values = {
        "deployment": "garret",
        "region": "cn-hangzhou",
        "cloud": "local",
        "bundle_sha256": bundle.sha256,
        "bundle_size": bundle.size,
        "service_port": port,
        "login": "admin",
        "password_hash": "scrypt$16384$8$5$c2FsdA$ZGlnZXN0",
        "token_hash": "sha256$" + "0" * 64,
        "bundle_wait_s": 5,
    }
    return NodeConfig(**{**values, **changes})  # type: ignore[arg-type]
