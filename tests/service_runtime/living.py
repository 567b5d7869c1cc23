"""A real service in a process of its own, spoken to over HTTP, and the small files it needs."""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from garret.service_runtime.png import SIGNATURE
from garret.service_runtime.settings import ServiceSettings

SDXL_TENSORS = {
    "model.diffusion_model.input_blocks.0.0.weight": (8, 4, 3, 3),
    "conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight": (16, 8),
    "conditioner.embedders.1.model.token_embedding.weight": (16, 8),
}


def safetensors_bytes(tensors: Mapping[str, tuple[int, ...]], fill: bytes = b"\0") -> bytes:
    """Return a safetensors file of fp16 tensors."""
    entries, at = {}, 0
    for name, shape in tensors.items():
        size = 2
        for side in shape:
            size *= side
        entries[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    header = json.dumps(entries).encode()
    return struct.pack("<Q", len(header)) + header + (fill * at)[:at]


def checkpoint(folder: Path, name: str = "tiny", fill: bytes = b"\0") -> Path:
    """Write a small file that has SDXL's tensor names, into the checkpoint folder below `folder`."""
    path = folder / "Stable-diffusion" / f"{name}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(safetensors_bytes(SDXL_TENSORS, fill))
    return path


def fake_settings(folder: Path, **changes: Any) -> ServiceSettings:
    """Return settings of a service on loopback with the fake engine, and one checkpoint in its folder."""
    checkpoint(folder / "models")
    settings = ServiceSettings(
        port=0,
        state_dir=folder / "state",
        models_dir=folder / "models",
        embeddings_dir=folder / "embeddings",
        config_dir=folder / "configs",
        engine="fake",
    )
    return replace(settings, **changes)


@dataclass
class Answer:
    """One HTTP reply."""

    status: int
    headers: dict[str, str]
    body: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def pictures(self) -> list[bytes]:
        """The reply's pictures as PNG files."""
        return [base64.b64decode(text) for text in self.json["images"]]


@dataclass
class Service:
    """A running service."""

    process: subprocess.Popen[str]
    host: str
    port: int
    headers: dict[str, str] = field(default_factory=dict)

    def connect(self, timeout: float = 30) -> http.client.HTTPConnection:
        """Return a connection of its own."""
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Make one request; a body that is not bytes goes as JSON."""
        connection = self.connect()
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        sent = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        try:
            connection.request(method, path, data, sent)
            reply = connection.getresponse()
            return Answer(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())
        finally:
            connection.close()

    def txt2img(self, **body: Any) -> Answer:
        """Ask for pictures, small and quick ones where nothing is said."""
        return self.call("POST", "/sdapi/v1/txt2img", {"width": 64, "height": 64, "steps": 2, **body})

    def wait_until(self, wanted: str = "ok", timeout: float = 60) -> None:
        """Wait for a state of /healthz."""
        wait(lambda: self._health() == wanted, timeout, f"/healthz to say {wanted}")

    def workers(self) -> list[int]:
        """The process ids of its workers."""
        return children(self.process.pid)

    def kill(self) -> None:
        """End the API process as a crash would."""
        self.process.kill()
        self.process.communicate()

    def terminate(self) -> int:
        """Ask it to stop and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=20)
        return self.process.returncode

    def _health(self) -> str:
        try:
            return str(self.call("GET", "/healthz").json["status"])
        except OSError:
            return "unreachable"


def children(pid: int) -> list[int]:
    """Return the ids of a process's children (Linux)."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(folder.name))
    return found


def wait(condition: Any, timeout: float, what: str) -> None:
    """Wait for a condition, or fail saying for what."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s for {what}")
        time.sleep(0.03)


def launch(settings: ServiceSettings, **environment: str) -> Service:
    """Start a service and return when it listens; it may still be loading."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GARRET_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "garret.service_runtime"],
        env={**kept, "OMP_NUM_THREADS": "1", **settings.to_env(), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("garret: serving on "):
            host, _, port = line.strip().rpartition("//")[2].rpartition(":")
            return Service(process, host, int(port))
    raise AssertionError("the service did not start:\n" + "".join(lines))


@contextmanager
def serving(settings: ServiceSettings, **environment: str) -> Iterator[Service]:
    """Run a service until the end of the block."""
    service = launch(settings, **environment)
    try:
        service.wait_until("ok")
        yield service
    finally:
        if service.process.poll() is None:
            service.kill()


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Make a certificate that signs itself, for a name and loopback; return its file and its key's."""
    key, file = folder / f"{name}.key", folder / f"{name}.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
         "1", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name},IP:127.0.0.1", "-keyout", key, "-out",
         file],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return file, key


def read_texts(png: bytes) -> dict[str, str]:
    """Return the text chunks of a PNG that the service wrote."""
    texts = {}
    for kind, data in _chunks(png):
        if kind == b"tEXt":
            key, _, value = data.partition(b"\0")
            texts[key.decode("latin-1")] = value.decode("latin-1")
        elif kind == b"iTXt":
            key, _, rest = data.partition(b"\0")
            texts[key.decode("latin-1")] = rest[2:].split(b"\0", 2)[2].decode("utf-8")
    return texts


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    if not png.startswith(SIGNATURE):
        raise ValueError("not a PNG")
    at = len(SIGNATURE)
    while at + 12 <= len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += 12 + length


def free_port() -> int:
    """Return a port of loopback that was free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
