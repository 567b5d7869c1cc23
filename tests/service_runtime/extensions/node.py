"""A node's disk with a service that a small supervisor keeps up, and operations asked for as the command line does."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from garret.service_runtime.executions import ENDED
from garret.service_runtime.extensions.registry import Registry
from garret.service_runtime.life import Life, look
from garret.service_runtime.settings import ServiceSettings, write_env_file
from tests.service_runtime.living import Service, fake_settings, free_port, wait

# What systemd does with Restart=on-failure.
SUPERVISOR = 'while ! "$@"; do :; done'


@dataclass
class Node:
    """One node; `service` is spoken to over HTTP."""

    root: Path
    settings: ServiceSettings
    service: Service
    shown: dict[str, Any] = field(default_factory=dict)

    @property
    def life(self) -> Life:
        """The service that runs now."""
        found = look(self.settings.state_dir)
        assert found is not None
        return found

    def run(self, *arguments: str, **environment: str) -> Any:
        """Run garret-node and return what it said."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GARRET_")}
        done = subprocess.run(
            [sys.executable, "-m", "garret.service_runtime.node", *arguments],
            env={**kept, "GARRET_PREFIX": str(self.root), **environment},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
        return json.loads(done.stdout)

    def begin(self, verb: str, sent: list[bytes] | None = None, **parameters: Any) -> str:
        """Ask for an operation and return its id."""
        return self.begin_with({}, verb, sent, **parameters)

    def begin_with(
        self,
        environment: dict[str, str],
        verb: str = "install-extension",
        sent: list[bytes] | None = None,
        **parameters: Any,
    ) -> str:
        """Ask for an operation in an environment."""
        identifier = secrets.token_hex(16)
        folder = self.root / "var/lib/garret/requests"
        folder.mkdir(parents=True, exist_ok=True)
        for number, piece in enumerate(sent or ()):
            (folder / f"{parameters['sha256']}.{number:03d}").write_bytes(piece)
            parameters["pieces"] = number + 1
        (folder / f"{identifier}.json").write_text(json.dumps({"verb": verb, "parameters": parameters}))
        self.run("operation", "start", identifier, **environment)
        return identifier

    def end(self, identifier: str, timeout: float = 60) -> Any:
        """Wait for an operation's end and return its record."""
        wait(lambda: self._show(identifier)["status"] in ENDED, timeout, "the operation's end")
        return self.shown

    def do(self, verb: str, sent: list[bytes] | None = None, **parameters: Any) -> Any:
        """Ask for an operation and return its record after its end."""
        return self.end(self.begin(verb, sent, **parameters))

    def install(self, source: str, **parameters: Any) -> Any:
        """Install an extension, which must go well; returns the output."""
        record = self.do("install-extension", source=source, **parameters)
        assert record["status"] == "Success", record
        return record["output"]

    def refused(self, source: str, **parameters: Any) -> str:
        """Install an extension, which must not go well; returns what a person reads."""
        record = self.do("install-extension", source=source, **parameters)
        assert record["status"] == "Failed", record
        return f"{record['error']['message']}\n{record['error']['hint']}"

    def extensions(self) -> dict[str, Any]:
        """The extensions by name."""
        return {one.name: one.to_dict() for one in Registry(self.settings).all()}

    def folders(self) -> list[str]:
        """What lies in the folder of extensions, hidden things too."""
        return sorted(path.name for path in self.settings.extensions_dir.iterdir())

    def _show(self, identifier: str) -> Any:
        path = self.settings.state_dir / "executions" / f"{identifier}.json"
        self.shown = json.loads(path.read_text(encoding="utf-8"))
        return self.shown


@contextmanager
def living_node(root: Path, *, running: bool = True, private: bool = True) -> Iterator[Node]:
    """A node below a folder, whose service runs, if it is to."""
    port = free_port()
    settings = replace(
        fake_settings(root),
        port=port,
        state_dir=root / "var/lib/garret/service",
        extensions_dir=root / "home/extensions",
        allow_private_download=private,
    )
    (root / "etc/garret").mkdir(parents=True)
    (root / "etc/garret/service.env").write_text(write_env_file(settings.to_env()))
    for folder in (settings.state_dir / "executions", settings.extensions_dir):
        folder.mkdir(parents=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GARRET_")}
    command = ["sh", "-c", SUPERVISOR, "sh", sys.executable, "-m", "garret.service_runtime"]
    with (root / "service.log").open("wb") as log:
        process = subprocess.Popen(
            command if running else ["true"],
            env={**kept, "OMP_NUM_THREADS": "1", **settings.to_env()},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        node = Node(root, settings, Service(process, "127.0.0.1", port))  # type: ignore[arg-type]
        try:
            if running:
                node.service.wait_until("ok")
            yield node
        finally:
            end_group(process)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End the supervisor and all it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
