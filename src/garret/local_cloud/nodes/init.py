"""PID 1 of a process node: applies the user-data once, runs the node's services and commands, ends them all.

Started by the process driver as `python -m garret.local_cloud.nodes.init FOLDER`, in a session of its own, and goes on
when the local cloud's server is gone. FOLDER holds node.json (who the node is), user-data, disk/ and init.json (how to
reach this process).
"""

from __future__ import annotations

import base64
import ctypes
import json
import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from garret.local_cloud.nodes.cloud_config import Unsupported, parse_cloud_config
from garret.local_cloud.nodes.processes import MARK, descendants, end, start_time
from garret.local_cloud.nodes.services import Services

SET_CHILD_SUBREAPER = 36
END_GRACE_S = 3.0
OUTPUT_LIMIT = 24 * 1024
PASSED_ON = ("LANG", "LC_ALL", "TZ", "OMP_NUM_THREADS", "LD_LIBRARY_PATH", "SSL_CERT_FILE")


class Init:
    """One node's first process."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.disk = folder, folder / "disk"
        self.node: dict[str, Any] = json.loads((folder / "node.json").read_text("utf-8"))
        self.environment = node_environment(folder, self.node)
        self.services = Services(self.disk, self.environment)
        self._secret = secrets.token_hex(32)
        self._running: set[int] = set()
        self._named: dict[str, subprocess.Popen[bytes]] = {}  # commands by the name that ends them

    def serve(self) -> None:
        """Boot, and answer until the node is told to stop."""
        become_subreaper()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            door = {"pid": os.getpid(), "since": start_time(os.getpid()), "port": listener.getsockname()[1]}
            write_private(self.folder / "init.json", json.dumps({**door, "secret": self._secret}))
            threading.Thread(target=self._boot, name="boot", daemon=True).start()
            listener.settimeout(0.5)
            while True:
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    self._collect_orphans()
                    continue
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def shut_down(self) -> None:
        """End everything that runs on the node."""
        self.services.stop_all()
        end(descendants(os.getpid()), grace_s=5)
        (self.folder / "init.json").unlink(missing_ok=True)

    def _boot(self) -> None:
        booted = self.disk / "var/lib/cloud/instance/booted"
        if booted.exists():
            self.services.start_enabled()
            return
        try:
            config = parse_cloud_config((self.folder / "user-data").read_text("utf-8"))
        except Unsupported as error:
            print(f"user-data refused: {error}", flush=True)  # noqa: T201 - the console
            return
        config.write_files(self.disk)
        booted.parent.mkdir(parents=True, exist_ok=True)
        # Before the commands: cloud-init, too, does not repeat user-data that was cut off in the middle.
        booted.touch()
        for command in config.commands:
            code = self._spawn(list(command), self.disk, None).wait()
            print(f"runcmd: {command[0]} ended with {code}", flush=True)  # noqa: T201 - the console

    def _spawn(self, command: list[str], folder: Path, output: Any) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            command, env=self.environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT if output else None, start_new_session=True,
        )  # fmt: skip
        self._running.add(process.pid)
        return process

    def _answer(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rwb") as stream:
            try:
                request = json.loads(stream.readline())
                if not secrets.compare_digest(str(request.get("secret", "")), self._secret):
                    return
                reply = self._do(request)
            except (ValueError, OSError) as error:
                reply = {"ok": False, "message": str(error)}
            try:
                stream.write((json.dumps(reply) + "\n").encode())
                stream.flush()
            except OSError:
                return  # who asked has gone

    def _do(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["verb"] == "run":
            return self._run(request)
        if request["verb"] == "end":
            return self._end(str(request["name"]))
        ok, message = self.services.do(request["verb"], str(request.get("unit", "")), bool(request.get("now")))
        return {"ok": ok, "message": message}

    def _run(self, request: dict[str, Any]) -> dict[str, Any]:
        """Run a script to its end or its limit; a child that left its session goes on."""
        command, timeout_s = base64.b64decode(request["command"]), float(request["timeout_s"])
        directory = str(request["directory"])
        folder = self.disk / directory.lstrip("/")
        if not folder.is_dir():
            return {"ok": False, "missing": "folder", "message": f"{directory} is not a folder of the node"}
        work = self.disk / "tmp"
        name = secrets.token_hex(8)
        script, log = work / f"{name}.sh", work / f"{name}.out"
        script.write_bytes(command)
        script.chmod(0o700)
        # A script that begins with #! says itself what runs it, as with the vendor's agent.
        words = ["/bin/sh", "-c", shlex.quote(str(script))] if command.startswith(b"#!") else ["/bin/sh", str(script)]
        try:
            with log.open("wb") as output:
                code, timed_out = self._wait(self._spawn(words, folder, output), str(request["name"]), timeout_s)
            size = log.stat().st_size
            with log.open("rb") as output:
                output.seek(max(0, size - OUTPUT_LIMIT))
                tail = output.read(OUTPUT_LIMIT)
        finally:
            script.unlink(missing_ok=True)
            log.unlink(missing_ok=True)
        said = base64.b64encode(tail).decode("ascii")
        dropped = max(0, size - OUTPUT_LIMIT)
        return {"ok": True, "exit_code": code, "output": said, "dropped": dropped, "timed_out": timed_out}

    def _wait(self, process: subprocess.Popen[bytes], name: str, timeout_s: float) -> tuple[int, bool]:
        """Wait for a command; returns its exit code, and whether its time was up."""
        self._named[name] = process
        try:
            code, timed_out = process.wait(timeout_s), False
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            code, timed_out = process.wait(), True
        finally:
            del self._named[name]
        return (code if code >= 0 else 128 - code), timed_out  # a signal's number, as a shell tells it

    def _end(self, name: str) -> dict[str, Any]:
        """End a command by its name, with all of its session: asked first, killed when it stays."""
        process = self._named.get(name)
        if process is None:
            return {"ok": True, "message": ""}
        for number, grace_s in ((signal.SIGTERM, END_GRACE_S), (signal.SIGKILL, 0)):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            deadline = time.monotonic() + grace_s
            while process.returncode is None and time.monotonic() < deadline:
                time.sleep(0.02)  # whoever ran it waits for its end and notes it
        return {"ok": True, "message": ""}

    def _collect_orphans(self) -> None:
        """Take leave of processes that ended after their parent had: they are ours, as they are PID 1's."""
        if not hasattr(os, "waitid"):
            return
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None or ended.si_pid in self._running | self.services.pids():
                return
            os.waitpid(ended.si_pid, os.WNOHANG)


def node_environment(folder: Path, node: dict[str, Any]) -> dict[str, str]:
    """Return the environment of every process of a node; nothing of the operator's own gets in."""
    disk = folder / "disk"
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return (
        kept
        | dict(node.get("environment", {}))
        | {
            "PATH": f"{disk}/usr/local/bin:{disk}/bin:{os.environ.get('PATH', os.defpath)}",
            "HOME": str(disk / "root"),
            "TMPDIR": str(disk / "tmp"),
            "GARRET_PREFIX": str(disk),
            "GARRET_DRIVER": "process",
            "GARRET_PYTHON": sys.executable,
            "GARRET_SERVICE_HOST": node.get("address") or "127.0.0.1",
            MARK: node["instance_id"],
        }
    )


def become_subreaper() -> None:
    """Have orphans of the node handed to this process, where the system can do that."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads, as a whole."""
    fresh = path.with_name(path.name + ".new")
    fresh.touch(mode=0o600)
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def main(folder: Path) -> None:
    """Be the node's PID 1 until SIGTERM."""
    init = Init(folder)

    def stop(*_: object) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    try:
        init.serve()
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        init.shut_down()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
