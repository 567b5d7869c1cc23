"""The machine as the steps see it: a root in front of every path, files written once, programs run with a limit."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from garret.image_bootstrap.first_stage import Journal, StepFailed
from garret.image_bootstrap.folders import entered


class Host:
    """A node's files and programs; `root` is "/" on a real node, a folder under the process driver."""

    def __init__(self, root: Path, environment: Mapping[str, str], journal: Journal | None = None) -> None:
        self.root = root
        self.environment = dict(environment)
        self.journal = journal or Journal(root)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Host:
        """Build the host that GARRET_PREFIX names; the real machine without it."""
        return cls(Path(environment.get("GARRET_PREFIX") or "/"), environment)

    @property
    def prefix(self) -> str:
        """Return the text in front of an absolute path: "" on a real node."""
        return str(self.root).rstrip("/")

    @property
    def driver(self) -> str:
        """Say what booted the node: cloud-init, or a driver of the local cloud."""
        return self.environment.get("GARRET_DRIVER") or "cloud-init"

    @property
    def is_whole_machine(self) -> bool:
        """Say whether users, packages and system units of this machine are ours to change."""
        return self.prefix == "" and os.geteuid() == 0

    @property
    def why_not_whole(self) -> str:
        """Return the reason a step that needs the whole machine is skipped with."""
        return "the node is a folder, not a machine" if self.prefix else "needs root"

    @property
    def python(self) -> str:
        """Return the interpreter that runs the service."""
        return self.environment.get("GARRET_PYTHON") or str(self.path("/opt/garret/venv/bin/python"))

    def path(self, absolute: str) -> Path:
        """Return where the node's absolute path lies on this machine."""
        return self.root / absolute.lstrip("/")

    def write(self, absolute: str, text: str, mode: int, group: str = "") -> bool:
        """Have a file with this text and mode, replaced as a whole; say whether anything changed."""
        path, content = self.path(absolute), text.encode("utf-8")
        if path.is_file() and path.read_bytes() == content and path.stat().st_mode & 0o7777 == mode:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.name + ".")
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        if group and self.is_whole_machine:
            shutil.chown(name, "root", group)
        Path(name).replace(path)
        return True

    def copy(self, source: Path, absolute: str, mode: int = 0o644) -> bool:
        """Have a copy of a file at the node's path, of the owner of its folder; say whether anything changed.

        That owner may be the service's user: links that lie there are not followed, and no name is known before.
        """
        folder, _, name = absolute.rpartition("/")
        with entered(self.root, folder) as handle:
            if _same(source, name, handle):
                return False
            fresh = f".{name}.{secrets.token_hex(8)}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(fresh, flags, 0o600, dir_fd=handle)
            try:
                with os.fdopen(descriptor, "wb") as file, source.open("rb") as content:
                    shutil.copyfileobj(content, file)
                    if os.geteuid() == 0:
                        owner = os.fstat(handle)
                        os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
                    os.fchmod(file.fileno(), mode)
                os.replace(fresh, name, src_dir_fd=handle, dst_dir_fd=handle)
            except BaseException:
                with suppress(OSError):
                    os.unlink(fresh, dir_fd=handle)
                raise
        return True

    def has(self, program: str) -> bool:
        """Say whether a program is on the node's PATH."""
        return shutil.which(program, path=self.environment.get("PATH")) is not None

    def run(self, arguments: Sequence[str], timeout_s: float = 60, check: bool = True, quiet: bool = False) -> str:
        """Run a program to its end and return its output; what it says goes to the log, unless `quiet`.

        Raises:
            StepFailed: it could not be started, took too long, or ended with an error (when `check`).
        """
        shown = " ".join(arguments)[:200]
        try:
            done = subprocess.run(
                list(arguments), env=self.environment, timeout=timeout_s, check=False, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            )  # fmt: skip
        except FileNotFoundError:
            raise StepFailed(f"{arguments[0]} is not on this machine") from None
        except subprocess.TimeoutExpired:
            raise StepFailed(f"`{shown}` did not end within {timeout_s:g} s") from None
        if not quiet:
            self.journal.log(f"$ {shown} -> {done.returncode}" + (f"\n{done.stdout.rstrip()}" if done.stdout else ""))
        if check and done.returncode < 0:
            killer = signal.Signals(-done.returncode)
            memory = ", as the system does when memory runs out" if killer == signal.SIGKILL else ""
            raise StepFailed(f"`{shown}` was ended by {killer.name}{memory}")
        if check and done.returncode != 0:
            last = done.stdout.strip().splitlines()[-1:] or ["it said nothing"]
            raise StepFailed(f"`{shown}` ended with {done.returncode}: {last[0][:300]}")
        return done.stdout


def _same(source: Path, name: str, folder: int) -> bool:
    try:
        known = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:  # none, or a link
        return False
    with os.fdopen(known, "rb") as one, source.open("rb") as other:
        there = os.fstat(known)
        if not stat.S_ISREG(there.st_mode) or there.st_size != source.stat().st_size:
            return False
        while True:
            piece = one.read(1 << 20)
            if piece != other.read(1 << 20):
                return False
            if not piece:
                return True
