"""A worker process as the API process starts it: with its own GPU, and without any credential of the service."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from garret.service_runtime.settings import ServiceSettings

_PACKAGE_ROOT = Path(__file__).resolve().parents[2]
# Models come from files on this node only; the libraries neither ask their hub nor advertise it.
_QUIET = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TRANSFORMERS_VERBOSITY": "error"}


@dataclass(frozen=True)
class Process:
    """A worker process and our end of its socket."""

    process: subprocess.Popen[bytes]
    channel: socket.socket


def count_devices(environment: Mapping[str, str], devices: Path = Path("/dev")) -> int:
    """Return how many NVIDIA GPUs this process may use, found without loading torch."""
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([part for part in visible.split(",") if part.strip() not in ("", "-1")])
    return len([entry for entry in devices.glob("nvidia*") if re.fullmatch(r"nvidia\d+", entry.name)])


def start_process(
    settings: ServiceSettings,
    index: int,
    devices: int,
    checkpoint: str,
    *,
    extensions: str = "",
    stderr: int | None = None,
) -> Process:
    """Start one worker process with the extensions of these names; with GPUs each one sees only its own."""
    ours, theirs = socket.socketpair()
    # A worker makes pictures; it needs no credential of the service.
    told = without_secrets(settings)
    # Nor those of the collector of traces, which OpenTelemetry reads from variables of its own.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    environment = {**inherited, **_QUIET, **told.to_env()}
    path = environment.get("PYTHONPATH", "")
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(_PACKAGE_ROOT), path)))
    if devices:
        visible = (os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(devices)))).split(",")
        environment["CUDA_VISIBLE_DEVICES"] = visible[index % devices].strip()
    command = [sys.executable, "-m", "garret.service_runtime.worker", str(theirs.fileno()), checkpoint, extensions]
    with theirs:
        process = subprocess.Popen(
            command, env=environment, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stderr=stderr
        )
    return Process(process, ours)


def without_secrets(settings: ServiceSettings) -> ServiceSettings:
    """Return the settings without what opens the service or signs in its name, for other processes."""
    return replace(
        settings,
        password_hash="",
        token_hashes=(),
        node_token_hash="",
        webhook_secret="",
        tls_certificate="",
        tls_key="",
    )


def describe_exit(code: int | None) -> str:
    """Return "code 70" or "signal SIGKILL"."""
    if code is not None and code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"code {code}"
