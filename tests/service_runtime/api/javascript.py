"""A real Node.js for the tests, from the wheel that ships its binary; its package manager beside it."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Node:
    """Node.js in a folder of programs."""

    folder: Path

    @property
    def version(self) -> str:
        """What it says of itself, without the v."""
        return self.run("--version").strip().removeprefix("v")

    def run(self, *arguments: str | Path, folder: Path | None = None, **environment: str) -> str:
        """Run `node` to its end in a folder and return what it printed; the test fails with its words if it does."""
        return self._finish(arguments, folder, environment)

    def install(self, folder: Path, *packages: str) -> None:
        """Bring packages of exact versions (`name@1.2.3`) into a folder's node_modules; their scripts are not run."""
        options = ("--no-save", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
        # The wheel's bin/npm looks for its library beside itself, where the wheel does not put it.
        program = self.folder.parent / "lib/node_modules/npm/bin/npm-cli.js"
        self._finish((program, "install", *options, "--prefix", folder, *packages), folder, {})

    def _finish(self, arguments: tuple[str | Path, ...], folder: Path | None, environment: dict[str, str]) -> str:
        # Certificates that a machine's network wants (NODE_EXTRA_CA_CERTS) stay; what changes programs goes.
        shed = ("GARRET_", "NODE_OPTIONS", "NODE_PATH")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(shed)}
        path = os.pathsep.join((str(self.folder), os.environ.get("PATH", "")))
        done = subprocess.run(
            [self.folder / "node", *arguments],
            cwd=folder,
            env={**kept, "PATH": path, **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"node {arguments[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout
