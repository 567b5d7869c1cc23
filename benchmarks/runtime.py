"""The runtime started by hand, as the benchmarks compare against it."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from garret import demo_model
from garret.service_runtime.passwords import hash_password
from garret.service_runtime.settings import ServiceSettings

LOGIN, PASSWORD = "admin", "Bench-1234"
PROMPT = "a red circle on a blue background"


def free_port() -> int:
    """Return a port of loopback that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def by_hand(folder: Path, **changes: Any) -> Iterator[str]:
    """Start the runtime with the demo model and give its address; it is not ready yet."""
    checkpoints = folder / "models" / "Stable-diffusion"
    checkpoints.mkdir(parents=True)
    (checkpoints / "demo.safetensors").symlink_to(demo_model.WEIGHTS)
    configs = folder / "configs"
    configs.mkdir()
    (configs / "demo").symlink_to(demo_model.CONFIG)
    port = free_port()
    settings = ServiceSettings(
        port=port,
        state_dir=folder / "state",
        models_dir=folder / "models",
        embeddings_dir=folder / "embeddings",
        config_dir=configs,
        password_hash=hash_password(PASSWORD),
        login=LOGIN,
        **changes,
    )
    command = [sys.executable, "-m", "garret.service_runtime"]
    with (folder / "runtime.log").open("wb") as log:
        service = subprocess.Popen(command, env=os.environ | settings.to_env(), stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        service.terminate()
        service.wait(30)


@contextmanager
def fake_by_hand(folder: Path, rgb: Path, seconds: float) -> Iterator[int]:
    """Start the runtime on a stub that holds `seconds` a picture and returns these pixels; give its port when ready."""
    told = {"engine": "fake", "fake_seconds": seconds, "fake_picture": str(rgb), "max_batch": 1}
    with by_hand(folder, **told) as endpoint:
        wait_for_picture(endpoint)
        yield int(endpoint.rpartition(":")[2])


def picture(endpoint: str, password: str = PASSWORD, **fields: object) -> bytes:
    """Ask for one picture and return its PNG."""
    body = json.dumps({"prompt": PROMPT, "seed": 1, **fields}).encode()
    credentials = base64.b64encode(f"{LOGIN}:{password}".encode()).decode()
    headers = {"Content-Type": "application/json", "Authorization": f"Basic {credentials}"}
    request = urllib.request.Request(f"{endpoint}/sdapi/v1/txt2img", body, headers)
    with urllib.request.urlopen(request, timeout=120) as reply:
        return base64.b64decode(json.load(reply)["images"][0])


def wait_for_picture(endpoint: str, seconds: float = 120) -> bytes:
    """Ask again until the runtime, which may still be starting, gives a picture."""
    ends = time.monotonic() + seconds
    while True:
        try:
            return picture(endpoint)
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > ends:
                raise
            time.sleep(0.1)


def processes_below(pid: int) -> list[int]:
    """Return the ids of a process's children and theirs (Linux)."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]
